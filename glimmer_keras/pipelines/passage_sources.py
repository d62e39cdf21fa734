"""Where a reader has its passages from: a memory store, or texts that are encoded as they come."""

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from glimmer_keras.data import Corpus, Passage, TokenSpec, pad_tokens, padding_mask
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.pipelines.memory_inputs import memory_inputs

logger = logging.getLogger("glimmer_keras")

Rows = Sequence[Sequence[StoredPassage | Passage]]


class PassageSource(Protocol):
    """Passages in an order, found by id or place, and as inputs of the model."""

    def __len__(self) -> int: ...

    @property
    def revision(self) -> str:
        """Changes with the passages."""

    def each(self) -> Iterable[StoredPassage | Passage]:
        """Give all passages in the order."""

    def find(self, ids: Sequence[str]) -> Sequence[StoredPassage | Passage]:
        """Look passages up by id; an unknown one is a `ValueError` that names it."""

    def at(self, places: np.ndarray) -> Sequence[StoredPassage | Passage]:
        """Look passages up by their int64 places `(n,)` in the order."""

    def inputs(
        self, passages: Rows, num_passages: int, lengths: Sequence[int]
    ) -> dict[str, np.ndarray]:
        """Turn the passages of each question into model inputs `(questions, num_passages, ...)`.

        Where a question has fewer, the rest is padding. Passages are as short as the smallest of
        `lengths` that holds them.
        """


class StoreSource:
    """The passages of a memory store, read as memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.find, self.at, self.each = store.passages, store.passages_at, store.iter_passages

    def __len__(self) -> int:
        return len(self._store)

    @property
    def revision(self) -> str:
        return self._store.revision

    def inputs(
        self, passages: Rows, num_passages: int, lengths: Sequence[int]
    ) -> dict[str, np.ndarray]:
        ids = [[p.id for p in row] + [None] * (num_passages - len(row)) for row in passages]
        return memory_inputs(self._store.read(ids, lengths))


class TextInputs:
    """Turns passages into token ids, which the model encodes.

    Args:
        spec: The tokenizer.
        passage_length: Tokens to which passages are cut.
    """

    def __init__(self, spec: TokenSpec, passage_length: int) -> None:
        self._spec = spec
        self._passage_length = passage_length
        self._cuts_are_reported = False

    def inputs(
        self, passages: Rows, num_passages: int, lengths: Sequence[int]
    ) -> dict[str, np.ndarray]:
        spec = self._spec
        numbers = {p: n for n, p in enumerate(dict.fromkeys(p for row in passages for p in row))}
        texts = [Passage(p.id, p.title, p.text).content for p in numbers]
        tokens, sizes, cut = pad_tokens(
            spec.tokenize(texts), self._passage_length, spec.end_id, spec.pad_id
        )
        if cut and not self._cuts_are_reported:
            logger.warning("Passages are cut to %d tokens where longer", self._passage_length)
            self._cuts_are_reported = True
        length = min(length for length in lengths if length >= max(sizes, default=0))
        # The last row stands for missing passages.
        tokens = np.pad(tokens[:, :length], ((0, 1), (0, 0)), constant_values=spec.pad_id)
        mask = padding_mask(np.append(sizes, 0), length)
        rows = np.array(
            [[numbers[p] for p in row] + [-1] * (num_passages - len(row)) for row in passages]
        )
        return {
            "passage_token_ids": tokens[rows].astype("int32"),
            "passage_padding_mask": mask[rows],
        }


class CorpusPassages:
    """Passages that are looked up in a corpus; a subclass turns them into inputs."""

    revision = ""  # A corpus stays as it is.

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def each(self) -> Iterable[Passage]:
        return iter(self._corpus)

    def find(self, ids: Sequence[str]) -> list[Passage]:
        return [self._corpus[self._corpus.row(i)] for i in ids]

    def at(self, places: np.ndarray) -> list[Passage]:
        return [self._corpus[place] for place in places.tolist()]


class CorpusSource(CorpusPassages):
    """The passages of a corpus, tokenised each time and encoded by the model."""

    def __init__(self, corpus: Corpus, spec: TokenSpec, passage_length: int) -> None:
        super().__init__(corpus)
        self.inputs = TextInputs(spec, passage_length).inputs
