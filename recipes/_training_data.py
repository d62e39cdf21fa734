"""Retrieved passages and token ids for training, kept on disk. Shared by recipes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glimmer_keras import GlimmerPreprocessor
from glimmer_keras.data import Corpus, Task, TokenizedCorpus, TokenizedTask
from glimmer_keras.pipelines import bm25_index, tokenize, write_retrieved


@dataclass(frozen=True)
class TrainingData:
    """Tasks to train on and to score, with their retrieved rows, as texts and as token ids."""

    corpus: Corpus
    passages: TokenizedCorpus
    train: list[Task]
    train_tokens: list[TokenizedTask]
    test: list[Task]
    test_tokens: list[TokenizedTask]


def prepare(
    folder: Path,
    corpus: Corpus,
    train: Sequence[Task],
    test: Sequence[Task],
    num_passages: int,
    preprocessor: GlimmerPreprocessor,
) -> TrainingData:
    """Retrieves and tokenises; what is in `folder` already is read."""
    retriever, found = bm25_index(corpus, folder / "index"), []
    for split, task in [("train", task) for task in train] + [("dev", task) for task in test]:
        path = folder / "retrieved" / f"{split}-{task.name}-{task.fingerprint[:16]}-{num_passages}"
        found.append(
            write_retrieved(retriever, task, corpus, path, num_passages, retriever.settings)
        )
    tokens, passages = tokenize(found, corpus, preprocessor, folder / "tokens")
    split_at = len(train)
    return TrainingData(
        corpus, passages, found[:split_at], tokens[:split_at], found[split_at:], tokens[split_at:]
    )


def write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
