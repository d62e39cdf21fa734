import shutil

import keras
import numpy as np
import pytest
import yaml

from glimmer_keras import Glimmer
from glimmer_keras.cli.main import main
from glimmer_keras.data import read_folder
from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.pipelines import bm25_index, write_retrieved
from glimmer_keras.training import ReaderRun, TrainingConfig
from glimmer_keras.training.reader_parts import make_model, named_size, read_data
from recipes.worlds.fictional_world import make_world, write_world

TOKENIZER = bundled_vocabulary("tiny_world")
MICRO = {"num_layers": 2, "num_decoder_layers": 1, "num_heads": 1, "hidden_dim": 4}
MICRO |= {"intermediate_dim": 4, "key_value_dim": 4}


@pytest.fixture(scope="module", autouse=True)
def micro(eager):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", MICRO)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(make_world(0, people=10, places=10, works=10), folder)
    return folder


@pytest.fixture(scope="module")
def file(world, tmp_path_factory):
    settings = {"live_proportion": "1/2", "rerank_proportion": "1/4", "num_selected": 1}
    model = {"size": "tiny", "tokenizer": str(TOKENIZER)}
    model |= {"settings": {**settings, "dropout": 0.3}}
    model |= {"question_length": 12, "passage_length": 24, "answer_length": 4}
    data = {"folder": str(world), "tasks": {"qa": 1, "verify": 3}, "num_passages": 3}
    fit = {"steps": 4, "batch_size": 2, "accumulate": 2, "learning_rate": 1e-2}
    run = {"log_every": 1, "save_every": 2, "evaluate_every": 2, "peak": 1e12}
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    parts = {"model": model, "data": {**data, "dev_limit": 3}, "fit": fit, "run": run}
    path.write_text(yaml.safe_dump(parts))
    return path


@pytest.fixture(scope="module")
def runs(file, tmp_path_factory):
    """A whole run, by the command, and one that went on from its first checkpoint."""
    folder = tmp_path_factory.mktemp("runs")
    unbroken, resumed = folder / "unbroken", folder / "resumed"
    assert main(["train", str(file), "--output", str(unbroken)]) == 0
    shutil.copytree(unbroken, resumed)
    for name in ("checkpoints/step_00000004", "preset", "best"):
        shutil.rmtree(resumed / name)
    run = ReaderRun(TrainingConfig.read(file, ["run.keep=3"]), resumed)
    with run.devices():
        run.prepare()
        assert run.step == 2
        assert run.fit() is None
    return unbroken, resumed


def rows(output):
    """Of log.csv, those of training steps, without the speeds."""
    header, *lines = (output / "log.csv").read_text().splitlines()
    named = [dict(zip(header.split(","), line.split(","), strict=False)) for line in lines]
    kept = ("step", "loss", "lm_loss", "distillation_loss", "token_accuracy", "learning_rate")
    return [{name: row[name] for name in kept} for row in named if row["first_step"]]


def test_a_resumed_run_equals_an_unbroken_one(runs):
    unbroken, resumed = runs
    assert [row["step"] for row in rows(unbroken)] == ["1", "2", "3", "4"]
    assert rows(resumed) == rows(unbroken)
    weights = [Glimmer.from_preset(str(output / "preset")).weights for output in runs]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_a_run_leaves(runs, file):
    unbroken, _ = runs
    expected = ["best", "checkpoints", "config.yaml", "data", "events", "log.csv", "preset"]
    assert sorted(path.name for path in unbroken.iterdir()) == expected
    kept = TrainingConfig.read(unbroken / "config.yaml")
    assert kept == TrainingConfig.read(file)
    header = (unbroken / "log.csv").read_text().splitlines()[0].split(",")
    assert {"tokens_per_second", "share_of_peak", "val_average", "val_qa_lm_loss"} < set(header)
    best = Glimmer.from_preset(str(unbroken / "best"))
    assert best.preprocessor.passage_length == 24


def test_the_same_command_again_has_nothing_to_train(runs, file, capsys):
    unbroken, _ = runs
    before = (unbroken / "log.csv").read_bytes()
    assert main(["train", str(file), "--output", str(unbroken)]) == 0
    said = capsys.readouterr().out
    assert "learning_rate: 0.01" in said
    assert "preset: trained" in said
    assert (unbroken / "log.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fit.batch_size=4", "`fit.batch_size` must be as in the run in .*, 2. Received: 4"),
        ("data.dev_limit=2", "`data.dev_limit` must be as in the run in .*, 3. Received: 2"),
        ("model.settings.num_selected=2", "`model.settings` must be as in the run in "),
    ],
)
def test_other_settings_are_refused(runs, file, change, message):
    with pytest.raises(ValueError, match=message):
        ReaderRun(TrainingConfig.read(file, [change]), runs[0])


def test_fewer_steps_than_are_done_are_refused(runs, file, capsys):
    command = ["train", str(file), "--output", str(runs[0]), "--set", "fit.steps=3"]
    assert main(command) == 1
    assert "`fit.steps` must be at least the 4 that are done. Rec" in capsys.readouterr().err
    assert TrainingConfig.read(runs[0] / "config.yaml").fit.steps == 4


def test_too_few_passages_are_refused_before_any_work(file, tmp_path, capsys):
    change = "model.settings.num_selected=4"
    assert main(["train", str(file), "--output", str(tmp_path / "a"), "--set", change]) == 1
    assert "`data.num_passages` must be at least the 4 of" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_folder_of_something_else_is_refused(file, tmp_path, capsys):
    (tmp_path / "photo.jpg").touch()
    assert main(["train", str(file), "--output", str(tmp_path)]) == 1
    assert "`output` must be a new folder or that of a run" in capsys.readouterr().err


def test_rows_of_glimmer_retrieve_are_taken(file, world, tmp_path):
    corpus, train, dev = read_folder(world, ["qa"])
    index = bm25_index(corpus)
    for split, (task,) in (("train", train), ("dev", dev)):
        write_retrieved(index, task, corpus, tmp_path / f"qa-{split}", 5)
    changes = [f"data.retrieved={tmp_path}", "data.tasks=[qa]"]
    config = TrainingConfig.read(file, changes).data
    _, (task,), (asked,) = read_data(config)
    expected, _ = index.search([example.question for example in train[0]], 3)
    np.testing.assert_array_equal(task.retrieved, expected)
    assert asked.retrieved.shape == (3, 3)


def test_the_model_is_as_the_settings_say(file):
    changes = ["fit.not_finite=skip", "fit.optimizer=adam", "fit.rematerialize=true"]
    config = TrainingConfig.read(file, [*changes, "model.dtype=mixed_bfloat16"])
    glimmer = make_model(config)
    inner = glimmer.optimizer.inner_optimizer
    assert isinstance(inner, keras.optimizers.Adam)
    assert inner.gradient_accumulation_steps == 2
    assert glimmer.backbone.rematerialize
    assert glimmer.backbone.dtype_policy.name == "mixed_bfloat16"
    assert glimmer.backbone.num_selected == 1
    assert glimmer.preprocessor.num_passages == 3
    assert named_size(glimmer.backbone) == "tiny"
