from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glimmer_keras.metrics.answers import accuracy, exact_match, f1, normalize_answer
from glimmer_keras.metrics.kilt_rows import (
    Row,
    align,
    evidence_set,
    gold_answers,
    outputs,
    predicted_answer,
    provenance,
    the_output,
    whole_ids,
)
from glimmer_keras.metrics.retrieval import r_precision, retrieval_scores
from glimmer_keras.metrics.rouge import rouge_l

KS = (1, 5, 10, 20)
PAGE = ("wikipedia_id",)
ANSWER_METRICS = {"accuracy": accuracy, "em": exact_match, "f1": f1, "rougel": rouge_l}


def kilt_scores(
    gold: Iterable[Mapping[str, Any]],
    predictions: Iterable[Mapping[str, Any]],
    ks: Sequence[int] = KS,
    rank_keys: Sequence[str] = PAGE,
    *,
    any_order: bool = False,
    retrieval_only: bool = False,
) -> dict[str, dict[str, float]]:
    """Score predictions as KILT's evaluator does, equal to the last digit.

    Answers are compared with all gold answers, the best of which counts; a blank one has 0. The
    combined KILT-scores are those of answers whose R-precision is 1, else 0. All are means over
    the gold rows.

    Args:
        gold: Records of a KILT file, `{"id", "output": [{"answer", "provenance": [...]}]}`.
        predictions: One record of the same form for each, in their order, with exactly one
            output, its provenance ranked from the best on.
        ks: Numbers of places to look at; 1 has a precision only.
        rank_keys: Fields of a provenance that tell what is ranked: pages, or
            `("wikipedia_id", "start_paragraph_id")`, or passages by `("passage_id",)`. The
            combined scores ask for pages as in KILT, or for `rank_keys` if pages are not in it.
        any_order: Whether predictions may be in another order than the gold rows.
        retrieval_only: Score passages alone; predictions may come without answers.

    Returns:
        By KILT's names, `"downstream"`: `accuracy`, `em`, `f1`, `rougel`; `"kilt"`: the same
        names after `KILT-`; `"retrieval"`: `Rprec`, `precision@k`, `recall@k`,
        `success_rate@k`, and `answer_in_context@k` if predictions quote a `text`.

    Raises:
        ValueError: If an id is missing, unknown, repeated or out of order, a prediction has not
            exactly one output, a record is broken, or `ks` or `rank_keys` does not fit.
    """
    return located_scores(
        [Row(f"`gold` record {n}", record) for n, record in enumerate(gold, 1)],
        [Row(f"`predictions` record {n}", record) for n, record in enumerate(predictions, 1)],
        ks,
        rank_keys,
        any_order,
        retrieval_only,
    )


def located_scores(
    gold: Sequence[Row],
    predicted: Sequence[Row],
    ks: Sequence[int],
    rank_keys: Sequence[str],
    any_order: bool,
    retrieval_only: bool,
) -> dict[str, dict[str, float]]:
    """Do what `kilt_scores` does, with rows that know their place in a file.

    Args:
        gold: Gold rows.
        predicted: Predictions.
        ks: Numbers of places to look at.
        rank_keys: Fields of a provenance that tell what is ranked.
        any_order: Whether predictions may be in another order than the gold rows.
        retrieval_only: Whether passages alone are scored.
    """
    _check(gold, ks, rank_keys)
    rows: dict[str, list[dict[str, float]]] = {"kilt": [], "downstream": [], "retrieval": []}
    with_text = False
    for gold_row, row in zip(gold, align(gold, predicted, any_order), strict=True):
        output = the_output(row, retrieval_only)
        pieces = provenance(row, output)
        rows["retrieval"].append(_retrieval(gold_row, pieces, ks, rank_keys))
        rows["retrieval"][-1].update(_answer_in_context(gold_row, row, pieces, ks))
        with_text = with_text or any("text" in piece for piece in pieces)
        if not retrieval_only:
            scores = _answer(gold_row, predicted_answer(row, output))
            keys = PAGE if PAGE[0] in rank_keys else rank_keys
            right = _r_precision(gold_row, pieces, keys) == 1
            rows["downstream"].append(scores)
            rows["kilt"].append({f"KILT-{name}": right * x for name, x in scores.items()})
    means = {part: _means(scores) for part, scores in rows.items() if scores}
    if not with_text:
        means["retrieval"] = {
            name: mean for name, mean in means["retrieval"].items() if "context" not in name
        }
    return means


def _answer(gold_row: Row, answer: str) -> dict[str, float]:
    if not answer:
        return dict.fromkeys(ANSWER_METRICS, 0.0)
    answers = gold_answers(gold_row)
    if not answers:
        raise ValueError(f"{gold_row.where}: field `output` must hold an answer. Received: none")
    return {name: metric(answer, answers) for name, metric in ANSWER_METRICS.items()}


def _retrieval(
    gold_row: Row, pieces: Sequence[Mapping[str, Any]], ks: Sequence[int], keys: Sequence[str]
) -> dict[str, float]:
    sets = [
        evidence_set(provenance(gold_row, output), keys)
        for output in outputs(gold_row)
        if "provenance" in output
    ]
    ranked = whole_ids(pieces, keys)
    return {
        "Rprec": _r_precision(gold_row, pieces, keys),
        **retrieval_scores(ranked, sets, ks),
    }


def _r_precision(gold_row: Row, pieces: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> float:
    sets = [whole_ids(provenance(gold_row, output), keys) for output in outputs(gold_row)]
    if not sets:
        raise ValueError(f"{gold_row.where}: field `output` must hold an output. Received: none")
    return r_precision(whole_ids(pieces, keys), sets)


def _answer_in_context(
    gold_row: Row, row: Row, pieces: Sequence[Mapping[str, Any]], ks: Sequence[int]
) -> dict[str, float]:
    """Tell whether a gold answer stands in one of the first k pieces, all pieces counted."""
    answers = [normalize_answer(answer) for answer in gold_answers(gold_row)]
    first = float("inf")
    for place, piece in enumerate(pieces, 1):
        if "text" not in piece:
            continue
        if not isinstance(piece["text"], str):
            raise ValueError(
                f"{row.where}: field `text` must be a string. Received: {piece['text']!r}"
            )
        text = normalize_answer(piece["text"])
        if any(answer in text for answer in answers):
            first = place
            break
    return {f"answer_in_context@{k}": float(first <= k) for k in ks}


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    # One after another: `sum` rounds less often than KILT from Python 3.12 on.
    totals = dict.fromkeys(rows[0], 0.0)
    for row in rows:
        for name, score in row.items():
            totals[name] += score
    return {name: total / len(rows) for name, total in totals.items()}


def _check(gold: Sequence[Row], ks: Sequence[int], rank_keys: Sequence[str]) -> None:
    if not gold:
        raise ValueError("`gold` must hold at least one record. Received: 0 records")
    if not ks or min(ks) < 1 or len(set(ks)) < len(ks):
        raise ValueError(f"`ks` must be numbers of at least 1, each once. Received: ks={ks}")
    if isinstance(rank_keys, str) or not rank_keys or len(set(rank_keys)) < len(rank_keys):
        raise ValueError(
            f"`rank_keys` must be names of fields, each once. Received: rank_keys={rank_keys!r}"
        )
