import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """KILT's form of an answer: lower case, no punctuation, no articles, single blanks."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1.0 if the prediction is one of the gold answers after normalisation, else 0.0."""
    found = normalize_answer(prediction)
    return _best(lambda answer: float(found == normalize_answer(answer)), answers)


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Greatest harmonic mean of precision and recall of normalised words over gold answers."""
    found = normalize_answer(prediction).split()
    return _best(lambda answer: _word_f1(found, normalize_answer(answer).split()), answers)


def accuracy(prediction: str, answers: Sequence[str]) -> float:
    """KILT's accuracy: 1.0 if the prediction is one of the gold answers as they are written.

    Only blanks at the ends are disregarded. KILT uses it for fact verification and slot filling.
    """
    found = prediction.strip()
    return _best(lambda answer: float(found == answer.strip()), answers)


def _best(score: Callable[[str], float], answers: Sequence[str]) -> float:
    if isinstance(answers, str):
        raise TypeError(f"`answers` must be a sequence of strings. Received: {answers!r}")
    if not answers:
        raise ValueError("`answers` must hold at least one gold answer. Received: 0 answers")
    return max(score(answer) for answer in answers)


def _word_f1(found: list[str], gold: list[str]) -> float:
    shared = sum((Counter(found) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(found), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
