from dataclasses import dataclass

import numpy as np
import pytest

from glimmer_keras.memory import MemoryStore, StoredPassage

LENGTH, DIM, SHARD = 6, 4, 4


@dataclass
class World:
    """Passages `p0`, `p1`, … and their memory, float32 arrays of different lengths."""

    memory: list[np.ndarray]
    lengths: np.ndarray
    passages: list[StoredPassage]

    def part(self, start, stop):
        return self.memory[start:stop], self.lengths[start:stop], self.passages[start:stop]

    def write(self, path, dtype="float32", rows=11, **options):
        """A complete store of the first passages."""
        settings = {"hidden_dim": DIM, "passage_length": LENGTH, "shard_size": SHARD, **options}
        writer = MemoryStore.create(path, dtype=dtype, **settings)
        shards = -(-rows // writer.shard_size)
        for number in range(shards):
            self.write_shard(writer, number, rows)
        writer.complete(shards)
        return MemoryStore.open(path)

    def write_shard(self, writer, number, rows=11):
        first = number * writer.shard_size
        writer.write_shard(number, *self.part(first, min(first + writer.shard_size, rows)))

    def values(self, rows, length=LENGTH):
        """float32 `(rows, length, dim)`, padded; row -1 is zeros."""
        padded = np.zeros((len(rows), length, DIM), "float32")
        for place, row in enumerate(rows):
            if row >= 0:
                passage = self.memory[row][:length]
                padded[place, : len(passage)] = passage
        return padded


@pytest.fixture(scope="session")
def world():
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, LENGTH + 1, 40)
    return World(
        [rng.standard_normal((n, DIM)).astype("float32") for n in lengths],
        lengths,
        [StoredPassage(f"p{i}", f"Title {i % 3}", f"Text {i} of Ülm\n✓") for i in range(40)],
    )
