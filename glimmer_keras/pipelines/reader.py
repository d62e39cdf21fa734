from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.answerer import Answerer, Inputs
from glimmer_keras.pipelines.passage_sources import CorpusSource, PassageSource, StoreSource
from glimmer_keras.pipelines.prepare import token_spec
from glimmer_keras.retrieval import Retriever
from glimmer_keras.utils.checks import check_integer

NUM_PASSAGES = 25


class Reader(Answerer):
    """Answers questions from stored memory, or from passages that it encodes as they come.

    Passages and questions have a few fixed shapes, so that nothing is compiled again when each
    has been met once: passages a quarter, half, three quarters or all of the preprocessor's
    `passage_length`, and one question or `batch_size` of them.

    Args:
        glimmer: The model, with a preprocessor; its memory encoder must not be trained further.
        store: Memory that was made with this model.
        retriever: Finds the passages of a question; its rows count those of the store (deleted
            ones left out) or of the corpus. `None` where passage ids are always given.
        corpus: The passages, in place of a store.
        num_passages: `k`, passages for a question; fewer are filled up with missing ones. By
            default the preprocessor's `num_passages`, or 25 as in the paper, or all there are.
        batch_size: Questions answered at once, when there are several.
        min_confidence: Answers with less are left empty.
        question_length: Tokens to which questions are cut, by default the preprocessor's. The
            attribute `questions_cut` tells how many were.

    Raises:
        ValueError: If the memory was made with something else, which the message names, or the
            retriever is over another number of passages, or `num_passages` is less than the
            model selects.
        CorruptStoreError: When it is asked, if what is stored of a passage is damaged.

    Example:
        reader = glimmer_keras.Reader(glimmer, store, retriever)
        answer = reader.answer("who wrote the opera fidelio")
        answer.text, answer.passages[0].score
    """

    def __init__(
        self,
        glimmer: Glimmer,
        store: MemoryStore | None = None,
        retriever: Retriever | None = None,
        *,
        corpus: Corpus | None = None,
        num_passages: int | None = None,
        batch_size: int = 8,
        min_confidence: float = 0.0,
        question_length: int | None = None,
    ) -> None:
        given = (("glimmer", glimmer, Glimmer), ("store", store, MemoryStore))
        for name, value, kind in (*given, ("corpus", corpus, Corpus)):
            if not isinstance(value, kind) and (value is not None or name == "glimmer"):
                raise TypeError(
                    f"`{name}` must be a {kind.__name__}. Received: {type(value).__name__}"
                )
        preprocessor = check_preprocessor(glimmer)
        spec = token_spec(preprocessor)
        source: PassageSource
        if store is not None and corpus is None:
            store.check_made_with(memory_fingerprint(glimmer))
            source = StoreSource(store)
        elif corpus is not None and store is None:
            source = CorpusSource(corpus, spec, preprocessor.passage_length)
        else:
            both = "neither" if store is None else "both"
            raise ValueError(f"Either `store` or `corpus` must be given. Received: {both}")
        least = glimmer.backbone.num_selected or 1
        if num_passages is None:
            num_passages = preprocessor.num_passages or min(NUM_PASSAGES, max(least, len(source)))
        if check_integer("num_passages", num_passages, 0) < least:
            raise ValueError(
                f"`num_passages` must be at least {least}, as many as the model selects. "
                f"Received: num_passages={num_passages}"
            )
        super().__init__(
            source,
            retriever,
            spec,
            question_length=(
                preprocessor.question_length if question_length is None else question_length
            ),
            passage_lengths=fixed_lengths(preprocessor.passage_length),
            num_passages=num_passages,
            batch_size=batch_size,
            fill=True,
            takes_prior=glimmer.backbone.passage_prior,
            calibration=glimmer.calibration,
            min_confidence=min_confidence,
        )
        self.glimmer = glimmer

    def run(self, inputs: Inputs) -> Mapping[str, Any]:
        """Generate answers; see `Answerer.run`."""
        return self.glimmer.generate(inputs)


def fixed_lengths(passage_length: int) -> tuple[int, ...]:
    """Give a quarter, half, three quarters and all of the tokens, but for the last in steps of 64.

    Every length is compiled once, which takes longer than a shorter one saves for a while.
    """
    parts = {-(-passage_length * part // 256) * 64 for part in (1, 2, 3)}
    return (*sorted(length for length in parts if length < passage_length), passage_length)
