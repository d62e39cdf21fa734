from collections.abc import Sequence

import numpy as np

from glimmer_keras.pipelines.passage_source import Grid, OfCorpus


class TablePassages(OfCorpus):
    """The passages whose memory is in the served model, asked for by row."""

    def inputs(self, ids: Grid, lengths: Sequence[int]) -> dict[str, np.ndarray]:
        rows = [[-1 if i is None else self._corpus.row(i) for i in row] for row in ids]
        return {"passage_rows": np.array(rows, "int32")}
