from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from glimmer_keras.data import Passage
from glimmer_keras.data.formats.knowledge_source import split_sentences
from glimmer_keras.memory import StoredPassage
from glimmer_keras.metrics import normalize_answer


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage that was considered for a question.

    Args:
        id: Of the passage.
        title: Title of its page, empty where there is none.
        text: The text itself.
        score: Its relevance score, `None` without a scorer.
        selected: Whether the decoder read it.
        retrieval_rank: From 1, its place among those retrieved or given.
        retrieval_score: What the retriever gave it, `None` if the passages were given.
        page_id: Identifier of the page it was cut from, empty if unknown.
        first_paragraph: First paragraph of that page which it covers, -1 if unknown.
        last_paragraph: Last such paragraph, inclusive.
        sentence: Where it was read, its first sentence that has the answer, as it stands in `text`;
            empty if none has.
        fields: What else is known of the passage.
    """

    id: str
    title: str
    text: str
    score: float | None
    selected: bool
    retrieval_rank: int
    retrieval_score: float | None
    page_id: str = ""
    first_paragraph: int = -1
    last_paragraph: int = -1
    sentence: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def content(self) -> str:
        """`title: text`, or the text where there is no title."""
        return f"{self.title}: {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, with the passages that were considered for it.

    Args:
        question: As it was asked.
        text: The answer; empty where there was no passage to read, or too little confidence.
        passages: Those selected and then the others, each by relevance score, the best first; in
            the order of retrieval without a scorer.
        confidence: From 0 to 1, how likely the answer is right: the length-normalised probability
            of its tokens, calibrated as the model says; of an answer that is left empty for want of
            it that of what was left out. `None` if it is not known. Answers are equal without it.
    """

    question: str
    text: str
    passages: tuple[RankedPassage, ...]
    confidence: float | None = field(default=None, compare=False)

    @property
    def selected(self) -> tuple[RankedPassage, ...]:
        """The passages that the decoder read."""
        return tuple(passage for passage in self.passages if passage.selected)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, which JSON takes."""
        return {
            "question": self.question,
            "text": self.text,
            "passages": [asdict(p) | {"fields": dict(p.fields)} for p in self.passages],
            "confidence": self.confidence,
        }

    def __str__(self) -> str:
        lines = [self.text]
        for passage in self.selected:
            score = "" if passage.score is None else f"{passage.score:8.2f}"
            lines.append(f"{score}  [{passage.id}] {passage.content}")
        return "\n".join(lines)


def as_written(text: str, passages: Sequence[RankedPassage]) -> str:
    """Give an answer of an uncased reader as the first passage that has it writes it.

    Capitals, accents and blanks do not matter. Where it stands as whole words comes first.

    Args:
        text: The answer in small letters.
        passages: Those that were read.
    """
    wanted = "".join(letter for letter, _ in _letters(text))
    inside = ""
    for passage in passages if wanted else ():
        content = passage.content
        letters = list(_letters(content))
        found = "".join(letter for letter, _ in letters)
        place = found.find(wanted)
        while place >= 0:
            start, last = letters[place][1], letters[place + len(wanted) - 1][1]
            end = last + 1
            while end < len(content) and unicodedata.combining(content[end]):
                end += 1
            if not (content[start - 1 : start].isalnum() or content[end : end + 1].isalnum()):
                return content[start:end]
            inside = inside or content[start:end]
            place = found.find(wanted, place + 1)
    return inside or text


def _letters(text: str) -> Iterator[tuple[str, int]]:
    """The small letters of a text without accents and blanks, and where each stands."""
    for place, character in enumerate(text):
        for letter in unicodedata.normalize("NFKD", character.lower()):
            if not (letter.isspace() or unicodedata.combining(letter)):
                yield letter, place


def with_sentences(passages: Sequence[RankedPassage], answer: str) -> tuple[RankedPassage, ...]:
    """Mark in each passage that was read the first sentence that has the answer, as whole words."""
    words = normalize_answer(answer)
    if not words:
        return tuple(passages)
    return tuple(
        replace(passage, sentence=_sentence(passage.text, words)) if passage.selected else passage
        for passage in passages
    )


def _sentence(text: str, words: str) -> str:
    for sentence in split_sentences(text):
        if f" {words} " in f" {normalize_answer(sentence)} ":
            return sentence
    return ""


def best_first(scores: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Rank passages: those selected, in their order, and then the others by score.

    Args:
        scores: `(examples, passages)`, relevance of each passage.
        selected: int32 `(examples, m)`, columns of those selected, best first; -1 is none.

    Returns:
        int64 `(examples, passages)`, columns, best first; equal scores keep their order.
    """
    examples, passages = scores.shape
    places = np.broadcast_to(np.arange(selected.shape[1]), selected.shape)
    # One column more takes the -1s; a passage that was not selected comes after all that were.
    priority = np.full((examples, passages + 1), selected.shape[1])
    np.put_along_axis(priority, selected, places, axis=1)
    return np.lexsort((-scores, priority[:, :-1]), axis=1)


def rank_passages(
    passages: Sequence[StoredPassage | Passage],
    scores: np.ndarray | None,
    selected: np.ndarray | None,
    retrieval_scores: np.ndarray | None,
) -> tuple[RankedPassage, ...]:
    """Give the passages of one question as an `Answer` has them.

    Args:
        passages: At most `k`, in the order of the model's input.
        scores: float32 `(k,)`, relevance, or `None` without a scorer.
        selected: int32 `(m,)`, columns of those read, best first, or `None` without a scorer.
        retrieval_scores: `(k,)`, or `None` if the passages were given.
    """
    order = read = range(len(passages))
    if scores is not None and selected is not None:
        order, read = best_first(scores[None], selected[None])[0].tolist(), selected.tolist()
    return tuple(
        RankedPassage(
            passages[column].id,
            passages[column].title,
            passages[column].text,
            None if scores is None else float(scores[column]),
            column in read,
            column + 1,
            None if retrieval_scores is None else float(retrieval_scores[column]),
            passages[column].page_id,
            passages[column].first_paragraph,
            passages[column].last_paragraph,
            fields=passages[column].fields,
        )
        for column in order
        if column < len(passages)
    )
