import functools
import json

import keras
import keras_hub
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.models.t5_weights import quiet_masks
from recipes.pretraining.phases import pretrain, shortened, t5_of_other_words, t5_of_sizes
from recipes.pretraining.tokenizer import train_tokenizer
from tests import EAGERLY

TOWNS = ("Torvik", "Dunvale", "Almere", "Bresk")
SIZES = {"num_layers": 4, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
ONE = {"reader": "fid", "steps": 2, "batch_size": 2, "num_passages": 1, "answer_length": 3}
ONE |= {"learning_rate": 1e-2, "tasks": {"qa": 1.0}}
PHASES = (ONE, ONE | {"reader": "glimmer", "num_passages": 3})


@pytest.fixture(scope="module")
def learn():
    texts = [f"{town} lies on the river Isk, {n} miles away." for n, town in enumerate(TOWNS)]
    corpus = Corpus([Passage(str(n), "", text) for n, text in enumerate(texts)])
    examples = [
        Example(str(n), "qa", f"How far is {town}?", (str(n),)) for n, town in enumerate(TOWNS)
    ]
    rows = np.array([[(n + k) % 4 for k in range(3)] for n in range(4)], "int32")
    tasks = [Task("qa", examples).with_retrieved(rows)]
    tokenizer = train_tokenizer(texts, 60)

    def run(output, phases=PHASES, seed=1, corpus=corpus, sizes=SIZES):
        lengths = {"question_length": 8, "passage_length": 16}
        keras.utils.set_random_seed(0)
        t5 = t5_of_sizes(sizes, tokenizer.vocabulary_size())
        pretrain("", output, t5, tokenizer, corpus, tasks, phases, lengths, seed, about="towns")

    return run


def interrupted(*_):
    raise KeyboardInterrupt


def weights(preset):
    with quiet_masks():
        return keras_hub.models.T5Backbone.from_preset(str(preset)).get_weights()


def test_a_killed_run_goes_on(learn, tmp_path, monkeypatch):
    """In each phase it is killed behind the first step, and ends where an unbroken run ends."""
    compiled = functools.partialmethod(gk.Glimmer.compile, run_eagerly=EAGERLY)
    monkeypatch.setattr(gk.Glimmer, "compile", compiled)
    monkeypatch.setattr("_pretraining.STEPS_SHOWN", 1)
    learn(tmp_path / "unbroken")
    fit, calls = gk.Glimmer.fit, []

    def killed(*args, **kwargs):
        calls.append(kwargs["steps_per_epoch"])
        if len(calls) in (2, 5):
            raise KeyboardInterrupt
        return fit(*args, **kwargs)

    monkeypatch.setattr(gk.Glimmer, "fit", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "killed")
        assert not (tmp_path / "killed").exists()
    assert (tmp_path / "killed-run" / "phase-1" / "t5").is_dir()
    for changed, message in (
        (
            {"phases": [ONE, PHASES[1] | {"batch_size": 1}]},
            "has phases.2.batch_size 2. Received: 1",
        ),
        ({"phases": PHASES[:1]}, "has phases.2 "),
        ({"seed": 2}, "has seed 1. Received: 2"),
        ({"corpus": Corpus([Passage("0", "", "Torvik lies.")])}, "has corpus "),
        ({"sizes": SIZES | {"intermediate_dim": 4}}, "has start "),
    ):
        with pytest.raises(ValueError, match=message):
            learn(tmp_path / "killed", **changed)
    with monkeypatch.context() as patched:
        patched.setattr(keras_hub.models.T5Tokenizer, "save_to_preset", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    learn(tmp_path / "killed")
    assert calls == [1] * 6
    assert not (tmp_path / "killed-run").exists()
    for one, other in zip(
        weights(tmp_path / "unbroken"), weights(tmp_path / "killed"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    reports = [
        json.loads((tmp_path / name / "report.json").read_text()) for name in ("unbroken", "killed")
    ]
    losses = [[phase["losses"] for phase in report["phases"]] for report in reports]
    assert losses[0] == losses[1]
    assert [stretch["step"] for stretch in losses[0][1]] == [1, 2]
    assert reports[1]["about"] == "towns"


def test_a_shortened_phase_keeps_a_step():
    assert [phase["steps"] for phase in shortened([ONE | {"steps": 7}, ONE], 3)] == [2, 1]


def test_a_t5_of_other_words_keeps_layers_and_shared_pieces():
    known, new = (train_tokenizer(texts, 60) for texts in (TOWNS, [*TOWNS, "Quenby", "Umbrel"]))
    keras.utils.set_random_seed(0)
    t5 = t5_of_sizes(SIZES, known.vocabulary_size())
    learned = t5.token_embedding.embeddings
    learned.assign(keras.ops.add(3.0, learned))
    made = t5_of_other_words(t5, known, new, seed=0)
    for ours, theirs in zip(made.weights, t5.weights, strict=True):
        if ours is not made.token_embedding.embeddings:
            np.testing.assert_array_equal(ours, theirs)
    pieces = [[t.id_to_token(row) for row in range(t.vocabulary_size())] for t in (known, new)]
    shared, unknown = {*pieces[0]} & {*pieces[1]}, {*pieces[1]} - {*pieces[0]}
    assert shared
    assert unknown
    old = keras.ops.convert_to_numpy(learned)
    embeddings = keras.ops.convert_to_numpy(made.token_embedding.embeddings)
    for piece in shared:
        np.testing.assert_allclose(
            embeddings[pieces[1].index(piece)], old[pieces[0].index(piece)], rtol=1e-6
        )
    drawn = embeddings[[pieces[1].index(piece) for piece in unknown]]
    np.testing.assert_allclose(drawn.mean(), old.mean(), atol=0.5)
    again = t5_of_other_words(t5, known, new, seed=0)
    np.testing.assert_array_equal(embeddings, again.token_embedding.embeddings)
