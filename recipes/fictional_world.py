"""python recipes/fictional_world.py DIR --seed 0

Writes a small invented world: 3,260 passages on people, places and books, and three tasks over
them (qa, slots, verify) in the shape of KILT. Nothing in it is true: answers must be read.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _world_words import (
    ADJECTIVES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    PERSON_RELATIONS,
    PLACE_RELATIONS,
    PLACES,
    VALUES,
    WORK_RELATIONS,
    Relation,
)

SIZES = {PERSON_RELATIONS: (3, 3, 2, 2), PLACE_RELATIONS: (3, 3, 2), WORK_RELATIONS: (3, 3, 2)}
SHARES = {"train": 0.82, "dev": 0.08, "test": 0.10}
# Share of false claims that take another value of the same entity, where it has one of the type.
HARD_FALSE_SHARE = 0.5


@dataclass(frozen=True)
class World:
    """`tasks`: task to split to rows; `facts`: passage id to its (relation, value) pairs."""

    passages: list[dict[str, str]]
    tasks: dict[str, dict[str, list[dict[str, Any]]]]
    facts: dict[str, list[tuple[str, str]]]


@dataclass(frozen=True)
class _Fact:
    subject: str
    relation: Relation
    value: str
    passage: int


def make_world(seed: int = 0, people: int = 500, places: int = 120, works: int = 300) -> World:
    """Makes the world of `seed`: one corpus, and an entity's questions all in one split."""
    rng = random.Random(seed)
    names = {
        "person": _names(
            rng, "people", people, [f"{a} {b}" for a in FIRST_NAMES for b in LAST_NAMES]
        ),
        "place": _names(rng, "places", places, PLACES),
        "work": _names(rng, "works", works, [f"The {a} {b}" for a in ADJECTIVES for b in NOUNS]),
    }
    values = VALUES | {"person": names["person"], "place": names["place"]}
    entities: list[list[_Fact]] = []
    splits: list[str] = []
    texts: list[tuple[str, str]] = []
    for kind, relations in (
        ("person", PERSON_RELATIONS),
        ("place", PLACE_RELATIONS),
        ("work", WORK_RELATIONS),
    ):
        for position, subject in enumerate(names[kind]):
            splits.append(_split(position / len(names[kind])))
            entities.append([])
            order = iter(rng.sample(relations, len(relations)))
            for size in SIZES[relations]:
                sentences = []
                for nth, relation in enumerate(next(order) for _ in range(size)):
                    value = rng.choice([v for v in values[relation.kind] if v != subject])
                    entities[-1].append(_Fact(subject, relation, value, len(texts)))
                    again = nth == 1 and kind != "work" and rng.random() < 0.5
                    called = subject if nth == 0 or again else _short(kind, subject)
                    sentence = _word(rng, relation.passages, called, value)
                    sentences.append(sentence[0].upper() + sentence[1:])
                texts.append((subject, " ".join(sentences)))
    return _assemble(rng, entities, splits, texts, values)


def write_world(world: World, directory: str | Path) -> None:
    """Writes corpus.jsonl and one <task>-<split>.jsonl for each task and split."""
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


def _assemble(
    rng: random.Random,
    entities: list[list[_Fact]],
    splits: list[str],
    texts: list[tuple[str, str]],
    values: dict[str, list[str]],
) -> World:
    order = rng.sample(range(len(texts)), len(texts))
    ids = {old: f"world-{new:05d}" for new, old in enumerate(order)}
    passages = [{"id": ids[i], "title": texts[i][0], "text": texts[i][1]} for i in order]
    facts: dict[str, list[tuple[str, str]]] = {passage["id"]: [] for passage in passages}
    tasks: dict[str, dict[str, list[dict[str, Any]]]] = {
        task: {split: [] for split in SHARES} for task in ("qa", "slots", "verify")
    }
    labels = {split: _balanced(rng) for split in SHARES}
    for split, known in zip(splits, entities, strict=True):
        for fact in known:
            relation, subject, value = fact.relation, fact.subject, fact.value
            passage_id = ids[fact.passage]
            facts[passage_id].append((relation.name, value))
            true = next(labels[split])
            claimed = value if true else _false_value(rng, fact, known, values[relation.kind])
            for task, text, answer in (
                ("qa", _word(rng, relation.questions, subject, ""), value),
                ("slots", f"{subject} [SEP] {relation.name}", value),
                (
                    "verify",
                    _word(rng, relation.claims, subject, claimed),
                    "SUPPORTS" if true else "REFUTES",
                ),
            ):
                rows = tasks[task][split]
                output = [{"answer": answer, "provenance": [{"passage_id": passage_id}]}]
                row_id = f"{task}-{split}-{len(rows):05d}"
                rows.append({"id": row_id, "task": task, "input": text, "output": output})
    for by_split in tasks.values():
        for rows in by_split.values():
            rng.shuffle(rows)
    return World(passages, tasks, facts)


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


def _word(rng: random.Random, alternatives: str, subject: str, value: str) -> str:
    return rng.choice(alternatives.split("|")).format(s=subject, v=value)


def _short(kind: str, subject: str) -> str:
    return {"person": subject.split()[-1], "place": "the town", "work": "the book"}[kind]


def _balanced(rng: random.Random) -> Iterator[bool]:
    while True:
        yield from rng.sample([True, False], 2)


def _false_value(rng: random.Random, fact: _Fact, known: list[_Fact], pool: list[str]) -> str:
    near = [
        f.value for f in known if f.relation.kind == fact.relation.kind and f.value != fact.value
    ]
    if near and rng.random() < HARD_FALSE_SHARE:
        return rng.choice(near)
    return rng.choice([value for value in pool if value not in (fact.value, fact.subject)])


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    world = make_world(arguments.seed)
    write_world(world, arguments.directory)
    counts = {
        task: {split: len(rows) for split, rows in splits.items()}
        for task, splits in world.tasks.items()
    }
    print(f"{len(world.passages)} passages in {arguments.directory}; rows: {counts}")


if __name__ == "__main__":
    main()
