from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glimmer_keras.data import Corpus, Task, TokenizedCorpus, TokenizedTask
from glimmer_keras.models import GlimmerPreprocessor
from glimmer_keras.pipelines.bm25_index import bm25_index
from glimmer_keras.pipelines.prepare import tokenize
from glimmer_keras.pipelines.relevance_filter import relevance_filter
from glimmer_keras.pipelines.write_retrieved import write_retrieved


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
        kept: For each task to train on what `relevance_filter` counted, if it was asked.
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
    folder, retriever, found, kept = Path(folder), None, [], {}
    for split, task in [("train", task) for task in train] + [("dev", task) for task in dev]:
        if task.retrieved is None:
            retriever = retriever or bm25_index(corpus, folder / "index")
            name = f"{split}-{task.name}-{task.fingerprint[:16]}-{num_passages}"
            path = folder / "retrieved" / name
            task = write_retrieved(retriever, task, corpus, path, num_passages)
        if filter_train and split == "train":
            task, kept[task.name] = relevance_filter(task, corpus)
        found.append(task)
    tokens, passages = tokenize(found, corpus, preprocessor, folder / "tokens")
    first = len(train)
    train_parts, dev_parts = (found[:first], tokens[:first]), (found[first:], tokens[first:])
    return TrainingData(corpus, passages, *train_parts, *dev_parts, kept)
