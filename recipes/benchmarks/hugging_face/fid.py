"""Fusion-in-Decoder on Hugging Face's T5, the peer that `benchmarks.peers --peer hf` starts.

A child process that answers each round with the seconds of a batch, from random token ids: of
encoding, and of decoding answers of several lengths.
"""

from typing import Any

from recipes.benchmarks.hugging_face.t5 import generate, seconds, serve


def build(model: Any, settings: dict[str, Any]) -> tuple:
    import torch

    batch, length, answers = (settings[name] for name in ("batch", "passage_length", "answers"))

    def ask():
        return {f"hf fid {k}": answer(k) for k in settings["passages"]}

    def answer(k):
        ids = torch.randint(2, model.config.vocab_size, (batch * k, length))
        mask, states = torch.ones_like(ids), None

        def encode():
            nonlocal states
            states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            states = states.reshape(batch, k * length, -1)

        times = {"encode": seconds(encode)}
        mask = mask.reshape(batch, -1)
        for tokens in answers:
            times[tokens] = seconds(lambda tokens=tokens: generate(model, states, mask, tokens))
        return times

    def tokens_of(length):
        states = torch.zeros(batch, 2, model.config.d_model)
        return generate(model, states, torch.ones(batch, 2, dtype=int), length).shape[1] - 1

    return {"answers": [tokens_of(length) for length in answers]}, ask


if __name__ == "__main__":
    serve(build)
