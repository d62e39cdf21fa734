from dataclasses import dataclass

from glimmer_keras.pipelines.ranked_passage import RankedPassage


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, with the passages that were considered for it.

    Args:
        question: As it was asked.
        text: The answer.
        passages: Those selected and then the others, each by relevance score, the best first; in
            the order of retrieval without a scorer.
    """

    question: str
    text: str
    passages: tuple[RankedPassage, ...]

    @property
    def selected(self) -> tuple[RankedPassage, ...]:
        """The passages that the decoder read."""
        return tuple(passage for passage in self.passages if passage.selected)

    def __str__(self) -> str:
        lines = [self.text]
        for passage in self.selected:
            score = "" if passage.score is None else f"{passage.score:8.2f}"
            lines.append(f"{score}  [{passage.id}] {passage.content}")
        return "\n".join(lines)
