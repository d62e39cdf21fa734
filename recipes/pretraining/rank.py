"""python -m recipes.pretraining.rank --run runs/reader --data DIR --hours 1

Teaches a pretrained reader to rerank, on the training questions of a folder in the shape of KILT:
eight passages by BM25, of which it reads two. First the reader itself, as it is, reads each passage
alone; how likely it finds the answer then is kept (`likelihoods/`), and its recall printed beside
BM25's: the most that distillation can teach. With the prior of BM25's order, which --no-prior
leaves out as the paper does, the teacher is likelihood times prior. Then scorer and reader learn
together from what was kept, on memory that is encoded once. Questions that pretraining held out
are for tuning; --output gets a preset of the GLIMMER.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, mixture, read_corpus
from glimmer_keras.optimizers import Adafactor
from glimmer_keras.pipelines import (
    CorpusMemory,
    TrainingData,
    answer_likelihoods,
    encode_corpus,
    replace_preset,
    training_data,
)
from glimmer_keras.training import RunConfig, TrainingRun, keep_freed_memory
from glimmer_keras.utils.files import write_file
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.course import PHASES, SECONDS_AT_RISK, Cosine, Sizes, reader_of
from recipes.pretraining.questions import split_task, training_tasks

NUM_PASSAGES, NUM_SELECTED = 8, 2
HELD = 100  # questions of each task to tune on
LENGTHS = (32, 160, 16)
RATE = (3e-3, 1e-4)
STEPS_TIMED = 6


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", type=Path, required=True, help="output of recipes.pretraining")
    parser.add_argument("--data", type=Path, required=True, help="folder as KILT's")
    parser.add_argument("--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--hours", type=float, default=1.0, help="of training")
    parser.add_argument("--limit", type=int, default=2000, help="questions of each task")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--weight", type=float, default=1.0, help="of distillation")
    parser.add_argument("--no-prior", action="store_true", help="the paper's form")
    parser.add_argument("--dtype", help="such as mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    keep_freed_memory()
    keras.utils.set_random_seed(args.seed)
    sizes = Sizes(**json.loads((args.run / "settings.json").read_text())["sizes"])
    t5 = args.run / f"phase-{len(PHASES)}" / "t5"
    shared = args.run / "ranking"
    corpus = read_corpus(args.data / "corpus.jsonl")
    parts = [split_task(task) for task in training_tasks(args.data)]
    reader = reader_of(t5, "lumen", sizes, args.dtype)
    reader.preprocessor = gk.GlimmerPreprocessor(reader.preprocessor.tokenizer, *LENGTHS, 1)
    reader.compile()
    data = training_data(
        shared / "data",
        corpus,
        [sample(train, args.limit) for train, _ in parts if train],
        [sample(held, HELD) for _, held in parts if held],
        NUM_PASSAGES,
        reader.preprocessor,
    )
    kept = likelihoods(reader, data, shared / "likelihoods")
    Console().print(ceiling(data, kept))
    del reader

    glimmer = gk.Glimmer.from_t5(
        str(t5),
        live_proportion=sizes.live_proportion,
        rerank_proportion=sizes.rerank_proportion,
        num_selected=NUM_SELECTED,
        passage_prior=not args.no_prior,
        train_memory=False,
        dropout=0.0,
        dtype=args.dtype,
    )
    glimmer.preprocessor = gk.GlimmerPreprocessor(
        glimmer.preprocessor.tokenizer, *LENGTHS, NUM_PASSAGES
    )
    store = encode_corpus(glimmer, corpus, shared / "memory", "bfloat16")
    memory = CorpusMemory(store, corpus, glimmer)
    tokens = [
        task.with_likelihoods(np.maximum(kept["train", task.name], -1e4))
        for task in data.train_tokens
    ]
    weights = [len(task) ** 0.5 for task in tokens]

    def batches(step):
        return mixture(
            tokens, memory, args.batch_size, seed=args.seed, weights=weights, start_step=step
        )

    def compiled(steps):
        glimmer.compile(
            Adafactor(Cosine(*RATE, steps, min(100, max(1, steps // 2)))),
            distillation_temperature=args.temperature,
            distillation_weight=args.weight,
        )

    settings = args.output / "settings.json"
    if not settings.is_file():
        compiled(100)
        start = [weight.numpy() for weight in glimmer.weights]
        seconds = step_seconds(glimmer, batches(0))
        for weight, value in zip(glimmer.weights, start, strict=True):
            weight.assign(value)
        steps = max(1, int(3600 * args.hours / seconds))
        write_file(settings, json.dumps({"steps": steps, "seconds": seconds}))
    plan = json.loads(settings.read_text())
    print(f"{plan['steps']} steps of {plan['seconds']:.2f} s", flush=True)
    compiled(plan["steps"])
    save_every = max(1, int(SECONDS_AT_RISK / plan["seconds"]))
    config = RunConfig(log_every=50, save_every=save_every)
    run = TrainingRun(glimmer, batches, args.output, steps=plan["steps"], run=config)
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)
    replace_preset(glimmer, args.output / "preset")


def sample(task: Task, limit: int) -> Task:
    """Some questions of a task, drawn by one seed."""
    order = np.random.default_rng(0).permutation(len(task))
    return task.select(np.sort(order[: max(1, limit)]))


def step_seconds(glimmer: gk.Glimmer, batches: Any) -> float:
    times = []
    for batch in batches.take(STEPS_TIMED).as_numpy_iterator():
        start = time.perf_counter()
        glimmer.train_on_batch(*batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def likelihoods(
    reader: gk.Glimmer, data: TrainingData, folder: Path
) -> dict[tuple[str, str], np.ndarray]:
    """What each passage alone tells the reader, by part and task; kept in a folder."""
    kept = {}
    folder.mkdir(parents=True, exist_ok=True)
    for part, tasks in (("held", data.dev_tokens), ("train", data.train_tokens)):
        for task in tasks:
            file = folder / f"{part}-{task.name}-{len(task)}.npy"
            if not file.is_file():
                found = answer_likelihoods(reader, task, data.passages, 64, "sum")
                content = io.BytesIO()
                np.save(content, found)
                write_file(file, content.getvalue())
            kept[part, task.name] = np.load(file)
    return kept


def ceiling(data: TrainingData, kept: dict[tuple[str, str], np.ndarray]) -> Table:
    """Recall of gold passages among those selected, by whose order they are taken."""
    table = Table("held-out questions", title=f"recall@{NUM_SELECTED}, any gold passage")
    columns = ("BM25", "likelihood", "likelihood x prior")
    for name in columns:
        table.add_column(name, justify="right")
    rows = []
    for task in data.dev:
        told = kept["held", task.name]
        prior = -np.log2(1 + np.arange(told.shape[1]))
        orders = [np.zeros_like(told) + prior, told, told + prior]
        rows.append([recall(data.corpus, task, order) for order in orders])
        table.add_row(task.name, *(f"{value:.1f}" for value in rows[-1]))
    if rows:
        table.add_row("average", *(f"{value:.1f}" for value in np.mean(rows, axis=0)))
    return table


def recall(corpus: Corpus, task: Task, order: np.ndarray) -> float:
    found = []
    for row, scores, example in zip(task.rows(slice(None)), order, task, strict=True):
        gold = {r for rows in corpus.evidence_rows(example) for r in rows}
        if gold:
            best = row[np.argsort(-scores, kind="stable")][:NUM_SELECTED]
            found.append(bool(gold & set(best.tolist())))
    return 100 * float(np.mean(found))


if __name__ == "__main__":
    sys.exit(main())
