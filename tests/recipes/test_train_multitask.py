import json
import shutil
import signal

import keras
import numpy as np
import pytest
import train_multitask
from fictional_world import make_world, write_world
from train_multitask import LossLog, main, stretches

from glimmer_keras.models.sizes import T5_SIZES

MICRO = {"num_layers": 2, "num_decoder_layers": 1, "num_heads": 1, "hidden_dim": 4}
MICRO |= {"intermediate_dim": 4, "key_value_dim": 4}
RUN = "--alpha 1/2 --beta 1/4 --k 3 --m 1 --batch-size 2 --vocabulary-size 200 --tasks qa,verify"
RUN += " --question-length 12 --passage-length 24 --answer-length 4 --eval-limit 3 --dropout 0.3"
RUN += " --save-every 2 --log-every 1"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(make_world(0, people=10, places=10, works=10), folder)
    return folder


def run(world, output, *options):
    return main(["--data", str(world), "--output", str(output), *RUN.split(), *options])


def lines(output):
    return [json.loads(line) for line in (output / "losses.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    """A run of 6 steps, and one that goes on from what it had on disk within step 5."""
    folder = tmp_path_factory.mktemp("runs")
    unbroken, killed = folder / "unbroken", folder / "killed"

    class Killing(LossLog):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if self.step == 5:
                shutil.copytree(unbroken, killed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", MICRO)
        with patch.context() as kill:
            kill.setattr(train_multitask, "LossLog", Killing)
            assert run(world, unbroken, "--steps", "6") == 0
        assert [line["step"] for line in lines(killed)] == [1, 2, 3, 4, 5]
        with (killed / "losses.jsonl").open("a") as file:
            file.write('{"first_st')
        assert run(world, killed, "--steps", "6", "--resume") == 0
    return unbroken, killed


def test_a_resumed_run_equals_an_unbroken_one(runs):
    unbroken, resumed = map(lines, runs)
    assert [line["step"] for line in resumed] == [1, 2, 3, 4, 5, 6]
    assert resumed == unbroken
    last = [np.load(output / "checkpoints" / "step-00000006" / "random.npz") for output in runs]
    for name in last[0].files:
        np.testing.assert_array_equal(last[0][name], last[1][name])


def test_what_a_run_leaves(runs):
    expected = ["checkpoints", "index", "losses.jsonl", "report.json", "retrieved"]
    expected += ["settings.json", "tokenizer.model", "tokens"]
    reports = []
    for output in runs:
        assert sorted(path.name for path in output.iterdir()) == expected
        steps = sorted(path.name for path in (output / "checkpoints").iterdir())
        assert steps == ["step-00000004", "step-00000006"]
        reports.append(json.loads((output / "report.json").read_text()))
    first, second = reports
    assert first["backend"] == keras.backend.backend()
    assert first["settings"]["alpha"] == 0.5
    assert first["layers"] == {"memory": 1, "stage A": 1, "stage B": 0, "decoder": 1}
    assert first["dev_examples"] == {"qa": 3, "verify": 3}
    assert list(first["scores"]) == ["qa", "verify", "average"]
    assert first["scores"] == second["scores"]
    assert (first["steps_in_this_session"], second["steps_in_this_session"]) == (6, 2)
    assert first["seconds_per_step"] > 0
    names = {"first_step", "step", "loss", "lm_loss", "distillation_loss", "token_accuracy"}
    assert set(lines(runs[0])[0]) == names | {"selection_agreement"}


def test_an_interrupt_tells_how_to_go_on(world, tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setitem(T5_SIZES, "tiny", MICRO)
    monkeypatch.setattr("glimmer_keras.Glimmer.fit", interrupt)
    for options in ((), ("--resume",)):
        assert run(world, tmp_path, *options) == 130
        assert "Stopped; with --resume it goes on after step 0" in capsys.readouterr().err
    assert not (tmp_path / "report.json").exists()


def test_a_signal_tells_how_to_go_on(world, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setitem(T5_SIZES, "tiny", MICRO)
    monkeypatch.setattr("glimmer_keras.Glimmer.fit", stop)
    before = signal.getsignal(signal.SIGTERM)
    assert run(world, tmp_path) == 130
    assert "Stopped; with --resume it goes on after step 0" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_window_that_is_stopped_has_its_line(tmp_path):
    log = LossLog(tmp_path / "losses.jsonl", 4)
    log.set_params({"steps": 3})
    log.on_train_begin()
    for batch in (0, 1):
        log.on_train_batch_end(batch, {"loss": batch})
    log.on_epoch_end(0, {"loss": 1})
    assert lines(tmp_path) == [{"first_step": 5, "step": 6, "loss": 1.0}]


def test_windows_of_several_steps(tmp_path):
    path = tmp_path / "losses.jsonl"
    log = LossLog(path, 4)
    log.set_params({"steps": 2})
    log.on_train_begin()
    for batch in (0, 1, 0, 1):
        log.on_train_batch_end(batch, {"loss": batch})
    assert lines(tmp_path) == [
        {"first_step": 5, "step": 6, "loss": 1.0},
        {"first_step": 7, "step": 8, "loss": 1.0},
    ]
    LossLog(path, 6)
    assert [line["step"] for line in lines(tmp_path)] == [6]


def test_stretches():
    assert list(stretches(0, 100, 10)) == [(0, 10, 10)]
    assert list(stretches(13, 47, 10)) == [(13, 7, 1), (20, 10, 2), (40, 7, 1)]
    assert list(stretches(3, 5, 10)) == [(3, 2, 1)]
    assert list(stretches(20, 30, 10)) == [(20, 10, 1)]
    assert list(stretches(5, 5, 10)) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--k 0", "`--k` must be at least 1. Received: 0"),
        ("--m 4", "`--m` must be at most the 3 passages of --k. Received: 4"),
        ("--beta 0", "`--beta` must be over 0 and at most 1 with --system glimmer. Received: 0.0"),
        ("--alpha 4/3", "`--alpha` must be from 0 to 1. Received: 1.3333333333333333"),
        ("--alpha 1/0", "argument --alpha: invalid fraction value: '1/0'"),
        ("--alpha 0.01", "`live_proportion` must leave at least one live layer"),
        ("--steps 0", "`--steps` must be at least 1. Received: 0"),
        ("--save-every 3 --log-every 2", "`--save-every` must be a multiple of 2. Received: 3"),
        ("--learning-rate 0", "`--learning-rate` must be over 0. Received: 0.0"),
        ("--dropout 1", "`--dropout` must be from 0 to below 1. Received: 1.0"),
        ("--t5 t6_base", "`--t5` must be a preset folder or one of t5_"),
        ("--t5 t5_1.1_base --tokenizer x", "`--tokenizer` must be left out with --t5. Received: x"),
        ("--tokenizer missing.model", "missing.model"),
        ("--tasks qa,poems", "each once: compare, qa, slots, verify. Received: qa,poems"),
        ("--size gigantic", "argument --size: invalid choice: 'gigantic'"),
        ("--data missing", "`--data` must be a folder. Received: missing"),
        ("--vocabulary-size 5", "`--vocabulary-size` does not do for these texts"),
    ],
)
def test_bad_options(world, tmp_path, capsys, options, message):
    assert run(world, tmp_path / "output", *options.split()) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("qa-train.jsonl", "\n{broken\n", "qa-train.jsonl:2: not valid JSON"),
        ("qa-dev.jsonl", "", "qa-dev.jsonl: must hold at least one record"),
        ("qa-train.jsonl", "", "qa-train.jsonl: must hold at least one record"),
        ("qa-dev.jsonl", None, "must be an existing file."),
        ("corpus.jsonl", None, "must be an existing file."),
        ("corpus.jsonl", '{"id": 1}\n', "corpus.jsonl:1: field `text` is missing"),
    ],
)
def test_bad_files(world, tmp_path, capsys, name, content, message):
    folder = shutil.copytree(world, tmp_path / "world")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    assert run(folder, tmp_path / "output") == 2
    said = capsys.readouterr().err
    assert message in said
    assert name in said
    assert said.count("\n") == 1
    assert not (tmp_path / "output").exists()


def test_no_tokenizer_without_sentencepiece(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(world, tmp_path / "output") == 2
    assert "pip install glimmer_keras[dev]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 8", "`--output` must be a new or empty folder, or --resume be given."),
        ("--resume --steps 4", "`--steps` must be at least the 6 that were run. Received: 4"),
        ("--resume --k 2", "`--k` must be as in the run that is resumed: 3. Received: 2"),
        ("--resume --batch-size 3", "`--batch-size` must be as in the run that is resumed: 2."),
    ],
)
def test_a_run_that_is_there(world, runs, capsys, options, message):
    before = (runs[0] / "losses.jsonl").read_text()
    assert run(world, runs[0], *options.split()) == 2
    assert message in capsys.readouterr().err
    assert (runs[0] / "losses.jsonl").read_text() == before


def test_resuming_needs_the_same_data(world, runs, tmp_path, capsys):
    folder = shutil.copytree(world, tmp_path / "world")
    rows = (folder / "qa-train.jsonl").read_text().splitlines(keepends=True)
    (folder / "qa-train.jsonl").write_text("".join(rows[1:]))
    assert run(folder, runs[0], "--resume") == 2
    assert "`the files of --data` must be as in the run that is" in capsys.readouterr().err
    (tmp_path / "photo.jpg").touch()
    assert run(world, tmp_path, "--resume") == 2
    assert "`--output` must hold a run to resume" in capsys.readouterr().err
