from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.jsonl import Record, read_records, take, take_id
from glimmer_keras.data.kilt import piece_provenance
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.ranking import Ranking, Unknown, numbers_by, ranked_rows
from glimmer_keras.data.task import Task


def read_kilt_results(
    path: str | Path,
    task: Task,
    corpus: Corpus,
    num_passages: int,
    *,
    unknown: Unknown = "error",
) -> np.ndarray:
    """Read the provenance of KILT predictions as retrieval results.

    Each line is `{"id", "output": [{"provenance": [...]}]}` with exactly one output, its pieces
    ranked from the best on: `{"passage_id"}`, or `{"wikipedia_id"}` with or without
    `start_paragraph_id` and `end_paragraph_id`. A piece of a page stands for all passages that
    overlap it, a whole page for all of its passages, in their order. A passage that comes again
    counts where it was first, questions that the task lacks are passed over, and those of the task
    that the file lacks are told in the log.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`.
        task: Whose `Example.id` are the ids.
        corpus: What the provenance is found in.
        num_passages: Passages of each example; what is further down is left out.
        unknown: What to do with a piece that the corpus has nothing of: `"error"`, or `"skip"`.

    Returns:
        int32 `(examples, num_passages)` for `Task.with_retrieved`, -1 where a passage is missing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if a record is broken, a piece is unknown, or an id comes
            twice; or if no question has a result.
    """
    rankings = (
        Ranking(take_id(record, "id", where), where, _pieces(record, where))
        for where, record in read_records(path)
    )
    numbers = numbers_by(example.id for example in task)
    return ranked_rows(str(path), rankings, numbers, corpus, num_passages, unknown)


def _pieces(record: Record, where: str) -> Iterator[tuple[str, Provenance]]:
    outputs = take(record, "output", list, where)
    if len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise ValueError(
            f"{where}: field `output` must hold exactly one object. Received: {len(outputs)}"
        )
    for piece in take(outputs[0], "provenance", list, where):
        yield where, piece_provenance(piece, where)
