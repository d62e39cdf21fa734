import os
import shutil
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer
from glimmer_keras.optimizers import SkippingOptimizer
from glimmer_keras.training import Checkpoints
from glimmer_keras.utils.manifest import decode_manifest, encode_manifest, write_manifest

SIZES = {
    "vocabulary_size": 16,
    "num_layers": 2,
    "num_decoder_layers": 1,
    "num_heads": 1,
    "hidden_dim": 4,
    "intermediate_dim": 4,
    "key_value_dim": 4,
    "live_proportion": 0.5,
    "num_selected": 1,
    "dropout": 0.5,
}


def make_model(**overrides):
    glimmer = Glimmer.from_size("tiny", "glimmer", **{**SIZES, **overrides})
    glimmer.compile(keras.optimizers.Adam(0.01))
    glimmer.optimizer.build(glimmer.trainable_variables)
    return glimmer


def fit(glimmer, steps, *callbacks):
    """Train on one batch over and over; the loss of each step, as a running mean."""
    rng = np.random.default_rng(0)

    def repeat(*shape):
        return np.concatenate([rng.integers(1, 16, shape).astype("int32")] * steps)

    inputs = {
        "question_token_ids": repeat(2, 3),
        "passage_token_ids": repeat(2, 2, 3),
        "decoder_token_ids": repeat(2, 2),
    }
    masks = {name.replace("token_ids", "padding_mask"): ids > 0 for name, ids in inputs.items()}
    losses = []
    log = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: losses.append(float(logs["loss"]))
    )
    glimmer.fit(
        {**inputs, **masks},
        repeat(2, 2),
        batch_size=2,
        shuffle=False,
        verbose=0,
        callbacks=[log, *callbacks],
    )
    return np.array(losses)


def go_through_steps(checkpoints, glimmer, steps):
    """What `fit` calls, without the training."""
    checkpoints.set_model(glimmer)
    checkpoints.on_train_begin()
    checkpoints.on_epoch_begin(0)
    for step in range(steps):
        checkpoints.on_train_batch_end(step)
    checkpoints.on_train_end()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model after 5 steps of one epoch, its losses, and its checkpoints of 2, 4 and 5."""
    keras.utils.set_random_seed(0)
    directory = tmp_path_factory.mktemp("trained")
    glimmer = make_model()
    losses = fit(glimmer, 5, Checkpoints(directory, save_every=2, keep=3))
    return SimpleNamespace(
        glimmer=glimmer, losses=losses, directory=directory, state=state_of(glimmer)
    )


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def state_of(glimmer):
    return values([*glimmer.variables, *glimmer.optimizer.variables])


def assert_same(arrays, expected):
    for array, other in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, other)


def change_manifest(path, version=2, **changes):
    file = path / "manifest" / "metadata"
    content = decode_manifest(file.read_bytes(), str(file), 2)
    file.write_bytes(encode_manifest({**content, **changes}, version))


def copy(directory, tmp_path, *steps):
    for step in steps:
        name = f"step_{step:08d}"
        shutil.copytree(directory / name, tmp_path / "copy" / name)
    return tmp_path / "copy"


def test_everything_comes_back(trained):
    other = make_model()
    checkpoints = Checkpoints(trained.directory, save_every=2)
    assert checkpoints.restore(other) == checkpoints.step == checkpoints.latest_step() == 5
    assert_same(state_of(other), trained.state)
    seeds = [v for v in other.variables if "seed_generator" in v.path]
    assert len(seeds) > 3
    assert all(state[1] > 0 for state in values(seeds))
    assert int(keras.ops.convert_to_numpy(other.optimizer.iterations)) == 5


def test_an_optimizer_that_is_not_built_comes_back(trained):
    other = Glimmer.from_size("tiny", "glimmer", **SIZES)
    other.compile(keras.optimizers.Adam(0.3))
    assert not other.optimizer.built
    Checkpoints(trained.directory, save_every=2).restore(other)
    assert_same(state_of(other), trained.state)


def test_goes_on_as_an_unbroken_run(trained, tmp_path):
    directory = copy(trained.directory, tmp_path, 2)
    checkpoints = Checkpoints(directory, save_every=2)
    glimmer = trained.glimmer  # the same one, to compile once
    assert checkpoints.restore(glimmer) == 2
    assert not np.array_equal(state_of(glimmer)[0], trained.state[0])
    losses = fit(glimmer, 3, checkpoints)
    sums = 2 * trained.losses[1] + losses * [1, 2, 3]
    np.testing.assert_allclose(sums / [3, 4, 5], trained.losses[2:], rtol=1e-6)
    assert_same(state_of(glimmer), trained.state)
    assert sorted(os.listdir(directory)) == ["step_00000004", "step_00000005"]


def test_no_checkpoint_leaves_the_model_alone(tmp_path):
    glimmer = make_model()
    before = state_of(glimmer)
    checkpoints = Checkpoints(tmp_path / "none", save_every=2)
    assert checkpoints.latest_step() is None
    assert checkpoints.restore(glimmer) == 0
    assert_same(state_of(glimmer), before)
    assert os.listdir(tmp_path) == []


def unmark(path):
    (path / "manifest" / "metadata").unlink()


def tear_manifest(path):
    (path / "manifest" / "metadata").write_text('{"step"')


def arrays(path):
    (file,) = (path / "state" / "d").iterdir()
    return file


def truncate_arrays(path):
    os.truncate(arrays(path), 100)


def change_arrays(path):
    content = bytearray(arrays(path).read_bytes())
    content[len(content) // 2] ^= 1
    arrays(path).write_bytes(content)


def lose_arrays(path):
    shutil.rmtree(path / "state")


def only_temporary(path):
    # As a run killed while writing leaves it.
    os.rename(path, path.with_name(f"{path.name}.orbax-checkpoint-tmp"))


# Orbax 0.12.8 closes its event loop while other arrays that cannot be read still tell so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "damage",
    [unmark, tear_manifest, truncate_arrays, change_arrays, lose_arrays, only_temporary],
)
def test_half_a_checkpoint_is_not_read(trained, tmp_path, damage):
    directory = copy(trained.directory, tmp_path, 4, 5)
    damage(directory / "step_00000005")
    glimmer = make_model()
    checkpoints = Checkpoints(directory, save_every=2)
    assert checkpoints.restore(glimmer) == 4
    go_through_steps(checkpoints, glimmer, 1)
    assert sorted(os.listdir(directory)) == ["step_00000004", "step_00000005"]
    assert checkpoints.latest_step() == 5


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_all_damaged_are_not_a_new_run(trained, tmp_path):
    directory = copy(trained.directory, tmp_path, 4, 5)
    for path in directory.iterdir():
        truncate_arrays(path)
    with pytest.raises(ValueError, match=r"that can be read. Received: .*: \[4, 5\]"):
        Checkpoints(directory, save_every=2).restore(make_model())
    assert sorted(os.listdir(directory)) == ["step_00000004", "step_00000005"]


def test_an_interrupted_save_leaves_the_ones_before(trained, tmp_path, monkeypatch):
    directory = copy(trained.directory, tmp_path, 4)
    glimmer = make_model()
    checkpoints = Checkpoints(directory, save_every=1)
    checkpoints.restore(glimmer)

    def interrupt(*_, **__):
        raise OSError("a full disk")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", interrupt)
        with pytest.raises(OSError, match="a full disk"):
            go_through_steps(checkpoints, glimmer, 1)
    assert checkpoints.latest_step() == 4
    assert Checkpoints(directory, save_every=1).restore(glimmer) == 4


def test_several_steps_between_calls(tmp_path):
    # `steps_per_execution=3` and two epochs.
    glimmer = make_model()
    checkpoints = Checkpoints(tmp_path, save_every=4, keep=9)
    checkpoints.set_model(glimmer)
    for epoch in range(2):
        checkpoints.on_epoch_begin(epoch)
        for batch in (2, 5, 6):
            checkpoints.on_train_batch_end(batch)
    checkpoints.wait()
    assert [path.name[-2:] for path in sorted(tmp_path.iterdir())] == ["06", "10", "13"]


def test_another_model_is_refused(trained):
    checkpoints = Checkpoints(trained.directory, save_every=2)
    with pytest.raises(ValueError, match=r"dropout=0.5, hidden_dim=4. Received: dropout=0.25, hid"):
        checkpoints.restore(make_model(hidden_dim=8, dropout=0.25))
    glimmer = make_model()
    glimmer.compile("adamw")
    with pytest.raises(ValueError, match="optimizer='Adam'. Received: optimizer='AdamW'"):
        checkpoints.restore(glimmer)


def test_another_format_is_refused(trained, tmp_path):
    directory = copy(trained.directory, tmp_path, 5)
    change_manifest(directory / "step_00000005", version=0)
    with pytest.raises(ValueError, match="`format_version` must be 2. Received: 0"):
        Checkpoints(directory, save_every=2).restore(make_model())


def test_checkpoints_of_before_orbax_are_refused(tmp_path):
    write_manifest(tmp_path / "step-00000500", {"step": 500}, 1)
    with pytest.raises(ValueError, match="`format_version` must be 2. Received: 1"):
        Checkpoints(tmp_path, save_every=2).restore(make_model())


def test_a_fresh_run_does_not_mix_with_another(trained):
    checkpoints = Checkpoints(trained.directory, save_every=2)
    with pytest.raises(ValueError, match="a checkpoint of step 5 .* the model is at step 0"):
        go_through_steps(checkpoints, make_model(), 1)


def test_another_backend_is_told(trained, tmp_path, caplog):
    directory = copy(trained.directory, tmp_path, 5)
    change_manifest(directory / "step_00000005", backend="other")
    assert Checkpoints(directory, save_every=2).restore(make_model()) == 5
    assert "was written on other" in caplog.text


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_stay(tmp_path, mode):
    glimmer = make_model()
    sign = 1 if mode == "max" else -1
    options = {"keep": 1, "monitor": "val_average", "mode": mode, "keep_best": 2}

    def steps(checkpoints):
        checkpoints.wait()
        return sorted(int(path.name[5:]) for path in tmp_path.iterdir())

    def epochs(checkpoints, *scores):
        checkpoints.set_model(glimmer)
        for score in scores:
            checkpoints.on_epoch_begin(0)
            for batch in range(3):
                checkpoints.on_train_batch_end(batch)
            checkpoints.on_epoch_end(0, {} if score is None else {"val_average": sign * score})

    checkpoints = Checkpoints(tmp_path, save_every=6, **options)
    epochs(checkpoints, 0.25, 0.75, 0.5, 0.25, None, 0.5, float("nan"))
    assert steps(checkpoints) == [6, 9, 18]  # of 6 and 18 by `save_every` too, 21 of no use
    assert checkpoints.best_step() == 6
    again = Checkpoints(tmp_path, save_every=6, **options)
    assert again.restore(glimmer) == 18
    epochs(again, 1.0, 0.0)
    assert steps(again) == [6, 21, 24]
    assert again.best_step() == 21
    assert Checkpoints(tmp_path, save_every=6).restore(glimmer, step=6) == 6
    with pytest.raises(ValueError, match=r"`step` must be one of \[6, 21, 24\]. Received: step=7"):
        again.restore(glimmer, step=7)
    assert Checkpoints(tmp_path, save_every=6).best_step() is None


def test_other_data_are_refused(tmp_path):
    glimmer = make_model()
    data = {"batch_size": 8, "tasks": ("qa", "slots")}
    go_through_steps(Checkpoints(tmp_path, save_every=1, data=data), glimmer, 1)
    for same in (data, None):
        assert Checkpoints(tmp_path, save_every=1, data=same).restore(glimmer) == 1
    other = Checkpoints(tmp_path, save_every=1, data={**data, "batch_size": 4, "seed": 1})
    message = "`data` must be as .* batch_size=8, seed=None. Received: batch_size=4, seed=1"
    with pytest.raises(ValueError, match=message):
        other.restore(glimmer)


@pytest.mark.parametrize("where", ["weights", "optimizer"])
def test_what_is_not_finite_is_not_saved(tmp_path, where):
    glimmer = make_model()
    checkpoints = Checkpoints(tmp_path, save_every=1)
    go_through_steps(checkpoints, glimmer, 1)
    variables = glimmer.optimizer if where == "optimizer" else glimmer
    variable = variables.variables[-1 if where == "optimizer" else 0]
    variable.assign(keras.ops.full(variable.shape, float("nan")))
    with pytest.raises(FloatingPointError, match=f"Received: .*{variable.name}.* after step 2"):
        go_through_steps(checkpoints, glimmer, 1)
    assert os.listdir(tmp_path) == ["step_00000001"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_with_a_checkpoint(trained, tmp_path, number):
    directory = copy(trained.directory, tmp_path, 2)
    checkpoints = Checkpoints(directory, save_every=9)
    glimmer = trained.glimmer  # the same one, to compile once
    checkpoints.restore(glimmer)
    send = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: batch == 1 and signal.raise_signal(number)
    )
    before = signal.getsignal(number)
    with checkpoints.stop_on_signals():
        assert len(fit(glimmer, 3, send, checkpoints)) == 2
    assert signal.getsignal(number) is before
    assert checkpoints.stopped_by == number.name
    assert checkpoints.step == checkpoints.latest_step() == 4
    again = Checkpoints(directory, save_every=9)
    again.restore(glimmer)
    fit(glimmer, 1, again)
    assert_same(state_of(glimmer), trained.state)


def test_a_signal_while_the_last_step_is_saved_is_told(trained, tmp_path):
    checkpoints = Checkpoints(tmp_path, save_every=9)
    checkpoints.set_model(trained.glimmer)
    with checkpoints.stop_on_signals():
        checkpoints.on_train_begin()
        checkpoints.on_epoch_begin(0)
        checkpoints.on_train_batch_end(0)
        checkpoints.on_epoch_end(0)
        signal.raise_signal(signal.SIGTERM)
        assert checkpoints.stopped_by is None
        checkpoints.on_train_end()
    assert checkpoints.stopped_by == "SIGTERM"
    assert checkpoints.latest_step() == 1


def test_a_wrapped_optimizer_is_another(trained):
    glimmer = make_model()
    glimmer.compile(SkippingOptimizer(keras.optimizers.Adam(0.01)))
    with pytest.raises(ValueError, match=r"='Adam'. Received: optimizer='SkippingOptimizer\(Adam"):
        Checkpoints(trained.directory, save_every=2).restore(glimmer)


def test_mode_must_be_known():
    with pytest.raises(ValueError, match="`mode` must be .* Received: mode='most'"):
        Checkpoints("x", 1, mode="most")


@pytest.mark.parametrize("argument", ["save_every", "keep", "keep_best", "exchange_every"])
def test_errors(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be .* Received: {argument}=0"):
        Checkpoints("x", **{"save_every": 1, argument: 0})
