"""Training by several processes, each with devices of its own, which find each other by TCP.

Run as a program, with the number of a host, of the hosts, a port and a folder, this file is one.
"""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from glimmer_keras.models.hosts import from_hosts, hosts
from glimmer_keras.pipelines import replace_preset
from glimmer_keras.training import Checkpoints, TrainingLog, data_shard, on_devices

BACKEND = keras.backend.backend()
HOSTS, STEPS, STOP = 2, 12, 5
# Devices that share a copy, before and after a stop. On JAX each host has two.
MODEL_PARALLEL = {"jax": [1, 4], "tensorflow": [1, 1]}


def connect(host, count, port):
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", 2)
        keras.distribution.initialize(f"localhost:{port}", count, host)
    else:
        workers = [f"localhost:{port + number}" for number in range(count)]
        task = {"type": "worker", "index": host}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})


def train(folder, last, stop=None):
    """Losses of the steps to `last`; the second host has a SIGTERM after step `stop`."""
    import tensorflow as tf
    from test_devices import batches, make_model

    losses = []

    def note(_, logs):
        losses.append({name: float(value) for name, value in logs.items()})
        if hosts()[0] == 1 and len(losses) == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    glimmer = make_model()
    checkpoints = Checkpoints(folder / "checkpoints", save_every=100)
    first = checkpoints.restore(glimmer)
    part, parts = data_shard()

    def own(*batch):
        rows = batch[1].shape[0] // parts
        return tf.nest.map_structure(lambda x: x[part * rows :][:rows], batch)

    log = TrainingLog(folder / "log.csv", 1, first)
    noting = keras.callbacks.LambdaCallback(on_epoch_end=note)
    with checkpoints.stop_on_signals():
        glimmer.fit(
            batches(first, last).map(own),
            epochs=last - first,
            steps_per_epoch=1,
            verbose=0,
            callbacks=[noting, log, checkpoints],
        )
    replace_preset(glimmer, folder / "preset")
    return {"losses": losses, "stopped": checkpoints.stopped_by, "part": [part, parts]}


def child(host, count, port, folder):
    """What this file does as a program: prints JSON of what it did."""
    backend = keras.backend.backend()
    several = count > 1
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as scope:
        if several:
            connect(host, count, port)
        found = []
        for model_parallel, last, stop in zip(
            MODEL_PARALLEL[backend] if several else [1],
            [STEPS, STEPS] if several else [STEPS],
            [STOP, None] if several else [None],
            strict=True,
        ):
            if backend == "jax" or not found:  # TensorFlow wants one strategy of several hosts.
                scope.close()
                scope.enter_context(on_devices(model_parallel, shard_dataset=backend != "jax"))
            found.append(train(folder, last, stop))
            found[-1]["told"] = from_hosts(10 + host)
    print(json.dumps(found))


def arrays(file):
    """All of an HDF5 file, by name."""
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    file.visititems(keep)
    return found


def start(folder, count):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(host), str(count), str(port), str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for host in range(count)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * count
    return [json.loads(text.splitlines()[-1]) for text in said]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process with one device does in one go."""
    folder = tmp_path_factory.mktemp("one")
    return start(folder, 1)[0][0], folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """What each host does, before and after the stop."""
    folder = tmp_path_factory.mktemp("several")
    return start(folder, HOSTS), folder


def test_all_hosts_have_the_losses_of_one_process(one, several):
    expected = one[0]["losses"]
    assert expected[-1]["loss"] < 0.95 * expected[0]["loss"]
    for before, after in several[0]:
        found = before["losses"] + after["losses"]
        assert len(found) == len(expected) == STEPS
        for of_one, of_several in zip(expected, found, strict=True):
            assert of_several == pytest.approx(of_one, abs=1e-4, rel=1e-4)


def test_a_signal_to_one_host_stops_all_with_one_checkpoint(several):
    for before, after in several[0]:
        assert (before["stopped"], after["stopped"]) == ("SIGTERM", None)
        assert len(before["losses"]) == STOP


def test_each_host_reads_its_part(several):
    parts = [[stretch["part"] for stretch in host] for host in several[0]]
    # All devices of the second stretch share one copy of the model, and one batch.
    expected = {"jax": [[[0, 2], [0, 1]], [[1, 2], [0, 1]]], "tensorflow": [[[0, 1]] * 2] * 2}
    assert parts == expected[BACKEND]


def test_hosts_tell_each_other(several):
    assert [stretch["told"] for host in several[0] for stretch in host] == [[10, 11]] * 4


def test_the_first_host_writes_what_one_process_would(one, several):
    names = ["checkpoints", "log.csv", "preset"]
    rows, weights = [], []
    for _, folder in (one, several):
        assert sorted(path.name for path in folder.iterdir()) == names
        with (folder / "log.csv").open() as file:
            rows.append([float(row["loss"]) for row in csv.DictReader(file)])
        with h5py.File(folder / "checkpoints" / f"step-{STEPS:08d}" / "model.weights.h5") as file:
            weights.append(arrays(file))
        with h5py.File(folder / "preset" / "model.weights.h5") as file:
            preset = arrays(file)
            assert len(preset) > 20
            for name, array in preset.items():
                (trained,) = (weights[-1][key] for key in weights[-1] if key.endswith(name))
                np.testing.assert_array_equal(array, trained)
    np.testing.assert_allclose(*rows, rtol=1e-4)
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, atol=1e-3, err_msg=name)


if __name__ == "__main__":
    host, count, port = map(int, sys.argv[1:4])
    child(host, count, port, Path(sys.argv[4]))
