"""A training step of Fusion-in-Decoder on Hugging Face's T5, the peer of `benchmarks.training`.

A child process that answers each round with the seconds of a step with Adafactor, from random
token ids.
"""

from typing import Any

from recipes.benchmarks.hugging_face.t5 import seconds, serve


def build(model: Any, settings: dict[str, Any]) -> tuple:
    import torch
    from transformers.modeling_outputs import BaseModelOutput
    from transformers.optimization import Adafactor

    if settings["rematerialize"]:
        model.gradient_checkpointing_enable()
    batch, k = settings["batch"], settings["k"]
    length, answer = settings["passage_length"], settings["answer_length"]
    ids = torch.randint(2, model.config.vocab_size, (batch * k, length))
    labels = torch.randint(2, model.config.vocab_size, (batch, answer))
    mask = torch.ones_like(ids)
    optimizer = Adafactor(model.parameters(), lr=1e-4, relative_step=False, scale_parameter=True)
    losses = []

    def step():
        states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        read = BaseModelOutput(states.reshape(batch, k * length, -1))
        loss = model(
            encoder_outputs=read, attention_mask=mask.reshape(batch, -1), labels=labels
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())

    step()
    return {"loss": losses[0]}, lambda: {"step": seconds(step)}


if __name__ == "__main__":
    serve(build, training=True)
