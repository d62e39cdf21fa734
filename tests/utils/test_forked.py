import os
import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, sys
import numpy as np
from glimmer_keras.data import Passage
from glimmer_keras.memory import MemoryStore
from glimmer_keras.retrieval import VectorStore

folder = sys.argv[1]
writer = MemoryStore.create(folder + "/s", hidden_dim=4, passage_length=6, dtype="float32")
passages = [Passage("a", "", "x"), Passage("b", "", "y")]
writer.write_shard(0, np.ones((2, 6, 4), "float32"), np.full(2, 6), passages)
writer.complete(num_shards=1)
store = MemoryStore.open(folder + "/s")
store.read(["a"])
vectors = VectorStore.create(folder + "/v", 2, 4, "float32")
vectors[0:2] = np.ones((2, 4), "float32")


def work(queue):
    for use in (
        lambda: MemoryStore.open(folder + "/s"),
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
for _ in range(4):
    print(queue.get(timeout=20))
worker.join(20)
print(worker.exitcode, store.read(["b"]).values.shape)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_worker_is_told_how_to_start(tmp_path):
    # Apart, for a process that has imported JAX had better not fork.
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    *told, last = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    assert last == "0 (1, 6, 4)"
    assert len(told) == 4
    assert all("start workers by `spawn`" in message for message in told)
