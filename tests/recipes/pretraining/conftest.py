import re

import pytest

from glimmer_keras.data import Passage
from recipes.pretraining.examples import SYMBOLS, Examples
from recipes.pretraining.text import Text, prepare
from recipes.pretraining.tokenizer import train_tokenizer

TEXTS = (
    "The tower of Torvik was built by Mirelda Voss in 1863. It has 12 bells and a clock.",
    "In the year 1863 Dunvale had 30 houses. Mirelda Voss saw the river Isk rise there.",
    "In the harbour of Almere a ship of Fenna Hollin burned. About 200 people saw the fire.",
)
TITLES = ("Torvik", "Torvik", "Almere")


def some_passages():
    pairs = zip(TITLES, TEXTS, strict=True)
    return [Passage(f"p{n}", title, text) for n, (title, text) in enumerate(pairs)]


@pytest.fixture(scope="session")
def model():
    """A SentencePiece model that has the words of the passages as pieces."""
    words = re.findall(r"\w+|[.:]", " ".join(passage.content for passage in some_passages()))
    options = {"normalization_rule_name": "nmt_nfkc_cf", "byte_fallback": True}
    return train_tokenizer(words * 9, 420, symbols=SYMBOLS, **options).proto


@pytest.fixture(scope="session")
def text(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "text"
    prepare(folder, some_passages(), model, {"files": ["some"]})
    return Text(folder)


@pytest.fixture(scope="session")
def examples(text, model):
    return Examples(text, model)
