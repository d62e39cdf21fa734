import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Bring an answer to KILT's form: lower case, no punctuation, no articles, single blanks."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Give 1.0 if the prediction is one of the gold answers after normalisation, else 0.0."""
    return best_over(_same, prediction, answers)


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Score the words shared with the gold answer that has most of them.

    It is the harmonic mean of precision and recall of normalised words.
    """
    return best_over(_word_f1, prediction, answers)


def accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Give 1.0 if the prediction is one of the gold answers as they are written, else 0.0.

    Only blanks at the ends are disregarded. It is KILT's accuracy, for fact verification and slot
    filling.
    """
    return best_over(lambda text, answer: float(text == answer), prediction, answers)


def best_over(score: Callable[[str, str], float], prediction: str, answers: Sequence[str]) -> float:
    """Find the greatest `score(prediction, answer)`, all texts without blanks at the ends.

    Blank gold answers are left out, and a blank prediction has 0.0, whatever the score is.

    Raises:
        TypeError: If `answers` is a string.
        ValueError: If there is no gold answer that is not blank.
    """
    if isinstance(answers, str):
        raise TypeError(f"`answers` must be a sequence of strings. Received: {answers!r}")
    prediction, gold = prediction.strip(), [text for text in map(str.strip, answers) if text]
    if not gold:
        raise ValueError(
            "`answers` must hold at least one gold answer that is not blank. "
            f"Received: {len(answers)} answers"
        )
    return max(score(prediction, answer) for answer in gold) if prediction else 0.0


def _same(prediction: str, answer: str) -> float:
    return float(normalize_answer(prediction) == normalize_answer(answer))


def _word_f1(prediction: str, answer: str) -> float:
    words, gold = normalize_answer(prediction).split(), normalize_answer(answer).split()
    shared = sum((Counter(words) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(words), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
