"""What a memory and answers from it cost, by arithmetic: no model is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """Something to compute on.

    Args:
        flops: A second, of matrix products in its fast dtype.
        share: Of these that encoding reaches.
        dollars: An hour's price, about what it was listed for in 2025; yours will differ.
    """

    flops: float
    share: float
    dollars: float


# Peaks are the makers' for bfloat16, but of the last, which was measured in float32.
MACHINES = {
    "H100": Machine(989e12, 0.4, 3.0),
    "A100": Machine(312e12, 0.5, 1.5),
    "TPU v5e": Machine(197e12, 0.5, 1.2),
    "TPU v6e": Machine(918e12, 0.4, 2.7),
    "64 CPU cores": Machine(6.5e12, 0.7, 2.5),
    "2 CPU cores": Machine(0.2e12, 0.8, 0.1),
}
# Of memory stores, and how many times less than bfloat16 those of product quantisation take.
RATIOS = {f"pq:{ratio}": ratio for ratio in (4, 8, 16, 32, 64)}
STORE_DTYPES = ("bfloat16", "int8", *RATIOS)
TEXT_BYTES = 3  # of a token, compressed with id and title, about


@dataclass(frozen=True)
class Reader:
    """The sizes of a reader that costs follow from; see `GlimmerBackbone`.

    Args:
        num_selected: `m`; `None` reads all passages (LUMEN, FiD).
    """

    num_layers: int
    num_decoder_layers: int
    num_heads: int
    key_value_dim: int
    hidden_dim: int
    intermediate_dim: int
    vocabulary_size: int
    live_proportion: float
    rerank_proportion: float
    num_selected: int | None
    question_in_decoder: bool = True
    use_gated_activation: bool = True
    carried_dim: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Reader:
        """Take them from the configuration of a backbone, or of `size_arguments`."""
        given = {name: settings[name] for name in cls.__dataclass_fields__ if name in settings}
        given.setdefault("key_value_dim", 64)
        if given.get("num_decoder_layers") is None:
            given["num_decoder_layers"] = given["num_layers"]
        given.setdefault("rerank_proportion", 0.0)
        return cls(**given)

    @property
    def memory_dim(self) -> int:
        return self.hidden_dim + 2 * self.carried_dim

    def encoding(self, tokens: float) -> float:
        """Multiply-accumulates of the memory of a passage."""
        return (1 - self.live_proportion) * self.num_layers * self._layer(tokens, tokens)

    def answering(self, passages: int, question: int, passage: int, answer: int) -> float:
        """Multiply-accumulates of an answer from memory, or from text with `live_proportion` 1."""
        length, live = question + passage, self.live_proportion * self.num_layers
        selected = passages if self.num_selected is None else self.num_selected
        beta = 0.0 if self.num_selected is None else self.rerank_proportion
        read = live * (beta * passages + (1 - beta) * selected) * self._layer(length, length)
        asked = self.encoding(question)
        inner, layers = self.num_heads * self.key_value_dim, self.num_decoder_layers
        positions = selected * length + (question if self.question_in_decoder else 0)
        kept = layers * 2 * inner * self.memory_dim * positions
        token = layers * (
            6 * self.hidden_dim * inner + self._feed_forward + 2 * inner * (positions + answer + 1)
        )
        return asked + read + kept + answer * (token + self.hidden_dim * self.vocabulary_size)

    def token_bytes(self, dtype: str) -> float:
        """Bytes of memory that a token takes in a store of a type."""
        if dtype == "int8":
            return self.memory_dim + 4  # and a scale
        return 2 * self.memory_dim / RATIOS.get(dtype, 1)

    @property
    def _feed_forward(self) -> int:
        return (3 if self.use_gated_activation else 2) * self.hidden_dim * self.intermediate_dim

    def _layer(self, tokens: float, keys: float) -> float:
        """Multiply-accumulates of an encoder layer over `tokens`."""
        inner = self.num_heads * self.key_value_dim
        return tokens * (4 * self.hidden_dim * inner + self._feed_forward + 2 * inner * keys)


def machine_hours(macs: float, machine: Machine) -> float:
    """Hours that so many multiply-accumulates take."""
    return 2 * macs / (machine.flops * machine.share) / 3600
