from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from glimmer_keras.data import Passage
from glimmer_keras.memory import StoreWriter
from glimmer_keras.pipelines.passage_encoder import PassageEncoder, PassageTokens

logger = logging.getLogger("glimmer_keras")

# A shard's number, its passages, and their tokens; no tokens if it is written already.
Prepared = tuple[int, list[Passage], PassageTokens | None]


@dataclass
class EncodingReport:
    """What encoding took.

    Args:
        passages: Encoded now; those of shards that were there already are not counted.
        tokens: Of these.
        truncated: Of these passages, how many were cut.
        seconds: From the first shard to the last byte written.
        waited: Seconds of these in which nothing was encoded, for a shard was being written
            or read.
    """

    passages: int = 0
    tokens: int = 0
    truncated: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def log(self, passage_length: int) -> None:
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
        encoder: Of the model.
        shards: Numbers and passages.
        writer: Of the store. It is not completed here.
        advance: Told how many more passages are done, and whether they were computed now.
    """
    report, started = EncodingReport(), time.perf_counter()
    prepared = _prepare(encoder, shards, writer)
    writing: Future[None] | None = None

    def after_batch(passages: int) -> None:
        advance(passages, True)
        if writing is not None and writing.done():
            writing.result()  # An error of the writer ends the work at once.

    def waited_for(future: Future) -> Prepared | None:
        before = time.perf_counter()
        result = future.result()
        report.waited += time.perf_counter() - before
        return result

    with ThreadPoolExecutor(2, thread_name_prefix="encode-corpus") as pool:
        reading = pool.submit(next, prepared, None)
        while (shard := waited_for(reading)) is not None:
            reading = pool.submit(next, prepared, None)
            number, passages, tokens = shard
            if tokens is None:
                advance(len(passages), False)
                continue
            memory = encoder.encode(tokens, after_batch)
            if writing is not None:
                waited_for(writing)
            writing = pool.submit(writer.write_shard, number, memory, tokens.lengths, passages)
            report.passages += len(passages)
            report.tokens += int(tokens.lengths.sum())
            report.truncated += tokens.truncated
            del memory
        if writing is not None:
            waited_for(writing)
    report.seconds = time.perf_counter() - started
    return report


def _prepare(
    encoder: PassageEncoder, shards: Iterable[tuple[int, list[Passage]]], writer: StoreWriter
) -> Iterator[Prepared]:
    for number, passages in shards:
        done = writer.done(number, passages)
        yield number, passages, None if done else encoder.tokenize(passages)
