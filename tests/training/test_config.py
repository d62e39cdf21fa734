import dataclasses
import pickle
import typing

import pytest
import yaml

from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.training import DataConfig, FitConfig, ModelConfig, RunConfig, TrainingConfig

GIVEN = """
model: {t5: tiny_world, settings: {live_proportion: 1/3, num_selected: 2}}
data: {folder: FOLDER, tasks: {qa: 2, verify: 1/2}}
fit: {steps: 10, learning_rate: 1e-3}
"""


@pytest.fixture
def read(tmp_path):
    def read(text, *changes):
        path = tmp_path / "config.yaml"
        path.write_text(text.replace("FOLDER", str(tmp_path)))
        return TrainingConfig.read(path, changes)

    return read


def test_values_have_their_types(read):
    config = read(GIVEN)
    assert config.model.settings == {"live_proportion": 1 / 3, "num_selected": 2}
    assert config.data.tasks == {"qa": 2.0, "verify": 0.5}
    assert config.fit.learning_rate == 0.001
    assert (config.fit.steps, config.fit.batch_size) == (10, 128)


def test_what_is_written_in_full_is_read_again(read):
    config = read(GIVEN)
    text = config.to_yaml()
    assert yaml.safe_load(text)["run"]["keep"] == 2
    assert read(text) == config


def test_changes_come_over_the_file(read):
    config = read(GIVEN, "fit.steps=20", "model.settings.dropout=0.2", "data.tasks=[qa]")
    assert config.fit.steps == 20
    assert config.model.settings["dropout"] == 0.2
    assert config.model.settings["num_selected"] == 2
    assert config.data.tasks == ["qa"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("fit.learning_rat=1", "`fit.learning_rat` is not a setting. Did you mean 'learning_rate'"),
        ("fitt.steps=1", "`fitt` is not a setting. Did you mean 'fit'"),
        ("model.settings.num_selectd=1", "`model.settings.num_selectd` is not .*'num_selected'"),
        ("fit.steps=many", "`fit.steps` must be int. Received: 'many'"),
        ("fit.steps=true", "`fit.steps` must be int. Received: True"),
        ("fit.steps=0", "`fit.steps` must be at least 1. Received: 0"),
        ("fit.rematerialize=1", "`fit.rematerialize` must be bool. Received: 1"),
        ("fit.learning_rate=fast", "`fit.learning_rate` must be float. Received: 'fast'"),
        ("fit.learning_rate=0", "`fit.learning_rate` must be over 0. Received: 0"),
        ("fit.optimizer=adan", "must be one of .*'adam'.*. Received: 'adan'. Did you mean 'adam'"),
        ("model.system=glimer", "`model.system` must be one of .* Did you mean 'glimmer'"),
        ("model.size=base", "`model.t5` or `model.size` must be given, and not both"),
        ("model.t5=null", "`model.t5` or `model.size` must be given, and not both"),
        ("data.folder=/none", "`data.folder` must be a folder. Received: '/none'"),
        ("data.dev_limit=0", "`data.dev_limit` must be at least 1. Received: 0"),
        ("data.tasks=qa", "`data.tasks` must be "),
        ("fit=3", "`fit` must have names in it. Received: 3"),
        ("model.t5.x=1", "`t5` must have names in it. Received: 'tiny_world'"),
        ("fit.seed=false", "`fit.seed` must be int. Received: False"),
        ("fit.learning_rate=.nan", "`fit.learning_rate` must be a finite number. Received: nan"),
        ("fit.learning_rate=1e999999999", "`fit.learning_rate` must be a finite number"),
        ("fit.learning_rate=true", "`fit.learning_rate` must be float. Received: True"),
        ("fit.distillation_weight=-1", "`fit.distillation_weight` must be at least 0. Rec.*: -1"),
        ("fit.distillation_temperature=inf", "must be a finite number. Received: 'inf'"),
        ("fit.seed=-1", "`fit.seed` must be at least 0. Received: -1"),
        ("fit.seed=4294967296", "`fit.seed` must be less than 4294967296. Received: 4294967296"),
        ("fit.steps=10.0", "`fit.steps` must be int. Received: 10.0"),
        ("model.settings.dropout=nan", "`model.settings` must be finite. Received: nan"),
        ("model.dtype=16", "`model.dtype` must be str. Received: 16"),
        ("model={size: base, settings: {}}", "`model.tokenizer` must be given with `model.size`"),
        ("data={}", "`data.folder` must be given"),
        ("data.tasks={qa: .inf}", "`data.tasks` must be "),
        ("run.peak=0", "`run.peak` must be over 0. Received: 0"),
        ("model.answer_length=0", "`model.answer_length` must be at least 1. Received: 0"),
        ("data.tasks={qa: -1}", "`data.tasks` must be 0 or more, and one over 0. Received: "),
        ("data.tasks={qa: 0}", "`data.tasks` must be 0 or more, and one over 0. Received: "),
        ("steps", "Changes must be NAME=VALUE. Received: steps"),
        ("fit.steps=[", "must be a file of settings in YAML"),
    ],
)
def test_errors(read, change, message):
    with pytest.raises(ValueError, match=message):
        read(GIVEN, change)


def test_code_in_yaml_is_not_run(read):
    with pytest.raises(ValueError, match="must be a file of settings in YAML"):
        read("model: !!python/object/apply:os.system ['true']")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fit: {steps: 1, steps: 2}", "steps must be given once"),
        ("fit: {steps: 1}\nfit: {steps: 2}", "fit must be given once"),
        ("fit: &a {steps: 1}\nrun: *a", "aliases are not read"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases are not read"),
        ("[" * 100_000, "must be a file of settings in YAML"),
        ("fit: {steps: " + "9" * 5000 + "}", "must be a file of settings in YAML"),
        ("- fit", r"must have names in it. Received: \['fit'\]"),
        ("fit: 1: 2", "must be a file of settings in YAML"),
    ],
)
def test_yaml_that_is_refused(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_a_python_user_is_told_the_same(tmp_path):
    model, data = ModelConfig(t5="tiny_world"), DataConfig(tmp_path, tasks={"qa": "1/2"})
    config = TrainingConfig(model=model, data=data, fit=FitConfig(10, learning_rate="1e-3"))
    assert (config.fit.steps, config.fit.learning_rate, config.fit.seed) == (10, 1e-3, 0)
    assert (data.folder, data.tasks) == (str(tmp_path), {"qa": 0.5})
    with pytest.raises(ValueError, match="`steps` must be at least 1. Received: 0"):
        dataclasses.replace(config.fit, steps=0)
    with pytest.raises(ValueError, match="`keeep` is not a setting. Did you mean 'keep'"):
        RunConfig(keeep=3)
    with pytest.raises(ValueError, match="`log_every` must be int.*; `keep` must be at least 1"):
        RunConfig(log_every="5", keep=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.fit.steps = 3
    assert pickle.loads(pickle.dumps(config)) == config


def test_sizes_are_those_of_the_models():
    (choices, _) = typing.get_args(typing.get_type_hints(ModelConfig)["size"])
    assert typing.get_args(choices) == tuple(T5_SIZES)
