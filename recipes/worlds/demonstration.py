"""python -m recipes.worlds.demonstration

Trains a tiny GLIMMER on four tasks at once over a small invented world, encodes all passages to a
memory store, answers from it, and shows what that gives: exact match for each task, how much
better it ranks passages than BM25, milliseconds a question with int8 memory, float32 memory and
none, and six questions answered with the passages that were read and their scores.

No files and no network are needed. The facts of the world stand in its passages alone, and the
entities asked about in the test never occur in a training question. No passage is labelled as
relevant in this training: the model learns to rank from what helps it to answer. It starts from
`tiny_world`, a tiny T5 that comes with the package and learned to read and rank on other worlds,
where it was told which passages tell the answer (recipes.pretraining.tiny_world). With --output DIR
the model and its memory are kept, and `glimmer answer DIR/preset --store DIR/memory` waits for
more questions. Three to five minutes on 2 cores, with TensorFlow or JAX.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import keras
from rich.console import Console

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, mixture
from glimmer_keras.evaluation import score_table, score_tasks
from glimmer_keras.pipelines import Predictions, encode_corpus, retrieve, tokenize
from glimmer_keras.retrieval import BM25Retriever
from glimmer_keras.training import RunConfig, TrainingRun, keep_freed_memory
from recipes.quickstart import show
from recipes.worlds.fictional_world import TASKS
from recipes.worlds.tasks import world_tasks

NUM_PASSAGES, NUM_SELECTED = 8, 2
LENGTHS = {"question_length": 16, "passage_length": 64, "answer_length": 8}
STEPS, BATCH_SIZE, LEARNING_RATE, TEMPERATURE = 200, 32, 1e-2, 0.1
STEPS_SHOWN = 100
TEST_QUESTIONS = 250
WORLD_SEED, TRAINING_SEED = 2027, 0


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="folder for report.json, preset and memory")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--people", type=int, default=1500, help="people in the world")
    args = parser.parse_args(argv)
    if args.output and (args.output / "memory").exists():
        parser.error(f"--output must hold no memory of another run. Received: {args.output}")
    console = Console()
    start = time.perf_counter()
    keep_freed_memory()
    keras.utils.set_random_seed(TRAINING_SEED)

    console.rule("A small world")
    corpus, train, test = world_tasks(seed=WORLD_SEED, people=args.people)
    test = [task.take(TEST_QUESTIONS) for task in test]
    console.print(f"{corpus}\n{train}")
    retriever = BM25Retriever.build(corpus)
    train, test = retrieve(train, retriever, NUM_PASSAGES), retrieve(test, retriever, NUM_PASSAGES)

    console.rule(f"GLIMMER, {NUM_PASSAGES} passages reranked to {NUM_SELECTED}")
    glimmer = make_glimmer(args.steps)
    glimmer.backbone.print_layers(console.print)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.output or Path(temporary)
        fit_start = time.perf_counter()
        history = train_glimmer(glimmer, train, corpus, Path(temporary) / "run", args.steps)
        fit_seconds = time.perf_counter() - fit_start

        console.rule("Memory of all passages, encoded once")
        glimmer.save_to_preset(folder / "preset")
        store = encode_corpus(glimmer, corpus, folder / "memory")
        exact = encode_corpus(glimmer, corpus, Path(temporary) / "float32", "float32")
        console.print(f"{store}\n{store.info()['bytes'] / 2**20:.1f} MiB")
        readers = {
            "int8": gk.Reader(glimmer, store, retriever, batch_size=BATCH_SIZE),
            "float32": gk.Reader(glimmer, exact, retriever, batch_size=BATCH_SIZE),
            "none": gk.Reader(glimmer, None, retriever, corpus=corpus, batch_size=BATCH_SIZE),
        }
        console.rule("Test: entities that no training question was about")
        answers = {name: answer_all(reader, test) for name, reader in readers.items()}
        seconds = {name: seconds_per_question(reader, test[0]) for name, reader in readers.items()}
    scores = {name: score_answers(found, test, corpus) for name, found in answers.items()}
    same = same_selected(answers["int8"], answers["float32"])
    console.print(score_table(scores["int8"], f"Test scores in percent, recall@{NUM_SELECTED}"))
    for name in readers:
        console.print(
            f"memory {name}: exact match {100 * scores[name]['average']['exact_match']:.1f}, "
            f"{1000 * seconds[name]:.1f} ms a question"
        )
    console.print(f"int8 and float32 memory select the same passages for {100 * same:.1f} %")

    console.rule("Six questions")
    for task, number in (
        ("qa", 0),
        ("qa", 1),
        ("slots", 0),
        ("verify", 0),
        ("compare", 0),
        ("compare", 1),
    ):
        show(console, answers["int8"][task][number], test[TASKS.index(task)][number].answers)
    total = time.perf_counter() - start
    console.print(f"{total:.0f} s in all, {fit_seconds:.0f} s of them in fit")

    if args.output:
        report = {
            "backend": keras.backend.backend(),
            "steps": args.steps,
            "seconds": total,
            "fit_seconds": fit_seconds,
            "seconds_per_question": seconds,
            "scores": scores["int8"],
            "scores_by_memory": {name: table["average"] for name, table in scores.items()},
            "same_selected": same,
            "history": history,
        }
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def make_glimmer(steps: int) -> gk.Glimmer:
    """A GLIMMER with the weights of `tiny_world`, compiled for that many steps."""
    glimmer = gk.Glimmer.from_t5(
        "tiny_world",
        live_proportion=3 / 4,
        rerank_proportion=2 / 3,
        num_selected=NUM_SELECTED,
        dropout=0.0,
    )
    glimmer.preprocessor = gk.GlimmerPreprocessor(
        glimmer.preprocessor.tokenizer, num_passages=NUM_PASSAGES, **LENGTHS
    )
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps, alpha=0.05)
    glimmer.compile(gk.optimizers.Adafactor(rate), distillation_temperature=TEMPERATURE)
    return glimmer


def train_glimmer(
    glimmer: gk.Glimmer, tasks: list[Task], corpus: Corpus, folder: Path, steps: int
) -> list[dict[str, float]]:
    """Train on a mixture of the tasks; gives the losses, stretch by stretch."""
    tokens, passages = tokenize(tasks, corpus, glimmer.preprocessor)
    run = TrainingRun(
        glimmer,
        lambda step: mixture(tokens, passages, BATCH_SIZE, seed=TRAINING_SEED, start_step=step),
        folder,
        steps=steps,
        run=RunConfig(log_every=STEPS_SHOWN, save_every=steps),
    )
    if stopped_by := run.fit():
        raise SystemExit(f"Stopped by {stopped_by}")
    return run.history()


def answer_all(reader: gk.Reader, tasks: list[Task]) -> dict[str, list[gk.Answer]]:
    return {task.name: reader.answer([example.question for example in task]) for task in tasks}


def seconds_per_question(reader: gk.Reader, task: Task) -> float:
    """Of a task that was answered before, so that nothing is compiled any more."""
    start = time.perf_counter()
    answer_all(reader, [task])
    return (time.perf_counter() - start) / len(task)


def score_answers(
    answers: dict[str, list[gk.Answer]], tasks: list[Task], corpus: Corpus
) -> dict[str, dict[str, float]]:
    predictions = {name: Predictions.from_answers(found) for name, found in answers.items()}
    return score_tasks(tasks, corpus, predictions)


def same_selected(one: dict[str, list[gk.Answer]], other: dict[str, list[gk.Answer]]) -> float:
    """Share of questions for which the same set of passages was read."""
    pairs = [pair for name in one for pair in zip(one[name], other[name], strict=True)]
    sets = [[{passage.id for passage in answer.selected} for answer in pair] for pair in pairs]
    return sum(a == b for a, b in sets) / len(sets)


if __name__ == "__main__":
    main()
