"""python recipes/pretrain_tiny_t5.py --output glimmer_keras/presets/tiny_world

Makes `tiny_world`, the tiny T5 that comes with the package, for recipes and tests that need a
reader on a laptop. It learns to read English sentences of generated worlds, other ones than the
quickstart's: one passage at a time, as Fusion-in-Decoder with k = 1, it answers questions, fills
slots, checks claims, recites a passage's facts in one order or another, and says "nothing"
where a passage does not tell. It is never shown more than one passage, so it knows nothing of
ranking or of reading several.

First it mostly recites, which teaches it to find and copy in 500 steps; then it mostly checks
claims, which takes longer; then half of its passages are wrong ones that BM25 found. The run's
own figures are in the report.json beside the preset.
"""

import argparse
import io
import itertools
import json
import time
from pathlib import Path

import keras
import keras_hub
import numpy as np
import sentencepiece
from fictional_world import World, make_world, training_text

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Example, Passage, Task, mixture
from glimmer_keras.models.t5_weights import to_t5
from glimmer_keras.pipelines import tokenize
from glimmer_keras.retrieval import BM25Retriever

TASKS = ("qa", "slots", "verify", "recite", "untold")
WORLD_SEEDS = (1001, 1002, 1003, 1004)
PHASES = (
    {
        "steps": 500,
        "learning_rate": 2e-2,
        "answer_length": 28,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 2.0, "recite": 4.0},
    },
    {
        "steps": 2000,
        "learning_rate": 1e-2,
        "answer_length": 8,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 3.0},
    },
    {
        "steps": 1000,
        "learning_rate": 1e-2,
        "answer_length": 8,
        "tasks": {"qa": 1.0, "slots": 1.0, "verify": 2.0, "untold": 4.0},
    },
)
SIZES = {"num_layers": 4, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 128}
LENGTHS = {"question_length": 16, "passage_length": 48}
VOCABULARY_SIZE = 900
BATCH_SIZE = 128
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
    tokenizer = train_tokenizer(worlds)
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
        history = train(reader, tokenizer, corpus, tasks, phase)
        seconds = round(time.perf_counter() - phase_start)
        reports.append({**phase, "seconds": seconds, "history": history})

    to_t5(reader.backbone).save_to_preset(args.output)
    tokenizer.save_to_preset(args.output)
    report = {
        "command": f"KERAS_BACKEND={keras.backend.backend()} python recipes/pretrain_tiny_t5.py",
        "batch_size": BATCH_SIZE,
        "seed": SEED,
        "world_seeds": WORLD_SEEDS,
        "parameters": reader.count_params(),
        "seconds": round(time.perf_counter() - start),
        "phases": reports,
    }
    (args.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def train(reader, tokenizer, corpus: Corpus, tasks: list[Task], phase: dict) -> dict:
    reader.preprocessor = gk.GlimmerPreprocessor(
        tokenizer, num_passages=1, answer_length=phase["answer_length"], **LENGTHS
    )
    mixed = [task for task in tasks if task.name in phase["tasks"]]
    tokens, passages = tokenize(mixed, corpus, reader.preprocessor)
    weights = [phase["tasks"][task.name] for task in mixed]
    batches = mixture(tokens, passages, BATCH_SIZE, seed=SEED, weights=weights)
    rate = keras.optimizers.schedules.CosineDecay(
        phase["learning_rate"], phase["steps"], alpha=0.05
    )
    reader.compile(keras.optimizers.Adafactor(rate, relative_step=False))
    epoch = min(phase["steps"], 250)
    fitted = reader.fit(batches, epochs=phase["steps"] // epoch, steps_per_epoch=epoch, verbose=2)
    return fitted.history


def train_tokenizer(worlds: list[World]) -> keras_hub.models.T5Tokenizer:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=itertools.chain.from_iterable(map(training_text, worlds)),
        model_writer=model,
        vocab_size=VOCABULARY_SIZE,
        hard_vocab_limit=False,
        user_defined_symbols=["[SEP]"],
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        pad_piece="<pad>",
        eos_piece="</s>",
        unk_piece="<unk>",
        minloglevel=2,
    )
    return keras_hub.models.T5Tokenizer(model.getvalue())


def reading_tasks(worlds: list[World]) -> tuple[Corpus, list[Task]]:
    """One corpus of all worlds, and tasks with one passage each, the gold one or a wrong one."""
    passages: list[Passage] = []
    examples: dict[str, list[Example]] = {name: [] for name in TASKS}
    rows: dict[str, list[int]] = {name: [] for name in TASKS}
    for number, world in enumerate(worlds):
        first = len(passages)
        for row in world.passages:
            passages.append(Passage(f"{number}-{row['id']}", row["title"], row["text"]))
            examples["recite"].append(recital(passages[-1], world.facts[row["id"]]))
            rows["recite"].append(len(passages) - 1)
        places = {row["id"]: first + place for place, row in enumerate(world.passages)}
        questions = [row for splits in world.tasks.values() for row in splits["train"]]
        wrong = wrong_passages(passages[first:], questions, places)
        for row, untold in zip(questions, wrong, strict=True):
            name, identifier = row["task"], f"{number}-{row['id']}"
            answers = tuple(other["answer"] for other in row["output"])
            examples[name].append(Example(identifier, name, row["input"], answers))
            rows[name].append(places[row["output"][0]["provenance"][0]["passage_id"]])
            examples["untold"].append(Example(identifier, "untold", row["input"], ("nothing",)))
            rows["untold"].append(first + untold)
    tasks = [
        Task(name, examples[name]).with_retrieved(np.array(rows[name], "int32")[:, None])
        for name in TASKS
    ]
    return Corpus(passages), tasks


def wrong_passages(passages: list[Passage], questions: list[dict], places: dict) -> list[int]:
    """For each question a passage of its world that BM25 finds, but that does not tell."""
    rng = np.random.default_rng(SEED)
    found, _ = BM25Retriever.build(passages).search([row["input"] for row in questions], 8)
    first = min(places.values())
    chosen = []
    for row, candidates in zip(questions, found, strict=True):
        outputs = row["output"]
        gold = {places[p["passage_id"]] - first for o in outputs for p in o["provenance"]}
        chosen.append(int(rng.choice([c for c in candidates if c not in gold])))
    return chosen


def recital(passage: Passage, facts: list[tuple[str, str]]) -> Example:
    """The passage's facts in any order: which one is asked for is drawn anew each epoch."""
    orders = itertools.permutations(f"{relation} {value}" for relation, value in facts)
    answers = tuple(" ; ".join(order) for order in orders)
    return Example(passage.id, "recite", f"Recite {passage.title}", answers)


if __name__ == "__main__":
    main()
