"""The invented world as passages and tasks."""

import tempfile

from glimmer_keras.data import Corpus, Task, read_corpus, read_task
from recipes.worlds.fictional_world import TASKS, make_world, write_world


def world_tasks(**world: int) -> tuple[Corpus, list[Task], list[Task]]:
    """Read passages, training and test tasks of `make_world`, through files as any other data."""
    with tempfile.TemporaryDirectory() as folder:
        write_world(make_world(**world), folder)
        train, test = (
            [read_task(f"{folder}/{name}-{split}.jsonl", name) for name in TASKS]
            for split in ("train", "test")
        )
        return read_corpus(f"{folder}/corpus.jsonl"), train, test
