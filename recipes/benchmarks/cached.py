"""KERAS_BACKEND=jax python -m recipes.benchmarks.cached --size base --output bench

GLIMMER against what is used instead today: a decoder-only model that keeps the keys and values of
each passage. `--decoders` are such models of random weights on KerasHub's Llama, as layers x heads
of keys and values: by default one with as many layers as GLIMMER's decoder, and one of a quarter of
a billion weights, with all heads and with a quarter of them. Their other sizes are `--size`'s.

Of each: bytes kept for a token, for the passages of Wikipedia, and read for a question, at
`--disk`; multiply-accumulates until the first token, and its seconds, measured with all that is
kept in memory. Keys and values are taken in three ways:
  as they are     passages do not see each other, nor does their order count (TurboRAG, Lu et al.,
                  2025; Block-Attention, Ma et al., 2025, whose models are trained for it)
  blended         a share of tokens is computed again (CacheBlend, Yao et al., 2025), `--blended`
  not cached      all is computed; prefix caching helps where the first passage is always the same

Prints a table and writes DIR/cached-BACKEND.json.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import keras_hub
import numpy as np
from keras import ops
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.models.matrix_work import answering_work
from glimmer_keras.models.sizes import size_arguments
from recipes.benchmarks.limits import Limits, print_limits
from recipes.benchmarks.options import (
    add_jit_argument,
    add_timing_arguments,
    names,
    read_arguments,
)
from recipes.benchmarks.peers import our_parts
from recipes.benchmarks.report import run_cases
from recipes.benchmarks.timing import fastest, interleaved, spread

INT8, SCALE, BFLOAT16 = 1, 4, 2  # bytes
WIKIPEDIA = 22e6  # passages


@dataclass(frozen=True)
class Decoder:
    """The sizes of a decoder-only model with gated feed-forward blocks and tied embeddings."""

    layers: int
    key_value_heads: int
    heads: int
    dim: int
    intermediate: int
    vocabulary: int

    @property
    def name(self) -> str:
        return f"decoder of {self.layers} layers, {self.key_value_heads} cached heads"

    @property
    def cached(self) -> int:
        """Numbers kept of a token: its keys and values in all layers."""
        return 2 * self.layers * self.key_value_heads * (self.dim // self.heads)

    def work(self, tokens: float, before: float) -> float:
        """Multiply-accumulates of new tokens behind others, and of one next token's logits."""
        shared = 2 * self.dim**2 * self.key_value_heads / self.heads
        layer = 2 * self.dim**2 + shared + 3 * self.dim * self.intermediate
        scores = 2 * self.dim * (before + (tokens + 1) / 2)
        return self.layers * tokens * (layer + scores) + self.dim * self.vocabulary

    def blended_work(self, question: int, kept: int, share: float) -> float:
        """The same with a share of what is kept computed again, before half of it on average."""
        again = self.work(share * kept, kept / 2) - self.dim * self.vocabulary
        return again + self.work(question, kept)

    def build(self, dtype: str) -> keras_hub.models.LlamaCausalLM:
        backbone = keras_hub.models.LlamaBackbone(
            vocabulary_size=self.vocabulary,
            num_layers=self.layers,
            num_query_heads=self.heads,
            hidden_dim=self.dim,
            intermediate_dim=self.intermediate,
            num_key_value_heads=self.key_value_heads,
            tie_word_embeddings=True,
            dtype=dtype,
        )
        return keras_hub.models.LlamaCausalLM(backbone)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("cached", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=names, default=["base"])
    parser.add_argument("--decoders", type=names, default=["12x12", "30x12", "30x3"])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--blended", type=float, default=0.15, help="share computed again")
    parser.add_argument("--disk", type=float, default=3.0, help="GB/s")
    add_timing_arguments(parser)
    add_jit_argument(parser)
    options = read_arguments(parser, arguments)
    options.batch, options.answers = [1], [1]
    return options


def build(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """GLIMMER, and the sizes of the decoders, by name."""
    glimmer = Glimmer.from_size(size, dtype=options.dtype, num_selected=options.m)
    glimmer.compile(sampler="greedy")
    sizes = size_arguments(size)
    shared = (sizes["num_heads"], sizes["hidden_dim"], sizes["intermediate_dim"])
    decoders = [
        Decoder(*map(int, text.split("x")), *shared, glimmer.backbone.vocabulary_size)
        for text in options.decoders
    ]
    return {f"glimmer {options.k}->{options.m}": glimmer} | {d.name: d for d in decoders}


def measure(
    systems: dict[str, Any], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Count what each keeps, reads and computes, and time its first token."""
    passage = options.passage_length - options.question_length
    kept = options.k * passage
    (name, glimmer), *decoders = systems.items()
    parts, _ = our_parts(glimmer, batch, options.k, options)
    calls = {(name, part): call for part, call in parts.items()}
    lengths = (options.k, options.question_length, passage)
    work = sum(part.total for part in answering_work(glimmer.backbone, *lengths, 1).values())
    stored = glimmer.backbone.hidden_dim * INT8 + SCALE
    rows = {name: row(stored, kept, passage, {"from memory": work}, options)}
    for other, decoder in decoders:
        calls[other, "first"] = first_token(decoder, kept, options)
        asked = options.question_length
        ways = {
            "as they are": decoder.work(asked, kept),
            "blended": decoder.blended_work(asked, kept, options.blended),
            "not cached": decoder.work(kept + asked, 0),
        }
        rows[other] = row(decoder.cached * BFLOAT16, kept, passage, ways, options)
    limits = Limits(glimmer.backbone, kept, options.jit)
    times = interleaved(calls, options.repeats, limits.measure)
    for other in rows:
        rounds = zip(*(taken for (of, _), taken in times.items() if of == other), strict=True)
        rows[other]["seconds"] = spread([sum(taken) for taken in rounds])
    speed, _ = limits.speeds
    for each in rows.values():
        each["least_seconds"] = {way: macs / speed for way, macs in each["macs"].items()}
    return {"size": size, "batch": batch, "systems": rows, **limits.report()}


def row(
    stored: int, kept: int, passage: int, macs: dict[str, float], options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "bytes_a_token": stored,
        "wikipedia_terabytes": WIKIPEDIA * passage * stored / 1e12,
        "read_megabytes": kept * stored / 1e6,
        "read_seconds": kept * stored / (1e9 * options.disk),
        "macs": macs,
    }


def first_token(decoder: Decoder, kept: int, options: argparse.Namespace) -> Any:
    """Compile a question behind keys and values as they are, in the layout of KerasHub's Llama."""
    model, rng = decoder.build(options.dtype), np.random.default_rng(0)
    asked = options.question_length
    heads, width = decoder.key_value_heads, decoder.dim // decoder.heads
    shape = (1, decoder.layers, 2, kept + asked, heads, width)
    cache = ops.cast(rng.normal(size=shape).astype("float32"), model.compute_dtype)
    ids = ops.convert_to_tensor(rng.integers(2, decoder.vocabulary, (1, asked)).astype("int32"))

    def answer(ids, cache):
        logits, _, _ = model.call_with_cache(ids, cache, kept)
        return ops.argmax(logits[:, -1], axis=-1)

    return fastest(answer, model, (ids, cache), options.jit)[0]


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = f"{case['size']}, {options.k} passages: what is kept, and the first token"
    columns = ("bytes a token", "TB, 22 million passages", "MB read", "ms from disk")
    table = Table("system", *columns, "ms in memory", "GMAC, by way", title=title)
    for name, each in case["systems"].items():
        ways = ", ".join(f"{way} {macs / 1e9:.1f}" for way, macs in each["macs"].items())
        table.add_row(
            name,
            f"{each['bytes_a_token']:,}",
            f"{each['wikipedia_terabytes']:.1f}",
            f"{each['read_megabytes']:.0f}",
            f"{1000 * each['read_seconds']:.0f}",
            f"{1000 * each['seconds']['median']:.0f}",
            ways,
        )
    console.print(table)
    print_limits(console, case)


if __name__ == "__main__":
    main()
