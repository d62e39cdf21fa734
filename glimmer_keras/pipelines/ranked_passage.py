from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage that was found for a question.

    Args:
        id: Of the passage.
        title: Title of its page, empty where there is none.
        text: The text itself.
        score: Its relevance score, `None` without a scorer.
        selected: Whether the decoder read it.
        retrieval_rank: From 1, its place among those retrieved or given.
        retrieval_score: What the retriever gave it, `None` if ids were given.
    """

    id: str
    title: str
    text: str
    score: float | None
    selected: bool
    retrieval_rank: int
    retrieval_score: float | None

    @property
    def content(self) -> str:
        """`title: text`, or the text where there is no title."""
        return f"{self.title}: {self.text}" if self.title else self.text
