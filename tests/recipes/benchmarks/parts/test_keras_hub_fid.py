import numpy as np
from keras import ops

from glimmer_keras import Glimmer
from recipes.benchmarks.parts.keras_hub_fid import keras_hub_fid
from recipes.benchmarks.timing import compiled


def test_keras_hub_encodes_as_ours_does(small):
    fid = Glimmer.from_size("tiny", "fid", **{**small, "dropout": 0.0})
    peer = keras_hub_fid(fid)
    rng = np.random.default_rng(0)
    question, passages = rng.integers(2, 10, (1, 2)), rng.integers(2, 10, (1, 3, 4))
    inputs = {
        "question_token_ids": question,
        "question_padding_mask": np.ones((1, 2), bool),
        "passage_token_ids": passages,
        "passage_padding_mask": np.ones((1, 3, 4), bool),
    }
    joined = np.concatenate([np.repeat(question, 3, axis=0), passages[0]], axis=1)

    def encode(inputs):
        read = fid.backbone.read(inputs)
        return fid.backbone.finish_encoding(read["encoded_passages"])[0]

    def run(model, function, *arguments):
        arguments = tuple(
            {name: ops.convert_to_tensor(value) for name, value in argument.items()}
            if isinstance(argument, dict)
            else ops.convert_to_tensor(argument)
            for argument in arguments
        )
        return ops.convert_to_numpy(compiled(function, model, arguments, jit=False)())

    theirs = run(peer, peer.encode, joined, np.ones((3, 6), "int32"))
    np.testing.assert_allclose(theirs, run(fid, encode, inputs), atol=1e-4)
