from dataclasses import dataclass

from glimmer_keras.models import Glimmer
from glimmer_keras.pipelines.reader import NUM_PASSAGES

MEMORY_DTYPES = ("float32", "bfloat16")


@dataclass(frozen=True)
class Settings:
    """The fixed sizes of an export, and how it decodes.

    Args:
        question_length: Tokens.
        passage_length: Tokens.
        answer_length: Tokens, the end token among them.
        num_passages: `k`, passages of a question.
        num_selected: `m`, or `None` without a scorer.
        hidden_dim: Width of memory.
        memory_dtype: Of memory that is not int8, `"float32"` or `"bfloat16"`.
        beam_size: Beams, `None` for greedy decoding.
    """

    question_length: int
    passage_length: int
    answer_length: int
    num_passages: int
    num_selected: int | None
    hidden_dim: int
    memory_dtype: str
    beam_size: int | None

    def __post_init__(self) -> None:
        for name in ("beam_size", "num_passages", "question_length"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(
                    f"`{name}` must be an integer of at least 1. Received: {name}={value!r}"
                )
        if self.num_passages < (self.num_selected or 1):
            raise ValueError(
                f"`num_passages` must be at least {self.num_selected}, as many as the model "
                f"selects. Received: num_passages={self.num_passages}"
            )
        if self.memory_dtype not in MEMORY_DTYPES:
            raise ValueError(
                f"`memory_dtype` must be one of {MEMORY_DTYPES}. "
                f"Received: memory_dtype={self.memory_dtype!r}"
            )

    @classmethod
    def of(
        cls,
        glimmer: Glimmer,
        beam_size: int | None = None,
        num_passages: int | None = None,
        memory_dtype: str | None = None,
        question_length: int | None = None,
    ) -> "Settings":
        """Take those of a model with a preprocessor; `None` is what the model has."""
        backbone, preprocessor = glimmer.backbone, glimmer.preprocessor
        if memory_dtype is None:
            computed = backbone.memory_encoder.compute_dtype
            memory_dtype = computed if computed in MEMORY_DTYPES else "float32"
        if num_passages is None:
            num_passages = preprocessor.num_passages or NUM_PASSAGES
        return cls(
            preprocessor.question_length if question_length is None else question_length,
            preprocessor.passage_length,
            preprocessor.answer_length,
            num_passages,
            backbone.num_selected,
            backbone.memory_dim,
            memory_dtype,
            beam_size,
        )
