"""Facts of an invented world, and the passages that tell them."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recipes.worlds.words import WORDS, fill_in

# How many facts of an entity stand in each passage on it; its others stand elsewhere.
OWN_FACTS = {"person": (3, 3, 3), "place": (3, 3, 2), "work": (3, 3, 2)}
LEAST_WORDS = 30


@dataclass
class Fact:
    """`relation`: its table in fictional_world.toml; `passage`: its number, -1 while untold."""

    subject: str
    relation: dict[str, Any]
    value: str
    passage: int = -1


@dataclass
class Passage:
    """`aside`: a sentence on another entity."""

    title: str
    sentences: list[str]
    aside: str = ""


def tell(rng: random.Random, kind: str, facts: list[Fact], first: int) -> Iterator[Passage]:
    """Passages on one entity, `first` the number of the first; some facts stay untold."""
    untold = iter(facts)
    for number, size in enumerate(OWN_FACTS[kind], first):
        sentences = []
        for position, fact in enumerate(itertools.islice(untold, size)):
            fact.passage = number
            again = position == 1 and kind != "work" and rng.random() < 0.5
            name = fact.subject if position == 0 or again else _short(kind, fact.subject)
            sentences.append(fill_in(rng, fact.relation["passages"], name, fact.value))
        yield Passage(facts[0].subject, sentences)


def tell_elsewhere(rng: random.Random, fact: Fact, passages: list[Passage]) -> None:
    """In a passage on another entity, one a passage."""
    while fact.passage == -1:
        number = rng.randrange(len(passages))
        if not passages[number].aside and passages[number].title != fact.subject:
            fact.passage = number
    sentence = _capital(fill_in(rng, fact.relation["passages"], fact.subject, fact.value))
    opening = fill_in(rng, WORDS["asides"], fact.subject, "")
    passages[fact.passage].aside = f"{opening} {sentence}"


def text_of(rng: random.Random, passage: Passage) -> str:
    """Sentences, an aside before or behind them, and words that tell nothing, until it is long."""
    sentences = [*passage.sentences]
    if passage.aside:
        sentences.insert(rng.choice([0, len(sentences)]), passage.aside)
    least = LEAST_WORDS + rng.randrange(12)
    openers = rng.sample(WORDS["openers"], len(sentences))
    for number in rng.sample(range(len(sentences)), len(sentences)):
        if _count_words(sentences) < least:
            sentences[number] = f"{openers[number]} {sentences[number]}"
    for filler in rng.sample(WORDS["fillers"], len(WORDS["fillers"])):
        if _count_words(sentences) < LEAST_WORDS:
            sentences.append(filler)
    return " ".join(map(_capital, sentences))


def _short(kind: str, subject: str) -> str:
    return {"person": subject.split()[-1], "place": "the town", "work": "the book"}[kind]


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _count_words(sentences: list[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)
