import numpy as np

from glimmer_keras.memory import MemoryStore, StoredPassage
from recipes.benchmarks.parts.startup import by_length


def test_passages_are_grouped_by_the_length_they_need(tmp_path):
    writer = MemoryStore.create(tmp_path / "store", hidden_dim=2, passage_length=8)
    named = [StoredPassage(name, "", "") for name in "abcd"]
    writer.write_shard(0, np.zeros((4, 8, 2), "float32"), np.array([8, 2, 4, 3]), named)
    writer.complete(1)
    store = MemoryStore.open(tmp_path / "store")
    # 2, 4, 6 or 8 tokens; none needs 6.
    assert by_length(store, (2, 4, 6, 8)) == [["b"], ["c", "d"], ["a"]]
