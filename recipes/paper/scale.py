"""The sizes at which the comparisons are trained: what they share are the definitions."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Scale:
    """Data, lengths, training and the values of the figures' axes.

    The first part is what a result depends on, beside its cell; the second what cells are made of.
    """

    name: str
    t5: str | None
    world: dict[str, int] | None  # of `make_world`; `None` for files
    test_questions: int | None  # of each task
    question_length: int
    passage_length: int
    answer_length: int
    batch_size: int
    steps: int
    learning_rate: float
    final_rate: float | None  # share of it that a cosine ends at; `None`: constant
    save_every: int | None  # steps between checkpoints within a cell
    dtype: str | None  # policy of the models; `None`: float32
    accuracy: bool  # slots and claims are scored by KILT's accuracy, where case counts

    num_layers: int  # of the T5's encoder, by which reranking layers are counted
    num_passages: int
    num_selected: int
    live_proportion: float
    rerank_proportion: float
    temperature: float
    dropout: float
    figure3_passages: tuple[int, ...]
    figure3_selected: tuple[int, ...]
    figure4_proportions: tuple[float, ...]
    figure5_passages: int
    figure5_selected: tuple[int, ...]
    figure7_proportions: tuple[float, ...]
    temperatures: tuple[float, ...]
    question_task: str
    least_difference: float  # points of a score under which nothing is called a difference

    def training(self) -> dict[str, Any]:
        """What a result depends on, beside its cell."""
        names = [*Scale.__dataclass_fields__]
        return {name: getattr(self, name) for name in names[: names.index("num_layers")]}

    @property
    def most_passages(self) -> int:
        return max(self.num_passages, self.figure5_passages, *self.figure3_passages)


TINY = Scale(
    name="tiny",
    t5="tiny_world",
    world={"seed": 2027},
    test_questions=400,
    question_length=16,
    passage_length=64,
    answer_length=8,
    batch_size=16,
    steps=300,
    learning_rate=1e-2,
    final_rate=0.05,
    save_every=None,
    dtype=None,
    accuracy=True,
    num_layers=4,
    num_passages=16,
    num_selected=2,
    live_proportion=3 / 4,
    rerank_proportion=2 / 3,
    temperature=0.1,
    dropout=0.0,
    figure3_passages=(4, 8, 16),
    figure3_selected=(1, 2, 4, 8),
    figure4_proportions=(1 / 3, 2 / 3, 1.0),
    figure5_passages=24,
    figure5_selected=(1, 2, 4, 8),
    figure7_proportions=(1 / 4, 1 / 2, 3 / 4, 1.0),
    temperatures=(0.03, 0.1, 0.3, 1.0),
    question_task="qa",
    least_difference=1.0,
)
# The paper's, but for what the report tells under "What to bear in mind".
BASE = Scale(
    name="base",
    t5=None,
    world=None,
    test_questions=None,
    question_length=48,
    passage_length=304,
    answer_length=32,
    batch_size=128,
    steps=20_000,
    learning_rate=1e-4,
    final_rate=None,
    save_every=1_000,
    dtype=None,
    accuracy=True,
    num_layers=12,
    num_passages=25,
    num_selected=5,
    live_proportion=1 / 3,
    rerank_proportion=1 / 4,
    temperature=1.0,
    dropout=0.1,
    figure3_passages=(5, 10, 15, 20, 25),
    figure3_selected=(1, 2, 5, 10, 15),
    figure4_proportions=(1 / 4, 1 / 2, 3 / 4, 1.0),
    figure5_passages=40,
    figure5_selected=(1, 2, 5, 10, 15),
    figure7_proportions=(1 / 6, 1 / 3, 2 / 3, 1.0),
    temperatures=(0.1, 0.3, 1.0, 5.0),
    question_task="nq",
    least_difference=0.2,
)
# Files of your own, and the uncased reader that comes with the package, on a laptop.
SMALL = replace(
    TINY,
    name="small",
    t5="wikipedia_small",
    world=None,
    test_questions=300,
    question_length=32,
    passage_length=160,
    answer_length=16,
    steps=250,
    learning_rate=3e-3,
    final_rate=1 / 30,
    save_every=50,
    accuracy=False,
    num_layers=7,
    num_passages=8,
    live_proportion=3 / 7,
    temperature=0.3,
    figure3_passages=(2, 4, 8),
    figure3_selected=(1, 2, 4),
    figure5_passages=20,
    figure7_proportions=(1 / 7, 3 / 7, 5 / 7, 1.0),
    temperatures=(0.1, 0.3, 1.0, 3.0),
    question_task="squad",
)
SCALES = {scale.name: scale for scale in (TINY, SMALL, BASE)}
