"""Fusion-in-Decoder on KerasHub's T5, a peer of the benchmarks."""

import argparse
from collections.abc import Callable
from typing import Any

import keras_hub
import numpy as np
from keras import ops

from glimmer_keras import Glimmer
from glimmer_keras.models.t5_weights import quiet_masks, to_t5
from recipes.benchmarks.parts.answering import prompt
from recipes.benchmarks.timing import fastest


class KerasHubFiD(keras_hub.models.T5Seq2SeqLM):
    """Encodes passages apart, and decodes from the states that it is given in place of ids."""

    def encode(self, token_ids: Any, padding_mask: Any) -> Any:
        """Encode `(passages, length)` to `(passages, length, dim)`."""
        return super().call_encoder(token_ids, padding_mask)

    def call_encoder(self, token_ids: Any, padding_mask: Any) -> Any:
        return token_ids

    def answer(self, prompt: dict[str, Any], states: Any) -> Any:
        """Decode from states `(batch, passages, length, dim)`, all of them real."""
        batch, dim = states.shape[0], states.shape[-1]
        states = ops.reshape(states, (batch, -1, dim))
        read = {
            "encoder_token_ids": states,
            "encoder_padding_mask": ops.ones(states.shape[:2], "int32"),
        }
        return self.generate_step(read | prompt)["decoder_token_ids"]


def keras_hub_fid(fid: Glimmer) -> KerasHubFiD:
    """Make one with the weights of ours."""
    with quiet_masks():
        peer = KerasHubFiD(to_t5(fid.backbone))
    peer.compile(sampler="greedy")
    return peer


def keras_hub_parts(
    reader: KerasHubFiD, batch: int, passages: int, options: argparse.Namespace
) -> tuple[dict[Any, Callable], dict[Any, str]]:
    """Compile encoding and answers by their tokens; give calls, and how each was compiled."""
    calls, jit = {}, {}
    rng, shape = np.random.default_rng(0), (batch * passages, options.passage_length)
    ids = rng.integers(2, reader.backbone.vocabulary_size, shape).astype("int32")
    inputs = (ops.convert_to_tensor(ids), ops.ones(shape, "int32"))

    def encode(ids, mask):
        return ops.reshape(reader.encode(ids, mask), (batch, passages, shape[1], -1))

    calls["encode"], states, jit["encode"] = fastest(encode, reader, inputs, options.jit)
    for tokens in options.answers:
        asked = (prompt(batch, tokens), states)
        calls[tokens], _, jit[tokens] = fastest(reader.answer, reader, asked, options.jit)
    return calls, jit
