"""A first stage's opinion of the passages, in the selection and in the teacher."""

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models import teacher
from tests import EAGERLY, read

ORDER = [0.0, -1.0, -np.log2(3), -2.0]  # by hand: -log2(1 + rank)


@pytest.fixture(scope="module")
def model(make_model):
    return make_model(passage_prior=True)


def test_it_is_added_to_the_scores(model, batch):
    x, _, _ = batch
    flat = x | {"passage_prior": np.zeros((3, 4), "float32")}
    prior = np.array([[0.0, 9.0, 0.0, 0.0]] * 3, "float32")
    scores = np.asarray(read(model, flat)["passage_scores"])
    out = read(model, x | {"passage_prior": prior})
    present = x["passage_padding_mask"].any(-1)
    np.testing.assert_allclose(
        np.asarray(out["passage_scores"])[present], (scores + prior)[present], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(np.asarray(out["selected_passages"])[:, 0], 1)


def test_without_one_the_order_of_the_passages_is_it(model, batch):
    x, _, _ = batch
    given = x | {"passage_prior": np.array([ORDER] * 3, "float32")}
    np.testing.assert_allclose(
        np.asarray(read(model, x)["passage_scores"]),
        np.asarray(read(model, given)["passage_scores"]),
        rtol=1e-5,
        atol=1e-5,
    )


def test_the_teacher_is_likelihood_times_prior(model, batch, monkeypatch):
    x, labels, weights = batch
    given = x | {"passage_prior": np.random.default_rng(5).normal(size=(3, 4)).astype("float32")}
    out = read(model, given)
    scores = np.asarray(out["passage_scores"], "float64")
    kept = np.random.default_rng(6).normal(size=(3, 4)).astype("float32")
    expected = []
    for score, posterior, there in zip(
        scores, kept + given["passage_prior"], x["passage_padding_mask"].any(-1), strict=True
    ):
        rank, lm = (np.exp(v[there]) / np.exp(v[there]).sum() for v in (score, posterior))
        expected.append((lm * np.log(lm / rank)).sum())
    monkeypatch.setattr(teacher, "teacher_log_probs", None)  # likelihoods that are kept: no teacher
    model.compile(run_eagerly=EAGERLY)
    logs = model.test_on_batch(
        given | {"teacher_log_probs": kept}, labels, weights, return_dict=True
    )
    assert logs["distillation_loss"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_its_weight_is_learned_and_kept(make_model, batch, tmp_path):
    x, labels, weights = batch
    model = make_model(passage_prior=True)
    model.compile("sgd", run_eagerly=EAGERLY)
    model.train_on_batch(x, labels, weights)
    weight = np.asarray(model.backbone.passage_scorer.prior_weight)[0]
    assert weight != 1.0
    model.export_to_transformers(tmp_path / "model")
    loaded = gk.Glimmer.from_hugging_face(tmp_path / "model")
    assert np.asarray(loaded.backbone.passage_scorer.prior_weight)[0] == weight


def test_errors(model, make_model, batch):
    x, _, _ = batch
    prior = np.zeros((3, 4), "float32")
    with pytest.raises(ValueError, match=r"Inputs must be .*Received: .*passage_prior"):
        make_model().backbone(x | {"passage_prior": prior})
    with pytest.raises(ValueError, match=r"`passage_prior` must have .*Received: shape=\(3, 3\)"):
        model.backbone(x | {"passage_prior": prior[:, :3]})
    with pytest.raises(ValueError, match="`passage_prior` must be False .*num_selected=None"):
        make_model("fid", passage_prior=True)
