"""Runs in processes of their own, killed at random moments, against one that never was."""

import csv
import multiprocessing
import random
import signal
import time

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer, data
from glimmer_keras.distribution import on_devices
from glimmer_keras.training import Checkpoints, TrainingLog
from tests import checkpoint_arrays

STEPS = 40
# As small as can be: each process compiles the step, which takes most of the time.
SIZES = {"vocabulary_size": 128, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 1}
SIZES |= {"hidden_dim": 4, "intermediate_dim": 4, "key_value_dim": 4}
SETTINGS = {"batch_size": 8, "seed": 3}
MEASURED = ["first_step", "step", "loss", "lm_loss", "token_accuracy", "learning_rate"]


def letters(texts):
    return [[ord(character) for character in text] for text in texts]


def tiny_mixture(start_step):
    """Batches of two tasks, 12 and 7 questions over 5 passages."""
    spec = data.TokenSpec(letters, "letters", 128)
    corpus = data.Corpus([data.Passage(str(n), "", "harp" * n) for n in range(5)])
    tasks = []
    for name, size in (("qa", 12), ("slots", 7)):
        examples = [data.Example(f"{n}", name, f"q{n}", (f"a{n}", "b")) for n in range(size)]
        rows = np.stack([np.arange(size) % 5, np.arange(size) % 3], axis=1).astype("int32")
        tasks.append(data.tokenize_task(data.Task(name, examples, rows), spec, 3, 3))
    passages = data.tokenize_corpus(corpus, spec, 4)
    return data.mixture(tasks, passages, **SETTINGS, start_step=start_step)


class Pause(keras.callbacks.Callback):
    """Leaves the time to be killed at some step."""

    def on_train_batch_end(self, batch, logs=None):
        time.sleep(0.02)


def train(folder, devices=1, dropout=0.3):
    """Goes on with the run in a folder, to its end or until it is told to stop."""
    if devices > 1:
        import jax

        jax.config.update("jax_num_cpu_devices", devices)
        with on_devices():
            return train(folder, dropout=dropout)
    keras.utils.set_random_seed(0)
    glimmer = Glimmer.from_size("tiny", "fid", **SIZES, dropout=dropout)
    glimmer.compile(keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2))
    checkpoints = Checkpoints(folder / "checkpoints", save_every=7, data=SETTINGS)
    step = checkpoints.restore(glimmer)
    log = TrainingLog(folder / "log.csv", 1, step)
    with checkpoints.stop_on_signals():
        glimmer.fit(
            tiny_mixture(step),
            steps_per_epoch=STEPS - step,
            verbose=0,
            callbacks=[log, Pause(), checkpoints],
        )
    if checkpoints.stopped_by:
        assert checkpoints.stopped_by == "SIGTERM"
        assert checkpoints.latest_step() == checkpoints.step < STEPS


def rows(folder):
    with (folder / "log.csv").open() as file:
        return [{name: row[name] for name in MEASURED} for row in csv.DictReader(file)]


def wait_for(step, folder, process):
    while process.is_alive():
        text = (folder / "log.csv").read_text() if (folder / "log.csv").exists() else ""
        if text.count("\n") > step:
            return
        time.sleep(0.002)
    raise AssertionError(f"ended with {process.exitcode} before step {step}")


def state(folder):
    """All that the last checkpoint holds."""
    return checkpoint_arrays(folder / "checkpoints" / f"step_{STEPS:08d}")


@pytest.mark.slow  # seven processes, each of which compiles
def test_a_run_killed_five_times_equals_an_unbroken_one(tmp_path):
    # Processes from one that has imported all, which would take most of the time.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glimmer_keras", __name__])
    folder, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL]
    random.shuffle(signals)
    targets = sorted(random.sample(range(3, STEPS - 5), 5))
    whole = context.Process(target=train, args=(unbroken,))
    whole.start()
    said = f"{[*zip(targets, signals, strict=True)]}"
    for target, number in zip(targets, signals, strict=True):
        process = context.Process(target=train, args=(folder,))
        process.start()
        wait_for(target, folder, process)
        time.sleep(random.uniform(0, 0.03))
        if number == signal.SIGKILL:
            process.kill()
        else:
            process.terminate()
        process.join()
        assert process.exitcode == (-number if number == signal.SIGKILL else 0), said
    last = context.Process(target=train, args=(folder,))
    last.start()
    for process in (whole, last):
        process.join()
        assert process.exitcode == 0
    assert [int(row["step"]) for row in rows(unbroken)] == [*range(1, STEPS + 1)]
    assert rows(folder) == rows(unbroken), said
    assert len({row["loss"] for row in rows(unbroken)}) > STEPS / 2
    expected = state(unbroken)
    assert len(expected) > 50
    for array, other in zip(state(folder), expected, strict=True):
        np.testing.assert_array_equal(array, other, err_msg=said)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="simulated devices")
def test_a_run_killed_on_8_devices_goes_on_on_4(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glimmer_keras", __name__])
    folder, unbroken = tmp_path / "killed", tmp_path / "unbroken"
    # Without dropout, which draws other numbers on other devices.
    whole, killed = (
        context.Process(target=train, args=(path, 8, 0.0)) for path in (unbroken, folder)
    )
    whole.start()
    killed.start()
    target = random.randrange(8, STEPS - 5)
    wait_for(target, folder, killed)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    last = context.Process(target=train, args=(folder, 4, 0.0))
    last.start()
    for process in (whole, last):
        process.join()
        assert process.exitcode == 0
    expected, found = ([float(row["loss"]) for row in rows(path)] for path in (unbroken, folder))
    assert len(expected) == STEPS
    assert found == pytest.approx(expected, abs=1e-4), target
