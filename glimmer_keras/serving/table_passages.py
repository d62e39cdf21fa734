from collections.abc import Sequence

import numpy as np

from glimmer_keras.data import Corpus, Passage
from glimmer_keras.pipelines.passage_source import Grid


class TablePassages:
    """The passages whose memory is in the served model, asked for by row."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def find(self, ids: Sequence[str]) -> list[Passage]:
        return [self._corpus[self._corpus.row(i)] for i in ids]

    def at(self, places: np.ndarray) -> list[Passage]:
        return [self._corpus[place] for place in places.tolist()]

    def inputs(self, ids: Grid, lengths: Sequence[int]) -> dict[str, np.ndarray]:
        rows = [[-1 if i is None else self._corpus.row(i) for i in row] for row in ids]
        return {"passage_rows": np.array(rows, "int32")}
