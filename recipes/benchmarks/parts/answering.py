"""An answer of our models cut into parts that can be compiled and timed apart."""

import argparse
from typing import Any

import numpy as np
from keras import ops

from glimmer_keras import Glimmer, GlimmerBackbone
from recipes.benchmarks.timing import fastest


def build(size: str, options: argparse.Namespace) -> dict[str, Glimmer]:
    """Build the three systems with random weights."""
    readers = {}
    for system in ("fid", "lumen", "glimmer"):
        selected = {"num_selected": options.m} if system == "glimmer" else {}
        readers[system] = Glimmer.from_size(size, system, dtype=options.dtype, **selected)
        readers[system].compile(sampler="greedy")
    return readers


def make_inputs(reader: Glimmer, batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """Make random inputs on the device: memory, or token ids where all layers are live."""
    backbone, rng = reader.backbone, np.random.default_rng(0)
    passages = (batch, options.k, options.passage_length - options.question_length)

    def ids(*shape):
        return rng.integers(2, backbone.vocabulary_size, shape).astype("int32")

    inputs: dict[str, Any] = {
        "question_token_ids": ids(batch, options.question_length),
        "question_padding_mask": np.ones((batch, options.question_length), "bool"),
        "passage_padding_mask": np.ones(passages, "bool"),
        **prompt(batch, options.answer_length),
    }
    if backbone.layer_counts["memory"]:
        memory = rng.normal(size=(*passages, backbone.memory_dim)).astype("float32")
        inputs["passage_memory"] = ops.cast(memory, backbone.compute_dtype)
    else:
        inputs["passage_token_ids"] = ids(*passages)
    return {name: ops.convert_to_tensor(value) for name, value in inputs.items()}


def prompt(batch: int, tokens: int) -> dict[str, Any]:
    """Make a start token, and room for `tokens` more."""
    ids = np.zeros((batch, tokens + 1), "int32")
    real = np.arange(tokens + 1)[None] < np.ones((batch, 1))
    inputs = {"decoder_token_ids": ids, "decoder_padding_mask": real}
    return {name: ops.convert_to_tensor(value) for name, value in inputs.items()}


def rerank(backbone: GlimmerBackbone, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run GLIMMER up to the selected states: the first half of `GlimmerBackbone.read`."""
    question = backbone.encode_question(inputs)
    states, mask = backbone.join_question(
        question,
        inputs["question_padding_mask"],
        inputs["passage_memory"],
        inputs["passage_padding_mask"],
    )
    states = backbone.stage_a(states, mask, backbone.live_position_bias(states))
    scores = backbone.passage_scorer(states, mask)
    ranking, states, mask = backbone.top_m_select(scores, states, mask)
    return {
        "question_memory": question,
        "states": states,
        "encoded_padding_mask": mask,
        "passage_scores": scores,
        "selected_passages": ranking[:, : backbone.num_selected],
    }


def encode_selected(backbone: GlimmerBackbone, reranked: dict[str, Any]) -> Any:
    """Run stage B, the second half of `GlimmerBackbone.read`."""
    states = reranked["states"]
    bias = backbone.live_position_bias(states)
    return backbone.stage_b(states, reranked["encoded_padding_mask"], bias)


def compile_parts(reader: Glimmer, inputs: dict[str, Any], jit: str) -> tuple[dict, dict, dict]:
    """Compile each part; give calls, how each was compiled, and the tokens of `decode`, `whole`."""
    backbone = reader.backbone
    calls, choices, results = {}, {}, {}

    def add(part, function, *arguments):
        calls[part], results[part], choices[part] = fastest(function, reader, arguments, jit)
        return results[part]

    if backbone.num_selected is None:
        encoded = add("encode", lambda inputs: backbone.read(inputs), inputs)
    else:
        reranked = add("rerank", lambda inputs: rerank(backbone, inputs), inputs)
        states = add("encode", lambda reranked: encode_selected(backbone, reranked), reranked)
        encoded = {**reranked, "encoded_passages": states}
    add("decode", lambda inputs, encoded: reader.answer_from(inputs, encoded), inputs, encoded)
    add("whole", lambda inputs: reader.generate_step(inputs), inputs)
    answers = {
        part: ops.convert_to_numpy(results[part]["decoder_token_ids"]).tolist()
        for part in ("decode", "whole")
    }
    return calls, choices, answers
