"""Questions made of sentences: clozes, slots, claims and recitals of what a passage says."""

import random
import re
from collections.abc import Iterator

from glimmer_keras.data import Passage

BLANK = "_"
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# Names of one word or more, and numbers.
SPAN = re.compile(r"\b(?:[A-Z][\w'’-]+(?: (?:(?:of|the|de|von) )?[A-Z][\w'’-]+)*|\d[\d.,]*\d|\d)\b")
YEAR = re.compile(r"1\d{3}|20\d\d")
KEPT_WORDS = 0.7
WORDS_AROUND = 10
RECITED_FROM, RECITED = 4, 20  # words


def spans(passage: Passage) -> Iterator[tuple[str, re.Match[str]]]:
    """Sentences and what in them may be asked for; a lone first word is capital in any case."""
    for sentence in SENTENCE.split(passage.text):
        for span in SPAN.finditer(sentence):
            if span.start() > 0 or " " in span.group():
                yield sentence, span


def made_of(
    rng: random.Random, passage: Passage, sentence: str, span: re.Match[str], others: list[str]
) -> Iterator[tuple[str, str, str]]:
    """A task's name, a question and its answer, four times at most."""
    answer = span.group()
    before = sentence[: span.start()].split()[-WORDS_AROUND:]
    after = sentence[span.end() :].split()[:WORDS_AROUND]
    yield "cloze", thinned(rng, before, BLANK, after), answer
    if passage.title and answer not in passage.title:
        yield "slots", f"{passage.title} [SEP] {thinned(rng, before[-3:], '', after[:3])}", answer
    near = [span.group() for _, span in spans(passage)]
    pool = [other for other in alike(near, answer) if other not in sentence]
    if not pool:
        pool = [
            other for other in alike(rng.choices(others, k=50), answer) if other not in sentence
        ]
    true = not pool or rng.random() < 0.5
    claimed = answer if true else rng.choice(pool)
    label = "SUPPORTS" if true else "REFUTES"
    yield "claims", thinned(rng, before, claimed, after), label
    yield "questions", asked(random.Random(sentence + answer), before, answer, after), answer


def asked(rng: random.Random, before: list[str], answer: str, after: list[str]) -> str:
    """A question for `answer` in broken English, a third of them as one types them in a hurry."""
    if YEAR.fullmatch(answer):
        words = ["when", "in what year", "what year"]
    elif answer[0].isdigit():
        words = ["how many", "how much", "what", "when"]
    elif before and before[-1] in ("in", "at", "near", "from"):
        words = ["where", "what", "which"]
    else:
        words = ["who", "what", "which", "what is the name of"]
    first = rng.choice(words)
    parts = [thinned(rng, before, "", []), thinned(rng, [], "", after)]
    if rng.random() < 0.5:
        parts.reverse()
    question = " ".join(filter(None, [first, *parts])).rstrip(".,;")
    if rng.random() < 1 / 3:
        return question.lower()
    return f"{question[0].upper()}{question[1:]}?"


def alike(found: list[str], answer: str) -> list[str]:
    """Those that are numbers, or names, as the answer is."""
    return [other for other in found if other[0].isdigit() == answer[0].isdigit()]


def thinned(rng: random.Random, before: list[str], middle: str, after: list[str]) -> str:
    left, right = (
        [word for word in words if rng.random() < KEPT_WORDS] for words in (before, after)
    )
    return " ".join(filter(None, [*left, middle, *right]))


def recited(rng: random.Random, passage: Passage, words_read: int) -> Iterator[tuple[str, str]]:
    """Some words of a passage, as far as it is read, and the words behind them."""
    words = passage.text.split()[:words_read]
    for _ in range(2):
        if len(words) > 2 * RECITED_FROM:
            start = rng.randrange(len(words) - 2 * RECITED_FROM)
            middle = start + RECITED_FROM
            yield " ".join(words[start:middle]), " ".join(words[middle : middle + RECITED])
