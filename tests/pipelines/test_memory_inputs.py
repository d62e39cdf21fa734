import numpy as np
import pytest

from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.pipelines import memory_inputs
from tests import dequantized


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_memory_of_every_dtype_is_read(make_glimmer, dtype, rng):
    glimmer = make_glimmer(2, 4, 3)
    memory, ids = rng.normal(size=(3, 4, 8)).astype("float32"), [["a", "c"], ["b", None]]
    writer = MemoryStore.create(f"memory://in-{dtype}", hidden_dim=8, passage_length=4, dtype=dtype)
    writer.write_shard(0, memory, [4, 3, 2], [StoredPassage(i, "", "") for i in "abc"])
    writer.complete(1)
    batch = MemoryStore.open(f"memory://in-{dtype}").read(ids)
    inputs = memory_inputs(batch)
    assert inputs["passage_memory"].dtype.name == dtype
    assert ("passage_memory_scales" in inputs) == (dtype == "int8")
    assert inputs["passage_padding_mask"].sum(-1).tolist() == [[4, 2], [3, 0]]
    asked = {
        "question_token_ids": np.array([[3, 4], [5, 6]], "int32"),
        "question_padding_mask": np.ones((2, 2), bool),
    }
    out = glimmer.generate(asked | inputs)
    plain = {"passage_memory": dequantized(batch), "passage_padding_mask": batch.mask}
    expected = glimmer.generate(asked | plain)
    np.testing.assert_allclose(out["passage_scores"], expected["passage_scores"], rtol=1e-5)
    assert out["answers"] == expected["answers"]
    assert out["passage_scores"][1, 1] == -1e9
