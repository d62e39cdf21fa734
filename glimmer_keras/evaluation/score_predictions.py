from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from glimmer_keras.data.jsonl import read_records
from glimmer_keras.metrics.kilt import KS, PAGE, located_scores
from glimmer_keras.metrics.kilt_rows import Row, outputs, provenance, whole_ids


def score_predictions(
    gold: str | Path,
    predictions: str | Path,
    ks: Sequence[int] = KS,
    rank_keys: Sequence[str] = PAGE,
    *,
    any_order: bool = False,
    retrieval_only: bool = False,
    answers_only: bool = False,
) -> dict[str, dict[str, float]]:
    """Score a file of KILT predictions, such as `write_predictions` makes, with `kilt_scores`.

    Args:
        gold: A KILT file with answers and provenance, `.jsonl` or `.jsonl.gz`.
        predictions: The file to score.
        ks: Numbers of places to look at; see `metrics.kilt_scores`.
        rank_keys: Fields of a provenance that tell what is ranked: pages, or `("passage_id",)`
            where gold rows and predictions name passages.
        any_order: Whether predictions may be in another order than the gold rows.
        retrieval_only: Whether passages alone are scored.
        answers_only: Whether answers alone are scored: there is only `"downstream"`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if one is broken or they do not fit together; or if one of
            them has no provenance by which the other's could be found, so that all were 0.
    """
    if retrieval_only and answers_only:
        raise ValueError("At most one of `retrieval_only` and `answers_only` may be set")
    gold_rows = [Row(where, record) for where, record in read_records(gold)]
    rows = [Row(where, record) for where, record in read_records(predictions)]
    scores = located_scores(gold_rows, rows, ks, rank_keys, any_order, retrieval_only)
    if answers_only:
        return {"downstream": scores["downstream"]}
    for path, read in ((gold, gold_rows), (predictions, rows)):
        pieces = [p for row in read for output in outputs(row) for p in provenance(row, output)]
        if not whole_ids(pieces, rank_keys):
            keys = sorted({key for piece in pieces for key in piece})
            raise ValueError(
                f"{path}: no provenance has {' and '.join(rank_keys)}, so nothing can be found. "
                f"Received: {', '.join(keys) or 'no provenance'}; what is ranked is named by "
                "`rank_keys` (--rank-keys), and `answers_only` (--answers-only) scores answers"
            )
    return scores


def kilt_table(scores: Mapping[str, Mapping[str, float]]) -> Table:
    """Lay what `score_predictions` gives out for a console, in percent."""
    table = Table("metric", title="KILT scores")
    table.add_column("percent", justify="right")
    for part in ("downstream", "kilt", "retrieval"):
        for name, score in scores.get(part, {}).items():
            table.add_row(name, f"{100 * score:.2f}")
        table.add_section()
    return table
