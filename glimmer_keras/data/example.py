from dataclasses import dataclass

from glimmer_keras.data.passage import Passage
from glimmer_keras.data.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its gold answers.

    Args:
        id: Identifier of the row in its source.
        task: Name of the task it belongs to.
        question: A question, a claim, or `subject [SEP] relation`.
        answers: Gold alternatives. Blank ones and repetitions are dropped, the order is kept.
            An empty tuple stands for a question whose answer is not known.
        evidence: Alternative evidence sets, each of pieces that belong together.
        contexts: Passages that came with the question.

    Raises:
        ValueError: If `question` is blank, or `answers` has only blank ones.
    """

    id: str
    task: str
    question: str
    answers: tuple[str, ...] = ()
    evidence: tuple[tuple[Provenance, ...], ...] = ()
    contexts: tuple[Passage, ...] = ()

    def __post_init__(self) -> None:
        if not self.question.strip():
            raise ValueError(f"`question` must not be blank. Received: id={self.id!r}")
        answers = tuple(dict.fromkeys(a.strip() for a in self.answers if a.strip()))
        if self.answers and not answers:
            raise ValueError(
                "`answers` must hold at least one that is not blank. "
                f"Received: answers={self.answers!r}, id={self.id!r}"
            )
        object.__setattr__(self, "answers", answers)
