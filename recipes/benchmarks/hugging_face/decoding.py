"""Decoding with Hugging Face's T5, the peer that `benchmarks.decoding --peer hf` starts.

A child process that answers each round with the seconds of `generate` for one token and for all,
of a whole batch, from random encoded states. Cross-attention keys and values are in both times.
"""

from typing import Any

from recipes.benchmarks.hugging_face.t5 import generate, seconds, serve


def build(model: Any, settings: dict[str, Any]) -> tuple:
    import torch

    # Weights too, as that is how torch computes in bfloat16.
    model = model.to(getattr(torch, settings["dtype"]))
    shape = settings["batch"], settings["positions"]
    states = torch.randn(*shape, model.config.d_model, dtype=model.dtype)
    mask = torch.ones(shape, dtype=torch.long)

    def first():
        return generate(model, states, mask, 1)

    def whole():
        return generate(model, states, mask, settings["answer_length"])

    def ask():
        return {"first": seconds(first), "whole": seconds(whole)}

    first()
    return {"answer_length": whole().shape[1] - 1}, ask


if __name__ == "__main__":
    serve(build)
