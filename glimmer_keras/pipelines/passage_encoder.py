from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import keras
import numpy as np

from glimmer_keras.data import Passage, pad_tokens, padding_mask
from glimmer_keras.models import Glimmer, GlimmerBackbone
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.compiled import compiled
from glimmer_keras.pipelines.prepare import token_spec

TOKENS_PER_BATCH = 4096


class PassageTokens(NamedTuple):
    """Token ids of some passages.

    Args:
        ids: int32 `(passages, passage_length)`.
        lengths: int32 `(passages,)`, the end token among them.
        truncated: How many passages were longer.
    """

    ids: np.ndarray
    lengths: np.ndarray
    truncated: int


class PassageEncoder:
    """Computes the memory of passages, little of it padding.

    Passages of about one length go through the model together, `tokens_per_batch` tokens at a
    time. Under JAX, where each shape is compiled, there are few of them.

    Args:
        glimmer: A model with a preprocessor.
        tokens_per_batch: Tokens that are encoded together, padding among them.
    """

    def __init__(self, glimmer: Glimmer, tokens_per_batch: int = TOKENS_PER_BATCH) -> None:
        if tokens_per_batch < 1:
            raise ValueError(
                "`tokens_per_batch` must be at least 1. "
                f"Received: tokens_per_batch={tokens_per_batch}"
            )
        preprocessor, backbone = check_preprocessor(glimmer), glimmer.backbone
        self.passage_length = preprocessor.passage_length
        self.tokens_per_batch = tokens_per_batch
        self._spec = token_spec(preprocessor)
        # Few shapes where each is compiled; elsewhere less padding.
        self._few_shapes = keras.backend.backend() == "jax"
        self._encode = _compiled_encoder(backbone)

    def tokenize(self, passages: Sequence[Passage]) -> PassageTokens:
        """The tokens that the model's preprocessor gives, `Passage.content` being the text."""
        sequences = self._spec.tokenize([passage.content for passage in passages])
        spec = self._spec
        return PassageTokens(*pad_tokens(sequences, self.passage_length, spec.end_id, spec.pad_id))

    def encode(
        self, tokens: PassageTokens, after_batch: Callable[[int], None] = lambda rows: None
    ) -> list[np.ndarray]:
        """Memory `(length, dim)` of each passage, in the type that the model computes in.

        Args:
            tokens: From `tokenize`.
            after_batch: Called with the number of passages of a batch when it is computed.
        """
        memory: list[np.ndarray] = [np.empty(0)] * len(tokens.ids)

        def collect(rows, states):
            states = keras.ops.convert_to_numpy(states)
            for row, passage in zip(rows.tolist(), states, strict=False):
                memory[row] = passage[: tokens.lengths[row]]
            after_batch(len(rows))

        # What is computed asynchronously is fetched when the next batch is on its way.
        waiting = None
        step = 16 if self._few_shapes else 8
        for rows, size, length in plan_batches(tokens.lengths, self.tokens_per_batch, step):
            size = size if self._few_shapes else len(rows)
            ids = np.full((size, length), self._spec.pad_id, "int32")
            width = min(length, self.passage_length)
            ids[: len(rows), :width] = tokens.ids[rows, :width]
            lengths = np.zeros(size, "int32")
            lengths[: len(rows)] = tokens.lengths[rows]
            states = self._encode(ids, padding_mask(lengths, length))
            if waiting is not None:
                collect(*waiting)
            waiting = rows, states
        if waiting is not None:
            collect(*waiting)
        return memory


@lru_cache(maxsize=1)
def _compiled_encoder(backbone: GlimmerBackbone) -> Callable:
    """Kept for the last model, so that appending to a store does not compile again."""
    variables = (backbone.token_embedding.embeddings, *backbone.memory_encoder.variables)
    return compiled(backbone.encode_memory, variables, (None, None))


def plan_batches(
    lengths: np.ndarray, tokens_per_batch: int, step: int
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Put sequences of about one length together, the longest first.

    Args:
        lengths: Integers `(n,)`.
        tokens_per_batch: At most so many in a batch, if they are not one sequence's.
        step: Batches are as long as a multiple of it.

    Yields:
        The numbers of the sequences of a batch, how many have room in it, and its length. The
        room depends on the length only, and all batches but the last are full.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        length = -(-int(lengths[order[start]]) // step) * step
        size = max(1, tokens_per_batch // length)
        yield order[start : start + size], size, length
        start += size
