"""python recipes/fictional_world.py DIR --seed 0

Writes a small invented world in the shape of KILT: 6,660 passages of 30 to 50 words on people,
places and books, and four tasks over them: questions (qa), slots, claims to verify, and the years
of two subjects, the earlier first, which two passages tell (compare). Nothing in it is true:
answers must be read. What is asked about in training, dev and test are different entities. A fact
stands in one passage, with other facts on the same entity, and often one on another. BM25 finds
nearly every passage asked for among sixteen, as it goes by names, and about half of them among
two.
"""

import argparse
import itertools
import json
import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
FIRST_NAMES, LAST_NAMES, PLACES = (
    WORDS[name].split() for name in ("first_names", "last_names", "places")
)
ADJECTIVES, NOUNS = WORDS["adjectives"].split(), WORDS["nouns"].split()
VALUES = {"year": [str(year) for year in range(1801, 1881, 2)]} | {
    kind: words.split() for kind, words in WORDS["values"].items()
}
# How many facts of an entity stand in each passage on it; its others stand elsewhere.
OWN_FACTS = {"person": (3, 3, 3), "place": (3, 3, 2), "work": (3, 3, 2)}
LEAST_WORDS = 30
TASKS = ("qa", "slots", "verify", "compare")
SHARES = {"train": 0.82, "dev": 0.08, "test": 0.10}
# Share of false claims that take another value of the same entity, where it has one of the type.
HARD_FALSE_SHARE = 0.5

Row = dict[str, Any]  # of a KILT file


@dataclass(frozen=True)
class World:
    """`tasks`: task to split to rows; `facts`: passage id to (subject, relation, value)."""

    passages: list[dict[str, str]]
    tasks: dict[str, dict[str, list[Row]]]
    facts: dict[str, list[tuple[str, str, str]]]


@dataclass
class _Fact:
    subject: str
    relation: dict[str, Any]
    value: str
    passage: int = -1


@dataclass
class _Passage:
    title: str
    sentences: list[str]
    aside: str = ""


def make_world(seed: int = 0, people: int = 1500, places: int = 120, works: int = 600) -> World:
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
    entities: dict[str, list[list[_Fact]]] = {split: [] for split in SHARES}
    passages: list[_Passage] = []
    for kind in names:
        for position, subject in enumerate(names[kind]):
            relations = WORDS["relations"][kind]
            facts = [
                _Fact(subject, relation, _other(rng, values[relation["kind"]], subject))
                for relation in rng.sample(relations, len(relations))
            ]
            passages += _tell(rng, kind, facts, len(passages))
            entities[_split(position / len(names[kind]))].append(facts)
    for fact in itertools.chain(*itertools.chain(*entities.values())):
        if fact.passage == -1:
            _tell_elsewhere(rng, fact, passages)
    order = rng.sample(range(len(passages)), len(passages))
    ids = {old: f"world-{new:05d}" for new, old in enumerate(order)}
    tasks: dict[str, dict[str, list[Row]]] = {task: {} for task in TASKS}
    for split, known in entities.items():
        for task, rows in _questions(rng, split, known, ids, values).items():
            tasks[task][split] = rng.sample(rows, len(rows))
        rows = _comparisons(rng, split, known, ids, passages)
        tasks["compare"][split] = rng.sample(rows, len(rows))
    texts = [
        {"id": ids[old], "title": passages[old].title, "text": _text(rng, passages[old])}
        for old in order
    ]
    by_passage: dict[str, list[tuple[str, str, str]]] = {text["id"]: [] for text in texts}
    for fact in itertools.chain(*itertools.chain(*entities.values())):
        by_passage[ids[fact.passage]].append((fact.subject, fact.relation["name"], fact.value))
    return World(texts, tasks, by_passage)


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


def _tell(rng: random.Random, kind: str, facts: list[_Fact], first: int) -> Iterator[_Passage]:
    """Passages on one entity, `first` the number of the first; some facts stay untold."""
    untold = iter(facts)
    for number, size in enumerate(OWN_FACTS[kind], first):
        sentences = []
        for nth, fact in enumerate(itertools.islice(untold, size)):
            fact.passage = number
            again = nth == 1 and kind != "work" and rng.random() < 0.5
            called = fact.subject if nth == 0 or again else _short(kind, fact.subject)
            sentences.append(_word(rng, fact.relation["passages"], called, fact.value))
        yield _Passage(facts[0].subject, sentences)


def _tell_elsewhere(rng: random.Random, fact: _Fact, passages: list[_Passage]) -> None:
    """In a passage on another entity, one a passage."""
    while fact.passage == -1:
        number = rng.randrange(len(passages))
        if not passages[number].aside and passages[number].title != fact.subject:
            fact.passage = number
    told = _capital(_word(rng, fact.relation["passages"], fact.subject, fact.value))
    passages[fact.passage].aside = f"{_word(rng, WORDS['asides'], fact.subject, '')} {told}"


def _text(rng: random.Random, passage: _Passage) -> str:
    """Sentences, an aside before or behind them, and words that tell nothing, until it is long."""
    sentences = [*passage.sentences]
    if passage.aside:
        sentences.insert(rng.choice([0, len(sentences)]), passage.aside)
    least = LEAST_WORDS + rng.randrange(12)
    openers = rng.sample(WORDS["openers"], len(sentences))
    for number in rng.sample(range(len(sentences)), len(sentences)):
        if _words(sentences) < least:
            sentences[number] = f"{openers[number]} {sentences[number]}"
    for filler in rng.sample(WORDS["fillers"], len(WORDS["fillers"])):
        if _words(sentences) < LEAST_WORDS:
            sentences.append(filler)
    return " ".join(map(_capital, sentences))


def _questions(
    rng: random.Random,
    split: str,
    entities: list[list[_Fact]],
    ids: dict[int, str],
    values: dict[str, list[str]],
) -> dict[str, list[Row]]:
    """A question, a slot and a claim on each fact."""
    tasks: dict[str, list[Row]] = {"qa": [], "slots": [], "verify": []}
    labels = itertools.chain.from_iterable(rng.sample([True, False], 2) for _ in itertools.count())
    for facts in entities:
        for fact in facts:
            relation, subject, true = fact.relation, fact.subject, next(labels)
            claimed = fact.value if true else _false_value(rng, fact, facts, values)
            for task, text, answer in (
                ("qa", _word(rng, relation["questions"], subject, ""), fact.value),
                ("slots", f"{subject} [SEP] {relation['name']}", fact.value),
                (
                    "verify",
                    _word(rng, relation["claims"], subject, claimed),
                    "SUPPORTS" if true else "REFUTES",
                ),
            ):
                rows = tasks[task]
                rows.append(_row(task, split, len(rows), text, answer, [ids[fact.passage]]))
    return tasks


def _comparisons(
    rng: random.Random,
    split: str,
    entities: list[list[_Fact]],
    ids: dict[int, str],
    passages: list[_Passage],
) -> list[Row]:
    """Two entities' years, the earlier first; each year on its own entity's passage once."""
    rows: list[Row] = []
    for relation, questions in WORDS["comparisons"].items():
        facts = [
            fact
            for fact in itertools.chain(*entities)
            if fact.relation["name"] == relation and passages[fact.passage].title == fact.subject
        ]
        for fact in facts:
            others = [other for other in facts if other.value != fact.value]
            if not others:
                continue
            pair = rng.sample([fact, rng.choice(others)], 2)
            text = rng.choice(questions).format(a=pair[0].subject, b=pair[1].subject)
            years = " and ".join(sorted(fact.value for fact in pair))
            evidence = [ids[fact.passage] for fact in pair]
            rows.append(_row("compare", split, len(rows), text, years, evidence))
    return rows


def _row(task: str, split: str, number: int, text: str, answer: str, evidence: list[str]) -> Row:
    provenance = [{"passage_id": identifier} for identifier in evidence]
    output = [{"answer": answer, "provenance": provenance}]
    return {"id": f"{task}-{split}-{number:05d}", "task": task, "input": text, "output": output}


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


def _word(rng: random.Random, alternatives: list[str], subject: str, value: str) -> str:
    return rng.choice(alternatives).format(s=subject, v=value)


def _short(kind: str, subject: str) -> str:
    return {"person": subject.split()[-1], "place": "the town", "work": "the book"}[kind]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _words(sentences: list[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _other(rng: random.Random, values: list[str], *not_these: str) -> str:
    return rng.choice([value for value in values if value not in not_these])


def _false_value(
    rng: random.Random, fact: _Fact, facts: list[_Fact], values: dict[str, list[str]]
) -> str:
    kind = fact.relation["kind"]
    near = [f.value for f in facts if f.relation["kind"] == kind and f.value != fact.value]
    if near and rng.random() < HARD_FALSE_SHARE:
        return rng.choice(near)
    return _other(rng, values[kind], fact.value, fact.subject)


def _write_rows(path: Path, rows: list[Any]) -> None:
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
