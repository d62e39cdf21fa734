"""Decoding from states at hand, by our models and by KerasHub's, compiled for one token and all."""

import argparse
from typing import Any

import numpy as np
from keras import ops

from glimmer_keras import Glimmer
from recipes.benchmarks.parts.answering import prompt
from recipes.benchmarks.timing import fastest


def compile_parts(system: Any, batch: int, options: argparse.Namespace) -> tuple[dict, str, list]:
    """Compile the calls; give them, how those that decode were compiled, and all tokens."""
    rng, dim = np.random.default_rng(0), system.backbone.hidden_dim
    shape = batch, options.passages, options.passage_length
    states = ops.cast(rng.normal(size=(*shape, dim)).astype("float32"), system.compute_dtype)
    mask, calls = ops.ones(shape, "bool"), {}
    if isinstance(system, Glimmer):
        project = system.backbone.decoder.project_memory
        calls["memory"], read, _ = fastest(project, system, (states, mask), options.jit)

        def decode(asked, read):
            return system.answer_from(asked, {}, memory=read)["decoder_token_ids"]
    else:
        read, decode = states, system.answer

    whole = (prompt(batch, options.answer_length), read)
    calls["whole"], tokens, jit = fastest(decode, system, whole, options.jit)
    # Compiled the same way, or their difference is of no use.
    same = {"xla": "on", "graph": "off"}.get(jit, options.jit)
    calls["first"], _, _ = fastest(decode, system, (prompt(batch, 1), read), same)
    return calls, jit, ops.convert_to_numpy(tokens).tolist()
