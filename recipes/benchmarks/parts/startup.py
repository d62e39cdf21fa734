"""The parts of starting, each run by a child process."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

import glimmer_keras as gk
from glimmer_keras.data import Passage
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines import encode_corpus
from glimmer_keras.retrieval import BM25Retriever
from recipes.benchmarks.parts.compilations import Compilations
from recipes.benchmarks.processes import be_part, resident
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.worlds.words import ADJECTIVES, NOUNS, PLACES

WORDS = [*ADJECTIVES, *NOUNS, *PLACES]
MEASURED_FROM = 1 / 5  # of the questions, when memory is read first


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    """Write a preset with random weights, in Hugging Face's form too, and a store of passages."""
    keras.utils.set_random_seed(0)
    rng, folder = np.random.default_rng(0), Path(settings["folder"])
    tokenizer = train_tokenizer(WORDS, 1000)
    names = ("question_length", "passage_length", "answer_length", "k")
    preprocessor = gk.GlimmerPreprocessor(tokenizer, *(settings[name] for name in names))
    glimmer = gk.Glimmer.from_size(
        settings["size"], preprocessor=preprocessor, num_selected=settings["m"]
    )
    # Answers are words of the tokenizer, and as long as may be: no other token is ever best.
    head = glimmer.backbone.token_embedding.reverse_embeddings
    ids = np.arange(head.shape[1])
    words = (ids >= 3) & (ids < tokenizer.vocabulary_size())
    head.assign(head * words.astype("float32"))
    # One position bias for all encoder layers, as T5 has.
    backbone = glimmer.backbone
    backbone.live_position_bias.table.assign(backbone.memory_encoder.position_bias.table)
    glimmer.export_to_transformers(folder / "hugging_face")
    glimmer.compile(sampler="greedy")
    glimmer.save_to_preset(str(folder / "preset"))
    corpus = [
        Passage(str(row), "", " ".join(rng.choice(WORDS, number)))
        for row, number in enumerate(
            rng.integers(1, settings["passage_length"] // 3 + 2, settings["passages"])
        )
    ]
    encode_corpus(glimmer, corpus, folder / "store", progress=False)
    return {"parameters": glimmer.count_params()}


def load(settings: dict[str, Any]) -> dict[str, Any]:
    """Time loading the preset, with its greatest memory, and the first two answers."""
    folder = Path(settings["folder"])
    glimmer, costs = loaded(lambda: gk.Glimmer.from_preset(str(folder / "preset")))
    started = time.perf_counter()
    reader = make_reader(glimmer, folder)
    question = next(questions(settings))
    reader.answer(question)
    first = time.perf_counter() - started
    started = time.perf_counter()
    reader.answer(question)
    return {
        "first_answer_seconds": first,
        "second_answer_seconds": time.perf_counter() - started,
        **costs,
    }


def load_hugging_face(settings: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Time loading the float32 safetensors of T5 in a dtype, with its greatest memory."""
    path = Path(settings["folder"]) / "hugging_face"
    return loaded(lambda: gk.Glimmer.from_t5(path, num_selected=settings["m"], dtype=dtype))[1]


def loaded(make: Callable[[], gk.Glimmer]) -> tuple[gk.Glimmer, dict[str, float]]:
    """Make a model, and tell the seconds and the greatest memory of that."""
    keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)  # the backend has begun
    before = resident()["now"]
    started = time.perf_counter()
    glimmer = make()
    loading = time.perf_counter() - started
    memory = resident()
    weights = sum(math.prod(w.shape) * np.dtype(w.dtype).itemsize for w in glimmer.weights) / 2**20
    return glimmer, {
        "load_seconds": loading,
        "weights_megabytes": weights,
        "before_megabytes": before,
        "loaded_megabytes": memory["now"] - before,
        "peak_megabytes": memory["greatest"] - before,
        "peak_over_weights": (memory["greatest"] - before) / weights,
    }


def answer(settings: dict[str, Any]) -> dict[str, Any]:
    """Count compilations and memory while questions are answered, all shapes met before."""
    folder, total = Path(settings["folder"]), settings["questions"]
    compilations = Compilations()
    glimmer = gk.Glimmer.from_preset(str(folder / "preset"))
    reader = make_reader(glimmer, folder)
    rng, asked = np.random.default_rng(1), questions(settings)
    groups = by_length(MemoryStore.open(folder / "store"), reader.lengths)

    def ids(group):
        """Draw some passages, the longest of this group."""
        shorter = [i for part in groups[: group + 1] for i in part]
        number = rng.integers(1, reader.num_passages + 1)
        rest = rng.choice(shorter, min(number, len(shorter)), replace=False).tolist()
        return list(dict.fromkeys([str(rng.choice(groups[group])), *rest]))[: reader.num_passages]

    def ask(group, number, retrieve):
        texts = [next(asked) for _ in range(number)]
        passages = None if retrieve else [ids(group) for _ in texts]
        if number == 1:
            reader.answer(texts[0], passages[0] if passages else None)
        else:
            reader.answer(texts, passages)
        return number

    started = time.perf_counter()
    for group in range(len(groups)):
        for number in (1, reader.batch_size):
            ask(group, number, retrieve=False)
            ask(group, number, retrieve=True)
    warm, warming = compilations.count(glimmer), time.perf_counter() - started
    started, done = time.perf_counter(), 0
    memory: dict[int, dict[str, float]] = {}
    while done < total:
        number = 1 if rng.random() < 0.5 else int(rng.integers(2, 2 * reader.batch_size))
        done += ask(rng.integers(len(groups)), min(number, total - done), rng.random() < 0.5)
        if not memory and done >= MEASURED_FROM * total:
            memory[done] = resident()
    memory[done] = resident()
    early, late = memory.values()
    return {
        "compilations_warming_up": warm,
        "compilations": compilations.count(glimmer) - warm,
        "counted": compilations.what,
        "shapes": 2 * len(groups),
        "questions": done,
        "warming_seconds": warming,
        "seconds": time.perf_counter() - started,
        "megabytes": memory,
        "growth_megabytes": late["now"] - early["now"],
    }


def make_reader(glimmer: gk.Glimmer, folder: Path) -> gk.Reader:
    glimmer.compile(sampler="greedy")
    store = MemoryStore.open(folder / "store")
    return gk.Reader(glimmer, store, BM25Retriever.build(list(store.iter_passages())))


def questions(settings: dict[str, Any]) -> Iterator[str]:
    """Make questions without end, of all lengths that fit."""
    rng = np.random.default_rng(2)
    while True:
        yield " ".join(rng.choice(WORDS, rng.integers(1, settings["question_length"] // 6 + 2)))


def by_length(store: MemoryStore, lengths: tuple[int, ...]) -> list[list[str]]:
    """Give ids of passages that need each of `lengths`; lengths that none needs are left out."""
    ids = [passage.id for passage in store.iter_passages()]
    needed = np.searchsorted(lengths, store.read(ids).lengths)
    groups = [np.array(ids)[needed == place].tolist() for place in range(len(lengths))]
    return [group for group in groups if group]


PARTS: dict[str, Callable] = {
    "prepare": prepare,
    "load": load,
    "load_float32": functools.partial(load_hugging_face, dtype="float32"),
    "load_bfloat16": functools.partial(load_hugging_face, dtype="bfloat16"),
    "answer": answer,
}


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Measure the part that the settings name."""
    return PARTS[settings["part"]](settings)


if __name__ == "__main__":
    be_part(measure)
