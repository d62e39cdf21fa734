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

# On real passages, in shards of 1024, these leave 4 to 5 percent of what is computed to padding.
TOKENS_PER_BATCH = 2048
LENGTH_STEP = 8


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
    time. Under JAX, which compiles each shape, there is one for each multiple of 8 tokens.

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

        for rows, states in encode_by_length(
            tokens.ids, tokens.lengths, self._spec.pad_id, self.tokens_per_batch, self._encode
        ):
            for row, passage in zip(rows.tolist(), states, strict=True):
                memory[row] = passage[: tokens.lengths[row]]
            after_batch(len(rows))
        return memory


@lru_cache(maxsize=1)
def _compiled_encoder(backbone: GlimmerBackbone) -> Callable:
    """Kept for the last model, so that appending to a store does not compile again."""
    variables = (backbone.token_embedding.embeddings, *backbone.memory_encoder.variables)
    return compiled(backbone.encode_memory, variables, (None, None))


def encode_by_length(
    ids: np.ndarray,
    lengths: np.ndarray,
    pad_id: int,
    tokens_per_batch: int,
    encode: Callable,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run token sequences through a model, those of about one length together.

    Args:
        ids: Integers `(n, length)`.
        lengths: Integers `(n,)`, tokens without padding.
        pad_id: Fills up the rest.
        tokens_per_batch: Tokens that go through together.
        encode: From `compiled`, of token ids and their mask.

    Yields:
        The numbers of the sequences of a batch, and the outputs for them.
    """
    # What is computed asynchronously is fetched when the next batch is on its way.
    waiting = None
    # Where each shape is compiled, a batch has as many rows as its length has room for, if there
    # are so many.
    fill_up = keras.backend.backend() == "jax"
    most = 1 << (len(ids) - 1).bit_length()
    for rows, room, length in plan_batches(lengths, tokens_per_batch, LENGTH_STEP):
        size = min(room, most) if fill_up else len(rows)
        batch = np.full((size, length), pad_id, "int32")
        width = min(length, ids.shape[1])
        batch[: len(rows), :width] = ids[rows, :width]
        sizes = np.zeros(size, "int32")
        sizes[: len(rows)] = lengths[rows]
        outputs = encode(batch, padding_mask(sizes, length))
        if waiting is not None:
            yield waiting[0], keras.ops.convert_to_numpy(waiting[1])[: len(waiting[0])]
        waiting = rows, outputs
    if waiting is not None:
        yield waiting[0], keras.ops.convert_to_numpy(waiting[1])[: len(waiting[0])]


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
        length = max(1, -(-int(lengths[order[start]]) // step)) * step
        size = max(1, tokens_per_batch // length)
        yield order[start : start + size], size, length
        start += size
