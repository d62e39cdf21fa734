"""Multiply-accumulates of a built model, from its real widths and layers.

Where the formulas of `flops` take `8 d^2` for a feed-forward block and fractions of layers, these
functions take what the model has. Attention scores (queries by keys, weights by values) are counted
apart from projections. Lengths are in tokens, and all counts are for one question.
"""

from __future__ import annotations

from dataclasses import dataclass

from glimmer_keras.layers import FiDDecoder
from glimmer_keras.layers.encoder_stack import EncoderStack
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates in projections, and in attention scores."""

    projections: int = 0
    scores: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.projections + other.projections, self.scores + other.scores)

    def __mul__(self, times: int) -> Work:
        return Work(self.projections * times, self.scores * times)

    @property
    def total(self) -> int:
        return self.projections + self.scores


def encoder_work(backbone: GlimmerBackbone, layers: int, sequences: int, length: int) -> Work:
    """Count `layers` encoder layers over `sequences` texts of `length` tokens."""
    stage = backbone.stage_b  # of the sizes of all encoder layers
    d, inner = stage.hidden_dim, stage.num_heads * stage.head_dim
    tokens = layers * sequences * length
    return Work(tokens * (4 * d * inner + _feed_forward(stage)), tokens * 2 * inner * length)


def memory_work(backbone: GlimmerBackbone, positions: int) -> Work:
    """Count the cross-attention keys and values of `positions` encoded tokens."""
    return Work(positions * _keys_and_values(backbone) * backbone.decoder.memory_dim)


def decoder_work(backbone: GlimmerBackbone, tokens: int, positions: int, keys: int) -> Work:
    """Count answer tokens, with the language model head.

    Args:
        backbone: The model.
        tokens: Answer tokens.
        positions: Encoded tokens that each of them reads.
        keys: Self-attention keys that each of them is multiplied with, masked ones among them.
    """
    decoder = backbone.decoder
    d, inner = decoder.hidden_dim, decoder.num_heads * decoder.head_dim
    steps = tokens * decoder.num_layers
    reads = tokens * len(decoder.cross_attention_layers)
    head = tokens * d * backbone.vocabulary_size
    projections = steps * (4 * d * inner + _feed_forward(decoder)) + reads * 2 * d * inner
    return Work(projections + head, 2 * inner * (steps * keys + reads * positions))


def decoder_positions(backbone: GlimmerBackbone, passages: int, question: int, passage: int) -> int:
    """Count the encoded tokens that the decoder reads."""
    selected = backbone.num_selected or passages
    return selected * (question + passage) + (question if backbone.question_in_decoder else 0)


def answering_work(
    backbone: GlimmerBackbone, passages: int, question: int, passage: int, answer: int
) -> dict[str, Work]:
    """Count an answer with memory at hand: `rerank` (GLIMMER only), `encode` and `decode`."""
    layers = backbone.layer_counts
    selected = backbone.num_selected or passages
    length = question + passage
    asked = encoder_work(backbone, layers["memory"], 1, question)
    encode = encoder_work(backbone, layers["stage B"], selected, length)
    positions = decoder_positions(backbone, passages, question, passage)
    decoded = decoder_work(backbone, answer, positions, answer + 1)
    parts = {"decode": memory_work(backbone, positions) + decoded}
    if backbone.num_selected is None:
        return {"encode": asked + encode, **parts}
    rerank = asked + encoder_work(backbone, layers["stage A"], passages, length)
    return {"rerank": rerank, "encode": encode, **parts}


def token_bytes(backbone: GlimmerBackbone, positions: int, batch: int) -> float:
    """Count the bytes that an answer's token reads.

    They are its share of the decoder's weights, which a batch reads once, and all cross-attention
    keys and values.
    """
    weights = decoder_work(backbone, 1, 0, 0).projections
    cached = positions * _keys_and_values(backbone)
    # float32 variables are read at full width, whatever they are computed at.
    return 4 * weights / batch + (2 if "16" in backbone.compute_dtype else 4) * cached


def student_work(
    backbone: GlimmerBackbone, passages: int, question: int, passage: int, answer: int
) -> Work:
    """Count the forward pass in training, memory encoder and all."""
    layers = backbone.layer_counts
    selected = backbone.num_selected or passages
    length = question + passage
    positions = decoder_positions(backbone, passages, question, passage)
    return (
        encoder_work(backbone, layers["memory"], 1, question)
        + encoder_work(backbone, layers["memory"], passages, passage)
        + encoder_work(backbone, layers["stage A"], passages, length)
        + encoder_work(backbone, layers["stage B"], selected, length)
        + memory_work(backbone, positions)
        + decoder_work(backbone, answer, positions, answer)
    )


def teacher_work(
    backbone: GlimmerBackbone, passages: int, question: int, passage: int, answer: int
) -> Work:
    """Count the distillation's teacher, which reads each passage alone."""
    if backbone.num_selected is None:
        return Work()
    length = question + passage
    asked = question if backbone.question_in_decoder else 0
    # Without dropout the teacher reuses what stage B gave for the selected passages.
    unread = passages if backbone.dropout else passages - backbone.num_selected
    return (
        encoder_work(backbone, backbone.layer_counts["stage B"], unread, length)
        + memory_work(backbone, passages * length + asked)
        + decoder_work(backbone, answer, length + asked, answer) * passages
    )


def training_work(
    backbone: GlimmerBackbone, passages: int, question: int, passage: int, answer: int
) -> Work:
    """Count a training step in which everything is trained: 3 times forward, plus the teacher."""
    lengths = passages, question, passage, answer
    return student_work(backbone, *lengths) * 3 + teacher_work(backbone, *lengths)


def _keys_and_values(backbone: GlimmerBackbone) -> int:
    """Count the numbers that cross-attention keeps of an encoded token, in all layers."""
    decoder = backbone.decoder
    shared = decoder.cross_attention_key_value_heads * decoder.head_dim
    return len(decoder.cross_attention_layers) * 2 * shared


def _feed_forward(layers: EncoderStack | FiDDecoder) -> int:
    return (3 if layers.gated else 2) * layers.hidden_dim * layers.intermediate_dim
