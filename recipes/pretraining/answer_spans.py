"""Where in a text its answers stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def answer_spans(
    content: str, ends: Sequence[int], answers: Sequence[str]
) -> list[tuple[str, int, int]]:
    """Where a text tells answers: each with its first token, and the one behind the last.

    Args:
        content: The text.
        ends: The character behind each of its tokens.
        answers: Capitals do not matter.
    """
    lower = content.lower()
    spans = []
    for answer in answers:
        for place in _occurrences(lower, answer.lower()):
            first = sum(end <= place for end in ends)
            if first and ends[first - 1] == place and lower[place - 1] == " ":
                first -= 1  # a lone blank is the answer's first piece
            last = sum(end < place + len(answer) for end in ends)
            spans.append((answer, first, last + 1))
    return spans


def _occurrences(content: str, answer: str) -> Iterator[int]:
    """Where an answer stands in a text, not within a word."""
    place = content.find(answer) if answer else -1
    while place >= 0:
        end = place + len(answer)
        before, behind = content[max(0, place - 1) : place + 1], content[end - 1 : end + 1]
        if not _goes_on(before) and not _goes_on(behind):
            yield place
        place = content.find(answer, place + 1)


def _goes_on(pair: str) -> bool:
    """Whether two characters are within a word, of scripts that put blanks between words."""
    return len(pair) == 2 and all(c.isdigit() or c.lower() != c.upper() for c in pair)
