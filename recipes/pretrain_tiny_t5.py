"""python recipes/pretrain_tiny_t5.py --output glimmer_keras/presets/tiny_world

Makes `tiny_world`, the tiny T5 that comes with the package, for recipes and tests that need a
reader on a laptop. It learns to read English sentences of generated worlds, other ones than the
quickstart's: one passage at a time, as Fusion-in-Decoder with k = 1, it answers questions, fills
slots, checks claims, recites a passage's facts in one order or another, and says "nothing"
where a passage does not tell. Last it reads two of eight passages that it reranks itself.

First it mostly recites, which teaches it to find and copy in 500 steps; then it mostly checks
claims, which takes longer; then half of its passages are wrong ones that BM25 found; then it
is a GLIMMER without memory, distilling what helps it to answer into its first three layers. Many
of the questions there still have one passage alone, right or wrong: a reader that must always
answer learns to guess, and its guesses teach ranking nothing. The run's own figures are in the
report.json beside the preset.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import keras
import numpy as np
from _tokenizer import train_tokenizer
from fictional_world import World, make_world, training_text

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Example, Passage, Task, mixture
from glimmer_keras.models.t5_weights import to_t5
from glimmer_keras.pipelines import tokenize
from glimmer_keras.retrieval import BM25Retriever

UNTOLD = "nothing"
TASKS = ("qa", "slots", "verify", "recite", "told", "untold")
WORLD_SEEDS = (1001, 1002, 1003, 1004)
PHASES = (
    {
        "steps": 500,
        "learning_rate": 2e-2,
        "answer_length": 28,
        "batch_size": 128,
        "num_passages": 1,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 2.0, "recite": 4.0},
    },
    {
        "steps": 2000,
        "learning_rate": 1e-2,
        "answer_length": 8,
        "batch_size": 128,
        "num_passages": 1,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 3.0},
    },
    {
        "steps": 1000,
        "learning_rate": 1e-2,
        "answer_length": 8,
        "batch_size": 128,
        "num_passages": 1,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 2.0, "untold": 4.0},
    },
    {
        "steps": 1500,
        "learning_rate": 1e-2,
        "answer_length": 8,
        "batch_size": 32,
        "num_passages": 8,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 2.0, "told": 1.5, "untold": 1.5},
    },
)
RANKER = {"live_proportion": 1.0, "rerank_proportion": 3 / 4, "num_selected": 2, "dropout": 0.0}
SIZES = {"num_layers": 4, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128}
LENGTHS = {"question_length": 16, "passage_length": 48}
VOCABULARY_SIZE = 900
NUM_PASSAGES = 8
TEMPERATURE = 0.1
SEED = 1


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="preset folder to write")
    parser.add_argument("--shorten", type=int, default=1, help="take 1/N of the steps, to try")
    parser.add_argument("--people", type=int, default=500, help="people in each world")
    args = parser.parse_args(argv)
    start = time.perf_counter()
    keras.utils.set_random_seed(SEED)

    worlds = [make_world(seed, people=args.people) for seed in WORLD_SEEDS]
    lines = itertools.chain.from_iterable(map(training_text, worlds))
    tokenizer = train_tokenizer(lines, VOCABULARY_SIZE, symbols=[UNTOLD])
    corpus, tasks = reading_tasks(worlds)
    reader = gk.Glimmer.fid(
        "tiny",
        vocabulary_size=tokenizer.vocabulary_size(),
        activation="gelu",
        dropout=0.0,
        tie_embedding_weights=True,
        position_bias_stddev=2.0,
        **SIZES,
    )
    reports = []
    for phase in PHASES:
        phase = phase | {"steps": phase["steps"] // args.shorten}
        phase_start = time.perf_counter()
        if phase["num_passages"] > 1:
            reader = gk.Glimmer.from_t5(to_t5(reader.backbone), **RANKER)
        history = train(reader, tokenizer, corpus, tasks, phase)
        seconds = round(time.perf_counter() - phase_start)
        reports.append({**phase, "seconds": seconds, "history": history})

    t5 = to_t5(reader.backbone)
    t5.save_to_preset(args.output)
    tokenizer.save_to_preset(args.output)
    report = {
        "command": f"KERAS_BACKEND={keras.backend.backend()} python recipes/pretrain_tiny_t5.py",
        "seed": SEED,
        "world_seeds": WORLD_SEEDS,
        "parameters": t5.count_params(),
        "seconds": round(time.perf_counter() - start),
        "phases": reports,
    }
    (args.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def train(reader, tokenizer, corpus: Corpus, tasks: list[Task], phase: dict) -> dict:
    reader.preprocessor = gk.GlimmerPreprocessor(
        tokenizer,
        num_passages=phase["num_passages"],
        answer_length=phase["answer_length"],
        **LENGTHS,
    )
    mixed = [task for task in tasks if task.name in phase["tasks"]]
    tokens, passages = tokenize(mixed, corpus, reader.preprocessor)
    weights = [phase["tasks"][task.name] for task in mixed]
    batches = mixture(
        tokens,
        passages,
        phase["batch_size"],
        seed=SEED,
        weights=weights,
        num_passages=phase["num_passages"],
    )
    rate = keras.optimizers.schedules.CosineDecay(
        phase["learning_rate"], phase["steps"], alpha=0.05
    )
    reader.compile(
        gk.training.Adafactor(rate),
        distillation_temperature=TEMPERATURE,
    )
    epoch = min(phase["steps"], 250)
    fitted = reader.fit(batches, epochs=phase["steps"] // epoch, steps_per_epoch=epoch, verbose=2)
    return fitted.history


def reading_tasks(worlds: list[World]) -> tuple[Corpus, list[Task]]:
    """One corpus of all worlds, and tasks: the gold passage first, then wrong ones that BM25 found.

    Examples of `told` have the gold passage alone, those of `untold` a wrong one.
    """
    passages: list[Passage] = []
    examples: dict[str, list[Example]] = {name: [] for name in TASKS}
    rows: dict[str, list[list[int]]] = {name: [] for name in TASKS}

    def add(name, example, found):
        examples[name].append(example)
        rows[name].append((found + [-1] * NUM_PASSAGES)[:NUM_PASSAGES])

    rng = np.random.default_rng(SEED)
    for number, world in enumerate(worlds):
        first = len(passages)
        passages += [Passage(f"{number}-{p['id']}", p["title"], p["text"]) for p in world.passages]
        for row, passage in enumerate(passages[first:], first):
            facts = world.facts[world.passages[row - first]["id"]]
            add("recite", recital(passage, facts), [row])
        places = {passage["id"]: first + row for row, passage in enumerate(world.passages)}
        questions = [row for splits in world.tasks.values() for row in splits["train"]]
        texts = [question["input"] for question in questions]
        found, _ = BM25Retriever.build(passages[first:]).search(texts, NUM_PASSAGES + 4)
        for question, candidates in zip(questions, found + first, strict=True):
            provenance = [p for output in question["output"] for p in output["provenance"]]
            gold = [places[p["passage_id"]] for p in provenance]
            wrong = [int(row) for row in candidates if row not in gold]
            answers = tuple(output["answer"] for output in question["output"])
            name, text = question["task"], question["input"]
            identifier = f"{number}-{question['id']}"
            add(name, Example(identifier, name, text, answers), gold + wrong)
            add("told", Example(identifier, "told", text, answers), gold[:1])
            untold = Example(identifier, "untold", text, (UNTOLD,))
            add("untold", untold, [int(rng.choice(wrong[:NUM_PASSAGES]))])
    tasks = [
        Task(name, examples[name]).with_retrieved(np.array(rows[name], "int32")) for name in TASKS
    ]
    return Corpus(passages), tasks


def recital(passage: Passage, facts: list[tuple[str, str]]) -> Example:
    """The passage's facts in any order: which one is asked for is drawn anew each epoch."""
    orders = itertools.permutations(f"{relation} {value}" for relation, value in facts)
    answers = tuple(" ; ".join(order) for order in orders)
    return Example(passage.id, "recite", f"Recite {passage.title}", answers)


if __name__ == "__main__":
    main()
