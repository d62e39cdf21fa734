import argparse

import numpy as np

from glimmer_keras import Glimmer
from recipes.benchmarks.parts.answering import encode_selected, make_inputs, rerank
from recipes.benchmarks.timing import compiled

LENGTHS = {"k": 3, "question_length": 2, "passage_length": 5, "answer_length": 2}


def test_the_parts_are_the_whole_reading(small):
    settings = {**small, "live_proportion": 1.0, "rerank_proportion": 0.5, "num_selected": 2}
    reader = Glimmer.from_size("tiny", "glimmer", **settings, num_decoder_layers=1)
    backbone = reader.backbone
    inputs = make_inputs(reader, 2, argparse.Namespace(**LENGTHS))
    inputs["passage_memory"] = backbone.token_embedding(inputs.pop("passage_token_ids"))

    def run(inputs):
        reranked = rerank(backbone, inputs)
        return reranked, encode_selected(backbone, reranked), backbone.read(inputs)

    reranked, encoded, read = compiled(run, reader, (inputs,), jit=False)()
    np.testing.assert_allclose(encoded, read["encoded_passages"], atol=1e-5)
    np.testing.assert_array_equal(reranked["selected_passages"], read["selected_passages"])
