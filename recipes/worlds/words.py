"""The words that an invented world is made of, from fictional_world.toml."""

import random
import tomllib
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("fictional_world.toml").read_text(encoding="utf-8")
)
FIRST_NAMES, LAST_NAMES, PLACES = (
    WORDS[name].split() for name in ("first_names", "last_names", "places")
)
ADJECTIVES, NOUNS = WORDS["adjectives"].split(), WORDS["nouns"].split()
VALUES = {"year": [str(year) for year in range(1801, 1881, 2)]} | {
    kind: words.split() for kind, words in WORDS["values"].items()
}


def fill_in(rng: random.Random, templates: list[str], subject: str, value: str) -> str:
    """One of several ways to say something."""
    return rng.choice(templates).format(s=subject, v=value)


def choose_other(rng: random.Random, values: list[str], *excluded: str) -> str:
    """One of the values that are not excluded."""
    return rng.choice([value for value in values if value not in excluded])
