import multiprocessing
import os

import numpy as np
import pytest

from glimmer_keras.data import Passage
from glimmer_keras.memory import MemoryStore
from glimmer_keras.retrieval import VectorStore


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_worker_is_told_how_to_start(tmp_path):
    writer = MemoryStore.create(tmp_path / "s", hidden_dim=4, passage_length=6, dtype="float32")
    passages = [Passage("a", "", "x"), Passage("b", "", "y")]
    writer.write_shard(0, np.ones((2, 6, 4), "float32"), np.full(2, 6), passages)
    writer.complete(num_shards=1)
    store = MemoryStore.open(tmp_path / "s")
    assert store.read(["a"]).values.shape == (1, 6, 4)
    vectors = VectorStore.create(tmp_path / "v", 2, 4, "float32")
    vectors[0:2] = np.ones((2, 4), "float32")

    def work(queue):
        for use in (
            lambda: MemoryStore.open(tmp_path / "s"),
            lambda: store.read(["b"]),
            lambda: store.passages(["b"]),
            lambda: vectors[0:1],
        ):
            try:
                queue.put(str(use()))
            except RuntimeError as error:
                queue.put(str(error))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=work, args=(queue,))
    worker.start()
    told = [queue.get(timeout=20) for _ in range(4)]
    worker.join(20)
    assert worker.exitcode == 0
    assert all("start workers by `spawn`" in message for message in told)
    assert store.read(["b"]).values.shape == (1, 6, 4)
