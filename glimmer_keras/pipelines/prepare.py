from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
from glimmer_keras.pipelines.relevance_filter import relevance_filter
from glimmer_keras.pipelines.retrieve import bm25_index, write_retrieved


@dataclass(frozen=True)
class TrainingData:
    """Tasks to train on and to score, with their retrieved rows, as texts and as token ids.

    Args:
        corpus: The passages.
        passages: The same as token ids.
        train: Tasks to train on.
        train_tokens: The same as token ids, in the same order.
        dev: Tasks to score.
        dev_tokens: The same as token ids, in the same order.
        kept: For each task to train on the counts of `relevance_filter`, where it was asked.
    """

    corpus: Corpus
    passages: TokenizedCorpus
    train: list[Task]
    train_tokens: list[TokenizedTask]
    dev: list[Task]
    dev_tokens: list[TokenizedTask]
    kept: dict[str, dict[str, int]] = field(default_factory=dict)


def training_data(
    folder: str | Path,
    corpus: Corpus,
    train: Sequence[Task],
    dev: Sequence[Task],
    num_passages: int,
    preprocessor: GlimmerPreprocessor,
    filter_train: bool = False,
) -> TrainingData:
    """Retrieve and tokenise for a training run; what is in `folder` already is read.

    Args:
        folder: Where the index, the retrieved rows and the token ids are kept.
        corpus: The passages.
        train: Tasks to train on. Tasks with their retrieved rows set keep them.
        dev: Tasks to score, alike.
        num_passages: Passages that BM25 retrieves for each question.
        preprocessor: Its tokenizer and lengths are used.
        filter_train: Whether only examples that `relevance_filter` keeps are trained on.
    """
    folder, retriever = Path(folder), None
    tasks: list[Task] = []
    counts: dict[str, dict[str, int]] = {}
    for split, task in [("train", task) for task in train] + [("dev", task) for task in dev]:
        if task.retrieved is None:
            retriever = retriever or bm25_index(corpus, folder / "index")
            name = f"{split}-{task.name}-{task.fingerprint[:16]}-{num_passages}"
            path = folder / "retrieved" / name
            task = write_retrieved(retriever, task, corpus, path, num_passages)
        if filter_train and split == "train":
            task, counts[task.name] = relevance_filter(task, corpus)
        tasks.append(task)
    tokens, passages = tokenize(tasks, corpus, preprocessor, folder / "tokens")
    first_dev = len(train)
    return TrainingData(
        corpus,
        passages,
        train=tasks[:first_dev],
        train_tokens=tokens[:first_dev],
        dev=tasks[first_dev:],
        dev_tokens=tokens[first_dev:],
        kept=counts,
    )


def tokenize(
    tasks: Sequence[Task],
    corpus: Corpus,
    preprocessor: GlimmerPreprocessor,
    cache_dir: str | Path | None = None,
) -> tuple[list[TokenizedTask], TokenizedCorpus]:
    """Tokenise tasks and corpus to the preprocessor's lengths, ready for `data.mixture`.

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


def token_spec(preprocessor: GlimmerPreprocessor) -> TokenSpec:
    """Describe the preprocessor's tokenizer as the data need it."""
    tokenizer = preprocessor.tokenizer
    return TokenSpec(
        tokenize=tokenizer,
        fingerprint=tokenizer_fingerprint(tokenizer),
        vocabulary_size=tokenizer.vocabulary_size(),
        pad_id=tokenizer.pad_token_id,
        end_id=tokenizer.end_token_id,
        start_id=preprocessor.start_token_id,
    )
