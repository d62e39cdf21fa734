from collections.abc import Sequence

from glimmer_keras.metrics.answers import best_over


def rouge_l(prediction: str, answers: Sequence[str]) -> float:
    """Score ROUGE-L F with the best gold answer, as KILT takes it from the package `rouge`.

    Texts are cut into sentences at full stops and into words at blanks, and not normalised. With
    `U` the set of words in a longest common subsequence of any gold and any predicted sentence,
    and `n`, `m` the numbers of distinct words of prediction and gold answer, precision is
    `|U| / n`, recall `|U| / m` and F `2 P R / (P + R + 1e-8)`: 0.999999995 for the same text.
    """
    return best_over(_rouge_l, prediction, answers)


def _rouge_l(prediction: str, answer: str) -> float:
    predicted, gold = _sentences(prediction), _sentences(answer)
    if not predicted or not gold:  # Nothing but full stops.
        return 0.0
    union: set[str] = set()
    for gold_words in gold:
        for predicted_words in predicted:
            union |= _common_words(gold_words, predicted_words)
    precision = len(union) / len({word for words in predicted for word in words})
    recall = len(union) / len({word for words in gold for word in words})
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


def _sentences(text: str) -> list[list[str]]:
    """Split a text into the words of its sentences; one of blanks alone has one empty word."""
    return [part.split() or [""] for part in text.split(".") if part]


def _common_words(gold: list[str], predicted: list[str]) -> set[str]:
    """Find the words of one longest common subsequence.

    Which of several it is is a part of the score.
    """
    lengths = [[0] * (len(predicted) + 1)]
    for word in gold:
        above, row = lengths[-1], [0]
        for column, other in enumerate(predicted):
            longer = above[column] + 1 if word == other else max(above[column + 1], row[column])
            row.append(longer)
        lengths.append(row)
    words = set()
    i, j = len(gold), len(predicted)
    while i and j:
        if gold[i - 1] == predicted[j - 1]:
            i, j = i - 1, j - 1
            words.add(gold[i])
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words
