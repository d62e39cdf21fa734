"""Fusion-in-Decoder on KerasHub's T5, a peer of the benchmarks."""

from typing import Any

import keras_hub
from keras import ops

from glimmer_keras import Glimmer
from glimmer_keras.models.t5_weights import quiet_masks, to_t5


class KerasHubFiD(keras_hub.models.T5Seq2SeqLM):
    """Encodes passages apart, and decodes from the states that it is given in place of ids."""

    def encode(self, token_ids: Any, padding_mask: Any) -> Any:
        """`(passages, length)` to `(passages, length, dim)`."""
        return super().call_encoder(token_ids, padding_mask)

    def call_encoder(self, token_ids: Any, padding_mask: Any) -> Any:
        return token_ids

    def answer(self, prompt: dict[str, Any], states: Any) -> Any:
        """Tokens from states `(batch, passages, length, dim)`, all of them real."""
        batch, dim = states.shape[0], states.shape[-1]
        states = ops.reshape(states, (batch, -1, dim))
        read = {
            "encoder_token_ids": states,
            "encoder_padding_mask": ops.ones(states.shape[:2], "int32"),
        }
        return self.generate_step(read | prompt)["decoder_token_ids"]


def keras_hub_fid(fid: Glimmer) -> KerasHubFiD:
    """With the weights of ours."""
    with quiet_masks():
        peer = KerasHubFiD(to_t5(fid.backbone))
    peer.compile(sampler="greedy")
    return peer
