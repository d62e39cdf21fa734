"""What an exported model can be asked for: named functions of named tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from glimmer_keras.models import Glimmer
from glimmer_keras.models.inputs import PRIOR
from glimmer_keras.serving.answering import answering, ranking
from glimmer_keras.serving.memory_table import MemoryTable
from glimmer_keras.serving.settings import Settings

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Signature:
    """A function that is served.

    Args:
        inputs: Shape and dtype of each input, the first dimension free.
        run: From the inputs to the outputs.
    """

    inputs: dict[str, tf.TensorSpec]
    run: Callable[[Tensors], Tensors]


def core_signatures(
    glimmer: Glimmer, settings: Settings, table: MemoryTable | None
) -> dict[str, Signature]:
    """Make all signatures of token ids and memory; see `export` for what they take and give.

    They differ in where memory comes from. What is done with it is traced once for all of them.
    """
    k, length, dim = settings.num_passages, settings.passage_length, settings.hidden_dim
    question = _specs(
        question_token_ids=("int32", settings.question_length),
        question_padding_mask=("bool", settings.question_length),
    )
    if glimmer.backbone.passage_prior:
        question |= _specs(passage_prior=("float32", k))
    mask = _specs(passage_padding_mask=("bool", k, length))
    floats = question | _specs(passage_memory=(settings.memory_dtype, k, length, dim)) | mask
    int8 = _specs(
        passage_memory=("int8", k, length, dim), passage_memory_scales=("float32", k, length)
    )
    tokens = _specs(passage_token_ids=("int32", k, length))
    answer = answering(glimmer, settings)

    def encode(inputs: Tensors) -> Tensors:
        token_ids, mask = inputs["passage_token_ids"], inputs["passage_padding_mask"]
        states = glimmer.backbone.encode_memory(token_ids, mask)
        states = tf.cast(states, settings.memory_dtype)
        return {"passage_memory": tf.where(mask[..., None], states, tf.zeros_like(states))}

    def from_memory(function: Callable[..., Tensors]) -> Callable[[Tensors], Tensors]:
        def run(inputs: Tensors) -> Tensors:
            memory, scales = inputs["passage_memory"], inputs.get("passage_memory_scales")
            if scales is not None:
                memory = tf.cast(memory, "float32") * scales[..., None]
            memory = tf.cast(memory, glimmer.backbone.compute_dtype)
            return function(
                inputs["question_token_ids"],
                inputs["question_padding_mask"],
                memory,
                inputs["passage_padding_mask"],
                inputs.get(PRIOR),
            )

        return run

    def from_tokens(inputs: Tensors) -> Tensors:
        token_ids, mask = inputs["passage_token_ids"], inputs["passage_padding_mask"]
        memory = glimmer.backbone.encode_memory(token_ids, mask)
        return from_memory(answer)(inputs | {"passage_memory": memory})

    signatures = {
        "answer": Signature(floats, from_memory(answer)),
        "answer_int8": Signature(question | int8 | mask, from_memory(answer)),
        "answer_from_tokens": Signature(question | tokens | mask, from_tokens),
        "encode_memory": Signature(
            _specs(passage_token_ids=("int32", length), passage_padding_mask=("bool", length)),
            encode,
        ),
    }
    if table is not None:
        signatures["answer_from_ids"] = Signature(
            question | _specs(passage_rows=("int32", k)),
            lambda inputs: from_memory(answer)(table.replace_rows(inputs)),
        )
    if settings.num_selected is not None:
        rank = ranking(glimmer)
        signatures["rerank"] = Signature(floats, from_memory(rank))
        signatures["rerank_int8"] = Signature(question | int8 | mask, from_memory(rank))
    return signatures


def _specs(**inputs: tuple) -> dict[str, tf.TensorSpec]:
    """Make the specs of inputs from dtype and what follows the batch in their shape."""
    return {
        name: tf.TensorSpec((None, *shape), dtype, name) for name, (dtype, *shape) in inputs.items()
    }
