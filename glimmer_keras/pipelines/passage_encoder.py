from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from glimmer_keras.data import Passage, pad_tokens
from glimmer_keras.memory import StoreWriter
from glimmer_keras.models import Glimmer, GlimmerBackbone
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.length_batches import (
    TOKENS_PER_BATCH,
    check_tokens_per_batch,
    compiled,
    encode_by_length,
)
from glimmer_keras.pipelines.prepare import token_spec

logger = logging.getLogger("glimmer_keras")


class PassageTokens(NamedTuple):
    """Token ids of some passages.

    Args:
        ids: int32 `(passages, passage_length)`.
        lengths: int32 `(passages,)`, the end token among them.
        truncated: Number of passages that were longer.
    """

    ids: np.ndarray
    lengths: np.ndarray
    truncated: int


# A shard's number, its passages, and their tokens; no tokens if it is written already.
PreparedShard = tuple[int, list[Passage], PassageTokens | None]


@dataclass
class EncodingReport:
    """Work and time that encoding took.

    Args:
        passages: Passages encoded now; those of shards that were written before do not count.
        tokens: Tokens of these.
        truncated: Number of these passages that were cut.
        seconds: Time from the first shard to the last byte written.
        waited: Seconds of these in which nothing was encoded, for a shard was being written
            or read.
    """

    passages: int = 0
    tokens: int = 0
    truncated: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def log(self, passage_length: int) -> None:
        """Log how much was encoded, and how many passages were cut to `passage_length` tokens."""
        if self.truncated:
            logger.warning(
                "%d of %d passages were cut to %d tokens",
                self.truncated,
                self.passages,
                passage_length,
            )
        logger.info(
            "Encoded %d passages of %d tokens in %.1f s", self.passages, self.tokens, self.seconds
        )


class PassageEncoder:
    """Computes the memory of passages, little of it padding.

    Passages of about one length go through the model together, `tokens_per_batch` tokens at a
    time. Under JAX, which compiles each shape, there is one for each multiple of 8 tokens.

    Args:
        glimmer: A model with a preprocessor.
        tokens_per_batch: Tokens that are encoded together, padding among them.
    """

    def __init__(self, glimmer: Glimmer, tokens_per_batch: int = TOKENS_PER_BATCH) -> None:
        self.tokens_per_batch = check_tokens_per_batch(tokens_per_batch)
        preprocessor = check_preprocessor(glimmer)
        self.passage_length = preprocessor.passage_length
        self._spec = token_spec(preprocessor)
        self._encode = _compiled_encoder(glimmer.backbone)

    def tokenize(self, passages: Sequence[Passage]) -> PassageTokens:
        """Give the tokens of the model's preprocessor, `Passage.content` being the text."""
        spec = self._spec
        sequences = spec.tokenize([passage.content for passage in passages])
        return PassageTokens(*pad_tokens(sequences, self.passage_length, spec.end_id, spec.pad_id))

    def encode(
        self, tokens: PassageTokens, after_batch: Callable[[int], None] = lambda rows: None
    ) -> list[np.ndarray]:
        """Compute the memory `(length, dim)` of each passage, in the model's compute type.

        Args:
            tokens: Tokens from `tokenize`.
            after_batch: Called with the number of passages of a batch when it is computed.
        """
        memory: list[np.ndarray] = [np.empty(0)] * len(tokens.ids)
        batches = encode_by_length(
            tokens.ids, tokens.lengths, self._spec.pad_id, self.tokens_per_batch, self._encode
        )
        for rows, states in batches:  # states: (rows, batch length, dim)
            for row, passage in zip(rows.tolist(), states, strict=True):
                memory[row] = passage[: tokens.lengths[row]]
            after_batch(len(rows))
        return memory


def encode_shards(
    encoder: PassageEncoder,
    shards: Iterable[tuple[int, list[Passage]]],
    writer: StoreWriter,
    advance: Callable[[int, bool], None] = lambda passages, computed: None,
) -> EncodingReport:
    """Encode and write the shards that are not written yet, each apart from the others.

    While one is encoded, the one before is written and the next is read and tokenised: three
    are in memory at most.

    Args:
        encoder: Encoder of the model.
        shards: Numbers and passages.
        writer: Writer of the store, which is not completed here.
        advance: Called with how many more passages are done, and whether they were computed now.
    """
    report, started = EncodingReport(), time.perf_counter()
    prepared = _prepare(encoder, shards, writer)
    writing: Future[None] | None = None

    def after_batch(passages: int) -> None:
        advance(passages, True)
        if writing is not None and writing.done():
            writing.result()  # An error of the writer ends the work at once.

    def wait_for(future: Future) -> PreparedShard | None:
        before = time.perf_counter()
        result = future.result()
        report.waited += time.perf_counter() - before
        return result

    with ThreadPoolExecutor(2, thread_name_prefix="encode-corpus") as pool:
        reading = pool.submit(next, prepared, None)
        while (shard := wait_for(reading)) is not None:
            reading = pool.submit(next, prepared, None)
            number, passages, tokens = shard
            if tokens is None:
                advance(len(passages), False)
                continue
            memory = encoder.encode(tokens, after_batch)
            if writing is not None:
                wait_for(writing)
            writing = pool.submit(writer.write_shard, number, memory, tokens.lengths, passages)
            report.passages += len(passages)
            report.tokens += int(tokens.lengths.sum())
            report.truncated += tokens.truncated
            del memory
        if writing is not None:
            wait_for(writing)
    report.seconds = time.perf_counter() - started
    return report


def _prepare(
    encoder: PassageEncoder, shards: Iterable[tuple[int, list[Passage]]], writer: StoreWriter
) -> Iterator[PreparedShard]:
    for number, passages in shards:
        is_written = writer.done(number, passages)
        yield number, passages, None if is_written else encoder.tokenize(passages)


@lru_cache(maxsize=1)
def _compiled_encoder(backbone: GlimmerBackbone) -> Callable:
    """Compile the encoder; kept for the last model, so that appending does not compile again."""
    variables = (backbone.token_embedding.embeddings, *backbone.memory_encoder.variables)
    return compiled(backbone.encode_memory, variables, (None, None))
