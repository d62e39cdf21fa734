from collections.abc import Callable
from typing import Any

import keras_hub
import tensorflow as tf

from glimmer_keras.models import Glimmer
from glimmer_keras.models.decoding import log_probability
from glimmer_keras.models.inputs import PRIOR
from glimmer_keras.serving.settings import Settings

Outputs = dict[str, tf.Tensor]


def answering(glimmer: Glimmer, settings: Settings) -> Callable[..., Outputs]:
    """Make a traceable function of question token ids and mask, passage memory, mask and prior.

    It reads, answers token by token until all answers have ended, and scores them; see `export`
    for its outputs.
    """
    backbone, tokenizer = glimmer.backbone, glimmer.preprocessor.tokenizer
    start = glimmer.preprocessor.start_token_id
    sampler = keras_hub.samplers.GreedySampler()
    if settings.beam_size is not None:
        sampler = keras_hub.samplers.BeamSampler(settings.beam_size)

    @_function
    def answer(question, question_mask, memory, memory_mask, prior=None):
        shape = tf.shape(question)[0], settings.answer_length + 1
        inputs = _inputs(question, question_mask, memory, memory_mask, prior) | {
            "decoder_token_ids": tf.fill(shape, start),
            "decoder_padding_mask": tf.broadcast_to(tf.range(shape[1]) == 0, shape),
        }
        outputs = backbone.read(inputs)
        projected = backbone.decoder.project_memory(**backbone.decoder_memory(inputs, outputs))
        stop = [tokenizer.end_token_id]
        answer = glimmer.answer_from(inputs, outputs, stop, projected, sampler)
        token_ids, mask = answer["decoder_token_ids"], answer["decoder_padding_mask"]
        lengths = tf.reduce_sum(tf.cast(mask[:, 1:], "int32"), axis=1)
        longest = tf.reduce_max(lengths) + 1
        reply = {
            "answer_token_ids": tf.where(mask, token_ids, tokenizer.pad_token_id)[:, 1:],
            "answer_lengths": lengths,
            "log_probability": log_probability(
                glimmer, token_ids[:, :longest], mask[:, :longest], projected
            ),
        }
        scores = ("passage_scores", "selected_passages")
        return reply | {name: answer[name] for name in scores if name in answer}

    return answer


def ranking(glimmer: Glimmer) -> Callable[..., Outputs]:
    """Make a function as `answering` does, which goes only as far as the scores."""

    @_function
    def rank(question, question_mask, memory, memory_mask, prior=None):
        inputs = _inputs(question, question_mask, memory, memory_mask, prior)
        outputs = glimmer.backbone.read(inputs)
        return {name: outputs[name] for name in ("passage_scores", "passage_ranking")}

    return rank


def _function(function: Callable) -> Any:
    return tf.function(function, autograph=False)


def _inputs(
    question: tf.Tensor,
    question_mask: tf.Tensor,
    memory: tf.Tensor,
    memory_mask: tf.Tensor,
    prior: tf.Tensor | None,
) -> dict[str, tf.Tensor]:
    inputs = {
        "question_token_ids": question,
        "question_padding_mask": question_mask,
        "passage_memory": memory,
        "passage_padding_mask": memory_mask,
    }
    return inputs if prior is None else inputs | {PRIOR: prior}
