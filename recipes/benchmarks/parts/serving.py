"""A model that is served, questions to it, and what it must answer."""

import argparse
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import Passage
from glimmer_keras.losses.perplexity_distillation import answer_log_prob
from glimmer_keras.memory import MemoryStore
from glimmer_keras.memory.quantize import dequantize
from glimmer_keras.pipelines import encode_corpus
from glimmer_keras.serving import export
from recipes.benchmarks.parts.load import Arrays, Request, take
from recipes.benchmarks.timing import synchronise
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.worlds.words import ADJECTIVES, NOUNS, PLACES

WORDS = [*ADJECTIVES, *NOUNS, *PLACES]
# What is served, and the inputs of `generate` that hold the same.
WITHOUT_MEMORY = {"answer_from_ids": "int8", "answer_from_tokens": "tokens"}
ASKED = {**WITHOUT_MEMORY, "answer": "floats", "answer_int8": "int8", "rerank": "floats"}
LARGEST_BATCH = 8
LOAD_LENGTHS = 16, 64, 8  # at most; many requests in minutes


def build(
    size: str, part: str, folder: Path, options: argparse.Namespace
) -> tuple[Glimmer, MemoryStore, Path]:
    """Build a model with random weights, memory of random passages, and a directory to serve."""
    keras.utils.set_random_seed(0)
    rng, (question, passage, answer) = np.random.default_rng(0), lengths(part, options)
    texts = [
        " ".join(rng.choice(WORDS, number))
        for number in rng.integers(passage // 4 + 1, passage + 1, options.passages)
    ]
    tokenizer = train_tokenizer([*WORDS, *texts], 500)
    preprocessor = GlimmerPreprocessor(tokenizer, question, passage, answer, options.k)
    vocabulary = {"vocabulary_size": tokenizer.vocabulary_size()} if part == "load" else {}
    glimmer = Glimmer.from_size(
        size, preprocessor=preprocessor, num_selected=options.m, **vocabulary
    )
    glimmer.compile(sampler="greedy")
    corpus = [Passage(str(row), "", text) for row, text in enumerate(texts)]
    store = encode_corpus(glimmer, corpus, folder / "store", progress=False)
    export(glimmer, folder / "glimmer", store)
    return glimmer, store, folder / "glimmer"


def lengths(part: str, options: argparse.Namespace) -> tuple[int, int, int]:
    """Give the tokens of question, passage and answer; under load as few as `LOAD_LENGTHS`."""
    passage = options.passage_length - options.question_length
    asked = options.question_length, passage, options.answer_length
    return asked if part == "latency" else tuple(map(min, asked, LOAD_LENGTHS))


def make_questions(
    glimmer: Glimmer, store: MemoryStore, number: int
) -> tuple[dict[str, Arrays], dict[str, Arrays]]:
    """Make inputs of all signatures, and of `generate` by kind, for the same random questions."""
    preprocessor, rng = glimmer.preprocessor, np.random.default_rng(0)
    k, length = preprocessor.num_passages, preprocessor.question_length
    rows = np.stack([rng.choice(len(store), k, replace=False) for _ in range(number)])
    memory = store.read([[str(row) for row in line] for line in rows])
    vocabulary = glimmer.backbone.vocabulary_size
    ids = rng.integers(3, vocabulary, (number, length), "int32")
    real = np.arange(length) < rng.integers(1, length + 1, (number, 1))
    question = {"question_token_ids": ids * real, "question_padding_mask": real}
    shared = question | {"passage_padding_mask": memory.mask}
    tokens = rng.integers(3, vocabulary, memory.mask.shape, "int32") * memory.mask
    kinds = {
        "floats": shared | {"passage_memory": dequantize(memory.values, memory.scales)},
        "int8": shared | {"passage_memory": memory.values, "passage_memory_scales": memory.scales},
        "tokens": shared | {"passage_token_ids": tokens},
    }
    by_row = question | {"passage_rows": rows.astype("int32")}
    return {name: kinds[kind] for name, kind in ASKED.items()} | {"answer_from_ids": by_row}, kinds


def generating(glimmer: Glimmer) -> Callable[[Arrays], Arrays]:
    """Give what `generate` computes, compiled as it compiles it, from arrays to arrays."""
    function, preprocessor = glimmer.make_generate_function(), glimmer.preprocessor
    stop = [preprocessor.tokenizer.end_token_id]

    def generate(inputs: Arrays) -> Arrays:
        outputs = synchronise(function(preprocessor.generate_preprocess(inputs), stop))
        return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}

    return generate


def expected_replies(glimmer: Glimmer, inputs: Arrays) -> Arrays:
    """Compute what a signature must reply, by `generate` and one pass over its answers."""
    outputs = generating(glimmer)(inputs)
    mask = outputs["decoder_padding_mask"].astype(bool)
    ids = np.where(mask, outputs["decoder_token_ids"], glimmer.preprocessor.tokenizer.pad_token_id)
    answers = {"decoder_token_ids": ids[:, :-1], "decoder_padding_mask": mask[:, :-1]}
    logits = glimmer(inputs | answers)["logits"]
    return {
        "answer_token_ids": ids[:, 1:],
        "answer_lengths": mask[:, 1:].sum(axis=1),
        "log_probability": ops.convert_to_numpy(
            answer_log_prob(logits, ids[:, 1:], mask[:, 1:], "sum")
        ),
        "passage_scores": outputs["passage_scores"],
        "selected_passages": outputs["selected_passages"],
    }


def load_questions(
    glimmer: Glimmer, store: MemoryStore, options: argparse.Namespace
) -> tuple[dict[str, Arrays], dict[str, Arrays]]:
    """Make inputs and expected replies of each signature, for all questions."""
    inputs, kinds = make_questions(glimmer, store, options.questions)
    batches = np.array_split(np.arange(options.questions), -(-options.questions // LARGEST_BATCH))
    by_kind: dict[str, Arrays] = {}
    for kind, given in kinds.items():
        parts = [expected_replies(glimmer, take(given, rows)) for rows in batches]
        by_kind[kind] = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    expected = {name: by_kind[kind] for name, kind in ASKED.items()}
    ranked = expected["rerank"]
    # All of them are in the ranking, of which the first m are selected.
    expected["rerank"] = {
        "passage_scores": ranked["passage_scores"],
        "passage_ranking": np.argsort(-ranked["passage_scores"], axis=1, kind="stable"),
    }
    return inputs, expected


def draw_requests(options: argparse.Namespace) -> list[Request]:
    """Draw who asks which questions; memory is sent by one client alone, as its JSON is long."""
    rng, last, requests = np.random.default_rng(1), options.clients - 1, []
    for number in range(options.requests):
        client = number % options.clients
        signature = str(rng.choice(list(ASKED if client == last else WITHOUT_MEMORY)))
        batch = rng.integers(1, LARGEST_BATCH + 1)
        requests.append(Request(client, signature, rng.integers(0, options.questions, batch)))
    return requests
