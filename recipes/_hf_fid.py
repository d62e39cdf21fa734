"""Fusion-in-Decoder on Hugging Face's T5, the peer that `benchmark_inference.py --peer hf` starts.

A child process that answers each round with seconds a question, from random token ids.
"""

from typing import Any

from _hf_t5 import generate, seconds, serve


def build(model: Any, settings: dict[str, Any]) -> tuple:
    import torch

    batch, passages, length = (settings[name] for name in ("batch", "k", "passage_length"))
    ids = torch.randint(2, model.config.vocab_size, (batch * passages, length))
    mask = torch.ones_like(ids)

    def encode():
        states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.reshape(batch, passages * length, -1)

    def whole():
        return generate(model, encode(), mask.reshape(batch, -1), settings["answer_length"])

    def ask():
        return {"encode": seconds(encode) / batch, "whole": seconds(whole) / batch}

    return {"answer_length": whole().shape[1] - 1}, ask


if __name__ == "__main__":
    serve(build)
