import logging
import time
from collections.abc import Sequence
from pathlib import Path

from glimmer_keras.data import (
    Corpus,
    Task,
    TokenizedCorpus,
    TokenizedTask,
    TokenSpec,
    tokenize_corpus,
    tokenize_task,
)
from glimmer_keras.models import GlimmerPreprocessor
from glimmer_keras.models.fingerprint import tokenizer_fingerprint
from glimmer_keras.retrieval import Retriever

logger = logging.getLogger("glimmer_keras")


def token_spec(preprocessor: GlimmerPreprocessor) -> TokenSpec:
    """The preprocessor's tokenizer as the data need it."""
    tokenizer = preprocessor.tokenizer
    return TokenSpec(
        tokenize=tokenizer,
        fingerprint=tokenizer_fingerprint(tokenizer),
        vocabulary_size=tokenizer.vocabulary_size(),
        pad_id=tokenizer.pad_token_id,
        end_id=tokenizer.end_token_id,
        start_id=tokenizer.pad_token_id,
    )


def retrieve(tasks: Sequence[Task], retriever: Retriever, num_passages: int) -> list[Task]:
    """The tasks with the rows of the `num_passages` best passages set, best first.

    They are in memory only; `write_retrieved` keeps them on disk.
    """
    found = []
    for task in tasks:
        start = time.perf_counter()
        rows, _ = retriever.search([example.question for example in task], num_passages)
        logger.info(
            "Retrieved %d passages for %d questions of %s in %.1f s",
            num_passages,
            len(task),
            task.name,
            time.perf_counter() - start,
        )
        found.append(task.with_retrieved(rows))
    return found


def tokenize(
    tasks: Sequence[Task],
    corpus: Corpus,
    preprocessor: GlimmerPreprocessor,
    cache_dir: str | Path | None = None,
) -> tuple[list[TokenizedTask], TokenizedCorpus]:
    """Tasks and corpus as token ids of the preprocessor's lengths, ready for `data.mixture`.

    Args:
        tasks: Tasks, with their retrieved rows set where they are to be batched.
        corpus: The passages.
        preprocessor: Its tokenizer and lengths are used.
        cache_dir: Where token ids are kept on disk and found again; `None` for memory only.
    """
    spec = token_spec(preprocessor)
    passages = tokenize_corpus(corpus, spec, preprocessor.passage_length, cache_dir)
    lengths = preprocessor.question_length, preprocessor.answer_length
    return [tokenize_task(task, spec, *lengths, cache_dir) for task in tasks], passages
