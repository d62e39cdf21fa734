import numpy as np

from glimmer_keras import Glimmer
from recipes.benchmarks.parts.keras_hub_fid import keras_hub_fid


def test_keras_hub_encodes_as_ours_does(small):
    fid = Glimmer.from_size("tiny", "fid", **{**small, "dropout": 0.0})
    rng = np.random.default_rng(0)
    question, passages = rng.integers(2, 10, (1, 2)), rng.integers(2, 10, (1, 3, 4))
    read = fid.backbone.read(
        {
            "question_token_ids": question,
            "question_padding_mask": np.ones((1, 2), bool),
            "passage_token_ids": passages,
            "passage_padding_mask": np.ones((1, 3, 4), bool),
        }
    )
    ours = fid.backbone.finish_encoding(read["encoded_passages"])[0]
    joined = np.concatenate([np.repeat(question, 3, axis=0), passages[0]], axis=1)
    theirs = keras_hub_fid(fid).encode(joined, np.ones((3, 6), "int32"))
    np.testing.assert_allclose(np.asarray(theirs), np.asarray(ours), atol=1e-4)
