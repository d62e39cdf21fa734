"""python -m recipes.worlds.fictional_world DIR --seed 0

Writes a small invented world in the shape of KILT: 6,660 passages of 30 to 50 words on people,
places and books, and four tasks over them: questions (qa), slots, claims to verify, and the years
of two subjects, the earlier first, which two passages tell (compare). Nothing in it is true:
answers must be read. What is asked about in training, dev and test are different entities. A fact
stands in one passage, with other facts on the same entity, and often one on another. BM25 finds
nearly every passage asked for among sixteen, as it goes by names, and about half of them among
two.
"""

import itertools
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.command import Help, OneLineParser, exit_code
from recipes.worlds.passages import Fact, Passage, tell, tell_elsewhere, text_of
from recipes.worlds.questions import Row, ask, compare
from recipes.worlds.words import (
    ADJECTIVES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    PLACES,
    VALUES,
    WORDS,
    choose_other,
)

TASKS = ("qa", "slots", "verify", "compare")
SHARES = {"train": 0.82, "dev": 0.08, "test": 0.10}


@dataclass(frozen=True)
class World:
    """`tasks`: task to split to rows; `facts`: passage id to (subject, relation, value)."""

    passages: list[dict[str, str]]
    tasks: dict[str, dict[str, list[Row]]]
    facts: dict[str, list[tuple[str, str, str]]]


def make_world(seed: int = 0, people: int = 1500, places: int = 120, works: int = 600) -> World:
    """Make the world of `seed`: one corpus, and an entity's questions all in one split."""
    rng = random.Random(seed)
    names = {
        "person": _names(
            rng, "people", people, [f"{a} {b}" for a in FIRST_NAMES for b in LAST_NAMES]
        ),
        "place": _names(rng, "places", places, PLACES),
        "work": _names(rng, "works", works, [f"The {a} {b}" for a in ADJECTIVES for b in NOUNS]),
    }
    values = VALUES | {"person": names["person"], "place": names["place"]}
    entities: dict[str, list[list[Fact]]] = {split: [] for split in SHARES}
    passages: list[Passage] = []
    for kind in names:
        for position, subject in enumerate(names[kind]):
            relations = WORDS["relations"][kind]
            facts = [
                Fact(subject, relation, choose_other(rng, values[relation["kind"]], subject))
                for relation in rng.sample(relations, len(relations))
            ]
            passages += tell(rng, kind, facts, len(passages))
            entities[_split(position / len(names[kind]))].append(facts)
    for fact in itertools.chain(*itertools.chain(*entities.values())):
        if fact.passage == -1:
            tell_elsewhere(rng, fact, passages)
    order = rng.sample(range(len(passages)), len(passages))
    ids = {old: f"world-{new:05d}" for new, old in enumerate(order)}
    tasks: dict[str, dict[str, list[Row]]] = {task: {} for task in TASKS}
    for split, known in entities.items():
        for task, rows in ask(rng, split, known, ids, values).items():
            tasks[task][split] = rng.sample(rows, len(rows))
        rows = compare(rng, split, known, ids, passages)
        tasks["compare"][split] = rng.sample(rows, len(rows))
    texts = [
        {"id": ids[old], "title": passages[old].title, "text": text_of(rng, passages[old])}
        for old in order
    ]
    by_passage: dict[str, list[tuple[str, str, str]]] = {text["id"]: [] for text in texts}
    for fact in itertools.chain(*itertools.chain(*entities.values())):
        by_passage[ids[fact.passage]].append((fact.subject, fact.relation["name"], fact.value))
    return World(texts, tasks, by_passage)


def write_world(world: World, directory: str | Path) -> None:
    """Write corpus.jsonl and one <task>-<split>.jsonl for each task and split."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    _write_rows(directory / "corpus.jsonl", world.passages)
    for task, splits in world.tasks.items():
        for split, rows in splits.items():
            _write_rows(directory / f"{task}-{split}.jsonl", rows)


def training_text(world: World) -> list[str]:
    """Lines to train a tokenizer on: passages, training rows, and each word on a line of its own.

    SentencePiece proposes a word as a piece only if different things follow it; a first name has
    nothing but a space behind it, so without the last lines it would be cut to bits.
    """
    lines = [f"{passage['title']} {passage['text']}" for passage in world.passages]
    for splits in world.tasks.values():
        lines += [f"{row['output'][0]['answer']} {row['input']}" for row in splits["train"]]
    words = {word for line in lines for word in re.findall(r"\w+", line)}
    return lines + sorted(words)


def _names(rng: random.Random, argument: str, count: int, pool: list[str]) -> list[str]:
    if not 10 <= count <= len(pool):
        raise ValueError(
            f"`{argument}` must be between 10 and {len(pool)}. Received: {argument}={count}"
        )
    return rng.sample(pool, count)


def _split(fraction: float) -> str:
    if fraction < SHARES["test"]:
        return "test"
    return "dev" if fraction < SHARES["test"] + SHARES["dev"] else "train"


def _write_rows(path: Path, rows: list[Any]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("directory", type=Path, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    args = parser.parse_args(argv)
    world = make_world(args.seed)
    write_world(world, args.directory)
    counts = {
        task: {split: len(rows) for split, rows in splits.items()}
        for task, splits in world.tasks.items()
    }
    print(f"{len(world.passages)} passages in {args.directory}; rows: {counts}")


if __name__ == "__main__":
    sys.exit(main())
