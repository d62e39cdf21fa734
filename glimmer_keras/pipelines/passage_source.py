"""Where a reader has its passages from: a memory store, or texts that are encoded as they come."""

import logging
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from glimmer_keras.data import Corpus, Passage, TokenSpec, pad_tokens, padding_mask
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.pipelines.memory_inputs import memory_inputs

logger = logging.getLogger("glimmer_keras")

Found = StoredPassage | Passage
Grid = Sequence[Sequence[str | None]]


class PassageSource(Protocol):
    """Passages in an order, found by id, and as inputs of the model."""

    def __len__(self) -> int: ...

    def find(self, ids: Sequence[str]) -> Sequence[Found]:
        """Raises a `ValueError` that names an unknown id."""

    def at(self, places: np.ndarray) -> Sequence[Found]:
        """The passages at int places `(n,)`."""

    def inputs(self, ids: Grid, lengths: Sequence[int]) -> dict[str, np.ndarray]:
        """Model inputs of `(batch, passages)` ids, as short as one of `lengths` allows."""


class StorePassages:
    """The passages of a memory store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.find, self.at = store.passages, store.passages_at

    def __len__(self) -> int:
        return len(self._store)

    def inputs(self, ids: Grid, lengths: Sequence[int]) -> dict[str, np.ndarray]:
        return memory_inputs(self._store.read(ids, lengths))


class OfCorpus:
    """Passages that are found in a corpus; subclasses turn them into inputs."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def find(self, ids: Sequence[str]) -> list[Passage]:
        return [self._corpus[self._corpus.row(i)] for i in ids]

    def at(self, places: np.ndarray) -> list[Passage]:
        return [self._corpus[place] for place in places.tolist()]


class CorpusPassages(OfCorpus):
    """The passages of a corpus, tokenised each time and encoded by the model."""

    def __init__(self, corpus: Corpus, spec: TokenSpec, passage_length: int) -> None:
        super().__init__(corpus)
        self._spec = spec
        self._passage_length = passage_length
        self._told_of_cuts = False

    def inputs(self, ids: Grid, lengths: Sequence[int]) -> dict[str, np.ndarray]:
        places = {i: n for n, i in enumerate(dict.fromkeys(i for row in ids for i in row if i))}
        spec, texts = self._spec, [passage.content for passage in self.find(list(places))]
        tokens, sizes, cut = pad_tokens(
            spec.tokenize(texts), self._passage_length, spec.end_id, spec.pad_id
        )
        if cut and not self._told_of_cuts:
            logger.warning("Passages are cut to %d tokens where longer", self._passage_length)
            self._told_of_cuts = True
        length = min(length for length in lengths if length >= max(sizes))
        # The last row stands for missing passages.
        tokens = np.pad(tokens[:, :length], ((0, 1), (0, 0)), constant_values=spec.pad_id)
        mask = padding_mask(np.append(sizes, 0), length)
        grid = np.array([[places[i] if i else -1 for i in row] for row in ids])
        return {
            "passage_token_ids": tokens[grid].astype("int32"),
            "passage_padding_mask": mask[grid],
        }
