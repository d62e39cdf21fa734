import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from glimmer_keras.data.jsonl import read_records
from glimmer_keras.metrics.kilt import KS, PAGE, located_scores
from glimmer_keras.metrics.kilt_rows import Row, outputs, provenance, whole_ids

logger = logging.getLogger("glimmer_keras")


def score_predictions(
    gold: str | Path,
    predictions: str | Path,
    ks: Sequence[int] = KS,
    rank_keys: Sequence[str] = PAGE,
    *,
    any_order: bool = False,
    retrieval_only: bool = False,
) -> dict[str, dict[str, float]]:
    """Score a file of KILT predictions, such as `write_predictions` makes, with `kilt_scores`.

    Args:
        gold: A KILT file with answers and provenance, `.jsonl` or `.jsonl.gz`.
        predictions: The file to score.
        ks: Numbers of places to look at; see `metrics.kilt_scores`.
        rank_keys: Fields of a provenance that tell what is ranked; `("passage_id",)` for what
            `write_predictions` makes.
        any_order: Whether predictions may be in another order than the gold rows.
        retrieval_only: Whether passages alone are scored.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if one is broken or they do not fit together.
    """
    gold_rows = [Row(where, record) for where, record in read_records(gold)]
    rows = [Row(where, record) for where, record in read_records(predictions)]
    scores = located_scores(gold_rows, rows, ks, rank_keys, any_order, retrieval_only)
    for path, read in ((gold, gold_rows), (predictions, rows)):
        pieces = [p for row in read for output in outputs(row) for p in provenance(row, output)]
        if pieces and not whole_ids(pieces, rank_keys):
            logger.warning(
                "%s: no provenance has %s, so nothing counts as found; `rank_keys` may be %s",
                path,
                " and ".join(rank_keys),
                ", ".join(sorted(pieces[0])),
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
