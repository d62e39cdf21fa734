"""Retrieved passages and token ids for training, kept on disk. Shared by recipes."""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from glimmer_keras import GlimmerPreprocessor
from glimmer_keras.data import Corpus, Task, TokenizedCorpus, TokenizedTask
from glimmer_keras.pipelines import retrieve, tokenize
from glimmer_keras.retrieval import BM25Retriever


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
    try:
        retriever = BM25Retriever.load(folder / "index", fingerprint=corpus.fingerprint)
    except FileNotFoundError:
        retriever = BM25Retriever.build(
            corpus, fingerprint=corpus.fingerprint, show_progress=sys.stderr.isatty()
        )
        retriever.save(folder / "index")
    found = []
    jobs = [("train", task) for task in train] + [("dev", task) for task in test]
    for split, task in track(jobs, "Retrieving", transient=True):
        name = f"{split}-{task.name}-{task.fingerprint[:16]}-{num_passages}.npy"
        rows = folder / "retrieved" / name
        if not rows.is_file():
            (task,) = retrieve([task], retriever, num_passages)
            buffer = io.BytesIO()
            np.save(buffer, np.asarray(task.retrieved))
            write(rows, buffer.getvalue())
        found.append(task.with_retrieved(np.load(rows, allow_pickle=False)))
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
