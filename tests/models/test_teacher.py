import keras
import numpy as np
import pytest

from glimmer_keras.losses import answer_log_prob
from glimmer_keras.models import teacher
from glimmer_keras.models.teacher import teacher_log_probs
from tests import EAGERLY, compiled, read


def alone(glimmer, x, labels, weights, reduction):
    """`log p(answer | passage)` by a plain call of a one-passage model on each passage."""

    @compiled
    def log_prob(one):
        hidden = glimmer.backbone(one)["decoder_sequence_output"]
        return answer_log_prob(glimmer.logits(hidden), labels, weights, reduction)

    columns = []
    for passage in range(x["passage_token_ids"].shape[1]):
        one = {k: v[:, [passage] * 2] if k.startswith("passage") else v for k, v in x.items()}
        # The second copy is missing, so that the two that are selected hold one passage.
        one["passage_padding_mask"] = one["passage_padding_mask"].copy()
        one["passage_padding_mask"][:, 1] = False
        columns.append(np.asarray(log_prob(one)))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_reading_each_passage_alone(glimmer, batch, reuse, reduction):
    x, labels, weights = batch
    outputs = read(glimmer.backbone, x)
    ranking = np.asarray(outputs["passage_ranking"])
    teach = compiled(lambda *arrays: teacher_log_probs(glimmer, *arrays, reduction, reuse))
    out = teach(x, outputs, labels, weights)
    expected = alone(glimmer, x, labels, weights, reduction)
    expected = np.take_along_axis(expected, ranking, axis=1)
    present = np.take_along_axis(x["passage_padding_mask"].any(-1), ranking, axis=1)
    np.testing.assert_allclose(np.asarray(out)[present], expected[present], rtol=1e-4, atol=1e-4)


def train_once(model, batch, **settings):
    """Weights by path before and after one step of plain gradient descent."""
    before = {w.path: keras.ops.convert_to_numpy(w).copy() for w in model.weights}
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=EAGERLY, **settings)
    x, labels, weights = batch
    losses = model.train_on_batch(x, labels, weights, return_dict=True)
    moved = {
        w.path
        for w in model.weights
        if not np.array_equal(before[w.path], keras.ops.convert_to_numpy(w))
    }
    return losses, moved


def nothing(labels, logits):
    return 0.0 * logits[..., 0]


def test_distillation_trains_scorer_stage_a_and_memory_and_nothing_of_the_teacher(
    make_model, batch
):
    model = make_model(activation="gelu")
    losses, moved = train_once(model, batch, loss=nothing)
    assert losses["distillation_loss"] > 0
    parts = {path.split("/")[0] for path in moved}
    assert {"memory_encoder", "stage_a", "passage_scorer", "live_position_bias"} <= parts
    assert not parts & {"stage_b", "encoder_norm", "decoder"}


def test_distillation_loss_equals_numpy(make_model, batch):
    x, labels, weights = batch
    model = make_model()
    scores = np.asarray(read(model, x)["passage_scores"], "float64")
    log_probs = alone(model, x, labels, weights, "mean").astype("float64")
    present = x["passage_padding_mask"].any(-1)
    for direction, temperature in (("lm_to_rank", 1.0), ("rank_to_lm", 0.5)):
        expected = []
        for score, log_p, there in zip(scores, log_probs, present, strict=True):
            rank, lm = (np.exp(v[there] / temperature) for v in (score, log_p))
            rank, lm = rank / rank.sum(), lm / lm.sum()
            first, second = (lm, rank) if direction == "lm_to_rank" else (rank, lm)
            expected.append((first * np.log(first / second)).sum())
        model.compile(
            run_eagerly=EAGERLY,
            distillation_direction=direction,
            distillation_temperature=temperature,
            distillation_weight=3.0,
        )
        logs = model.test_on_batch(x, labels, weights, return_dict=True)
        assert logs["distillation_loss"] == pytest.approx(np.mean(expected), abs=1e-5)
        total = logs["lm_loss"] + 3.0 * logs["distillation_loss"]
        assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_language_model_loss_and_agreement_equal_numpy(make_model, batch):
    x, labels, weights = batch
    model = make_model()
    out = read(model, x)
    logits = np.asarray(out["logits"], "float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_p, labels[..., None], axis=-1)[..., 0]
    logs = model.test_on_batch(x, labels, weights, return_dict=True)
    assert logs["lm_loss"] == pytest.approx(-(picked * weights).sum() / weights.sum(), rel=1e-4)
    hits = (logits.argmax(-1) == labels) * weights
    assert logs["token_accuracy"] == pytest.approx(hits.sum() / weights.sum(), abs=1e-6)
    teacher = alone(model, x, labels, weights, "mean")
    best = np.where(x["passage_padding_mask"].any(-1), teacher, -np.inf).argmax(-1)
    selected = np.asarray(out["selected_passages"])
    agreement = np.mean([b in s for b, s in zip(best, selected, strict=True)])
    assert logs["selection_agreement"] == pytest.approx(agreement, abs=1e-6)


def test_rows_without_passages_or_answers_have_no_part(make_model, monkeypatch):
    model = make_model()  # 2 of 3 passages are selected
    ranking = np.array([[0, 1, 2], [2, 0, 1], [0, 1, 2], [0, 1, 2], [1, 0, 2]], "int32")
    outputs = {
        "passage_ranking": ranking,
        "passage_scores": np.zeros((5, 3), "float32"),
        "live_padding_mask": np.ones((5, 3, 1), bool),
        "logits": np.zeros((5, 1, 40), "float32"),
    }
    outputs["live_padding_mask"][3] = False
    # From best to worst: best is the first of two selected, then the one that was not selected.
    best = np.log([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], *[[0.5, 0.25, 0.25]] * 3]).astype(
        "float32"
    )
    monkeypatch.setattr(teacher, "teacher_log_probs", lambda *args, **kwargs: best)
    labels, weights = np.ones((5, 1), "int32"), np.ones((5, 1), "float32")
    weights[2] = 0.0
    y_pred = {"logits": outputs["logits"], "backbone_outputs": outputs}
    loss = model.compute_loss({}, labels, y_pred, weights)
    metrics = {metric.name: metric for metric in model.metrics}
    logs = {
        name: float(metrics[name].result()) for name in ("distillation_loss", "selection_agreement")
    }
    # Rows 0 and 4 agree, row 1 does not; row 2 has no answer, row 3 no passages.
    assert logs["selection_agreement"] == pytest.approx(2 / 3)
    kl = np.log(3) - 1.5 * np.log(2)  # of (1/2, 1/4, 1/4) from (1/3, 1/3, 1/3)
    assert logs["distillation_loss"] == pytest.approx(3 * kl / 5)
    assert float(loss) == pytest.approx(np.log(40) + 3 * kl / 5)


def test_without_weight_there_is_no_teacher_and_the_scorer_stays(make_model, batch):
    losses, moved = train_once(make_model(), batch, distillation_weight=0.0)
    assert "distillation_loss" not in losses
    assert not any(path.startswith("passage_scorer") for path in moved)


def test_dropout_is_off_in_the_teacher(make_model, batch):
    x, labels, weights = batch
    model = make_model(dropout=0.5)

    @compiled
    def twice(x, labels, weights):
        outputs = model.backbone(x, training=True)
        args = (model, x, outputs, labels, weights, "mean", False)
        return [teacher_log_probs(*args) for _ in range(2)]

    np.testing.assert_array_equal(*map(np.asarray, twice(x, labels, weights)))
