"""Questions, slots, claims and comparisons on the facts of an invented world, as rows of KILT."""

import itertools
import random
from typing import Any

from recipes.worlds.passages import Fact, Passage
from recipes.worlds.words import WORDS, choose_other, fill_in

# Share of false claims that take another value of the same entity, where it has one of the type.
HARD_FALSE_SHARE = 0.5

Row = dict[str, Any]  # of a KILT file


def ask(
    rng: random.Random,
    split: str,
    entities: list[list[Fact]],
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
                ("qa", fill_in(rng, relation["questions"], subject, ""), fact.value),
                ("slots", f"{subject} [SEP] {relation['name']}", fact.value),
                (
                    "verify",
                    fill_in(rng, relation["claims"], subject, claimed),
                    "SUPPORTS" if true else "REFUTES",
                ),
            ):
                rows = tasks[task]
                rows.append(_row(task, split, len(rows), text, answer, [ids[fact.passage]]))
    return tasks


def compare(
    rng: random.Random,
    split: str,
    entities: list[list[Fact]],
    ids: dict[int, str],
    passages: list[Passage],
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


def _false_value(
    rng: random.Random, fact: Fact, facts: list[Fact], values: dict[str, list[str]]
) -> str:
    kind = fact.relation["kind"]
    near = [f.value for f in facts if f.relation["kind"] == kind and f.value != fact.value]
    if near and rng.random() < HARD_FALSE_SHARE:
        return rng.choice(near)
    return choose_other(rng, values[kind], fact.value, fact.subject)
