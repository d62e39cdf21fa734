from collections.abc import Callable, Sequence
from dataclasses import dataclass

Tokenize = Callable[[list[str]], Sequence[Sequence[int]]]


@dataclass(frozen=True)
class TokenSpec:
    """A tokenizer, as the data need it.

    Args:
        tokenize: Maps a list of strings to a list of token id lists, without an end token.
        fingerprint: Tells this tokenizer from others; part of the key of every cache.
        vocabulary_size: Number of token ids.
        pad_id: Fills up a sequence.
        end_id: Closes passages and answers.
        start_id: First token the decoder is given; T5 uses the padding token.

    Raises:
        ValueError: If `fingerprint` is empty, or one of the ids is not in the vocabulary.
    """

    tokenize: Tokenize
    fingerprint: str
    vocabulary_size: int
    pad_id: int = 0
    end_id: int = 1
    start_id: int = 0

    def __post_init__(self) -> None:
        if not self.fingerprint:
            raise ValueError("`fingerprint` must not be empty. Received: fingerprint=''")
        for name in ("pad_id", "end_id", "start_id"):
            value = getattr(self, name)
            if not 0 <= value < self.vocabulary_size:
                raise ValueError(
                    f"`{name}` must be in the vocabulary of {self.vocabulary_size} tokens. "
                    f"Received: {name}={value}"
                )
