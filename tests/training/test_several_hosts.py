"""`glimmer train` by several processes with devices of their own, which find each other by TCP.

Run as a program, with a file of settings, a folder, changes to the settings and the step after
which it gets a SIGTERM, or 0, this file is one of them.
"""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import yaml

from glimmer_keras import Glimmer
from glimmer_keras.cli.main import main
from glimmer_keras.distribution.hosts import first_host_first, from_hosts, hosts
from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.training import ReaderRun
from glimmer_keras.training.step_callback import StepCallback
from recipes.worlds.fictional_world import make_world, write_world
from tests import checkpoint_arrays

pytestmark = pytest.mark.slow  # five processes, each of which compiles

BACKEND = keras.backend.backend()
TOKENIZER = bundled_vocabulary("tiny_world")
MICRO = {"num_layers": 2, "num_decoder_layers": 1, "num_heads": 4, "hidden_dim": 8}
MICRO |= {"intermediate_dim": 8, "key_value_dim": 2}
HOSTS, STEPS, STOP = 2, 8, 1
LOG_EVERY = 2  # and from one exchange of signals to the next


class Signal(StepCallback):
    """Sends itself a SIGTERM after a step; tells what hosts tell each other."""

    def __init__(self, step):
        super().__init__()
        self.after = step

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        if self.step == self.after:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_train_end(self, logs=None):
        own, count = hosts()
        assert from_hosts(10 + own) == [10 + number for number in range(count)]
        if count > 1:
            kind = OSError if own == 0 else RuntimeError
            with pytest.raises(kind), first_host_first():
                raise OSError("a full disk")


def child(file, folder, changes, stop):
    """What this file does as a program."""
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", 2)
    T5_SIZES["tiny"] = MICRO
    fit = ReaderRun.fit
    ReaderRun.fit = lambda self, callbacks: fit(self, [*callbacks, Signal(stop)])
    return main(["train", file, "--output", folder, "--set", *changes])


def told(ports):
    """Environments of hosts that find each other at some ports."""
    addresses = [f"localhost:{port}" for port in ports]
    for host in range(len(ports)):
        if BACKEND == "jax":
            prefix = "KERAS_DISTRIBUTION_"
            yield {
                f"{prefix}JOB_ADDRESSES": ",".join(addresses),
                f"{prefix}NUM_PROCESSES": str(len(ports)),
                f"{prefix}PROCESS_ID": str(host),
            }
        else:
            task = {"type": "worker", "index": host}
            yield {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": task})}


def run(file, folder, count, changes=("run.hosts=1",), stop=0):
    """What each of some processes said; the last one gets the signal after step `stop`."""
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("localhost", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    processes, said = [], []
    for host, environment in enumerate(told(ports) if count > 1 else [{}]):
        own = str(stop if host == count - 1 else 0)
        said.append((folder.parent / f"{folder.name}-{host}.txt").open("w+"))
        processes.append(
            subprocess.Popen(
                [sys.executable, __file__, str(file), str(folder), json.dumps(changes), own],
                stdout=said[-1],
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            )
        )
    expected = 128 + signal.SIGTERM if stop else 0
    try:
        # One that fails leaves the others waiting.
        while any(process.poll() is None for process in processes):
            if any(process.poll() not in (None, expected) for process in processes):
                break
            time.sleep(0.1)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    texts = []
    for file in said:
        file.seek(0)
        texts.append(file.read())
        file.close()
    assert [process.returncode for process in processes] == [expected] * count, "".join(texts)
    return texts


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    world = tmp_path_factory.mktemp("world")
    write_world(make_world(0, people=10, places=10, works=10), world)
    settings = {"live_proportion": "1/2", "rerank_proportion": "1/4", "num_selected": 1}
    model = {"size": "tiny", "tokenizer": str(TOKENIZER)}
    model |= {"settings": {**settings, "dropout": 0.0, "vocabulary_size": 992}}
    model |= {"question_length": 12, "passage_length": 24, "answer_length": 4}
    data = {"folder": str(world), "tasks": ["qa", "verify"], "num_passages": 3, "dev_limit": 8}
    fit = {"steps": STEPS, "batch_size": 8, "learning_rate": 1e-2}
    runs = {"log_every": LOG_EVERY, "save_every": 100, "evaluate_every": 4}
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump({"model": model, "data": data, "fit": fit, "run": runs}))
    return path


@pytest.fixture(scope="module")
def one(file, tmp_path_factory):
    """Folder of what one process does in one go."""
    folder = tmp_path_factory.mktemp("one") / "run"
    run(file, folder, 1)
    return folder


@pytest.fixture(scope="module")
def several(file, tmp_path_factory):
    """Folder of what two hosts do, which are stopped; and what each said then and later.

    On JAX all four devices share one copy of the model after that.
    """
    folder = tmp_path_factory.mktemp("several") / "run"
    changes = [f"run.hosts={HOSTS}"]
    stopped = run(file, folder, HOSTS, changes, stop=STOP)
    if BACKEND == "jax":
        changes.append("run.model_parallel=4")
    return folder, stopped, run(file, folder, HOSTS, changes)


def rows(folder):
    """Of log.csv, without the speeds; empty cells left out."""
    with (folder / "log.csv").open() as log:
        return [
            {name: float(value) for name, value in row.items() if value and "second" not in name}
            for row in csv.DictReader(log)
        ]


def test_steps_and_scores_are_those_of_one_process(one, several):
    expected, found = rows(one), rows(several[0])
    losses = [row["loss"] for row in expected if "loss" in row]
    assert len(losses) == STEPS // LOG_EVERY
    assert losses[-1] < 0.95 * losses[0]
    assert [row["step"] for row in expected if "val_average" in row] == [4, 8]
    assert len(found) == len(expected)
    for of_one, of_several in zip(expected, found, strict=True):
        assert of_several == pytest.approx(of_one, abs=1e-4, rel=1e-4)


def test_a_signal_to_one_host_stops_all(several):
    _, stopped, _ = several
    for text in stopped:
        assert f"glimmer: SIGTERM: stopped after step {LOG_EVERY}; the same command goes on" in text


def test_the_first_host_tells_the_end(several):
    _, _, (first, other) = several
    assert "preset: trained" in first
    assert "preset: trained" not in other


def test_the_first_host_writes_what_one_process_would(one, several):
    folder, _, _ = several
    expected = ["best", "checkpoints", "config.yaml", "data", "events", "log.csv", "preset"]
    states = []
    for written in (one, folder):
        assert sorted(path.name for path in written.iterdir()) == expected
        states.append(checkpoint_arrays(written / "checkpoints" / f"step_{STEPS:08d}"))
        glimmer = Glimmer.from_preset(str(written / "preset"))
        weights = {id(weight) for weight in glimmer.weights}
        assert len(weights) > 20
        for variable, array in zip(glimmer.variables, states[-1], strict=False):
            if id(variable) in weights:  # not a generator's state
                np.testing.assert_array_equal(array, variable, err_msg=variable.path)
    for array, other in zip(*states, strict=True):
        np.testing.assert_allclose(array, other, atol=1e-3)


if __name__ == "__main__":
    sys.exit(child(*sys.argv[1:3], json.loads(sys.argv[3]), int(sys.argv[4])))
