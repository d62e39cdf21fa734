from typing import Protocol

import numpy as np

from glimmer_keras.data.token_spec import TokenSpec


class PassageInputs(Protocol):
    """The passages of a corpus as the model takes them.

    `TokenizedCorpus` gives token ids, `pipelines.CorpusMemory` memory.
    """

    @property
    def spec(self) -> TokenSpec:
        """The tokenizer that questions and answers must share."""

    def __len__(self) -> int:
        """Number of passages."""

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Look up the passages in some rows.

        Args:
            rows: Integers `(...)`; -1 is a missing passage.

        Returns:
            Inputs of the model, arrays `(..., length)` and longer, by name.
        """
