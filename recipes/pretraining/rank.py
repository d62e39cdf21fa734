"""python -m recipes.pretraining.rank --run runs/reader --data DIR --hours 1 --output runs/ranked

Teaches a pretrained reader to rerank, on the training questions of a folder in the shape of KILT:
eight passages by BM25, of which it reads two. First the reader itself, as it is, reads each passage
alone; how likely it finds the answer then is kept (in the run, `ranking/`), and its recall printed
beside BM25's: the most that distillation can teach. --asked has the pointer that
recipes.pretraining.ask trained tell instead, where an answer is a span. With the prior of BM25's
order, which --no-prior leaves out as the paper does, the teacher is likelihood times prior. Then
scorer and reader learn together from what was kept, on memory that is encoded once. At the end the
questions that pretraining held out are scored. --output gets the run and a preset of the GLIMMER.
"""

import hashlib
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

import glimmer_keras as gk
from glimmer_keras.data import Task, mixture, read_corpus
from glimmer_keras.evaluation import evaluate, score_table
from glimmer_keras.pipelines import CorpusMemory, encode_corpus, replace_preset, training_data
from glimmer_keras.training import RunConfig, TrainingRun, keep_freed_memory
from glimmer_keras.utils.files import write_file
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.ask import trained_pointer
from recipes.pretraining.course import SECONDS_AT_RISK, adafactor, seconds_a_step
from recipes.pretraining.held_out import split_task, training_tasks
from recipes.pretraining.pointed import PointedLikelihoods
from recipes.pretraining.pointer import Words
from recipes.pretraining.reader import Pretrained, freeze_position_biases
from recipes.pretraining.teacher import ceiling, likelihoods
from recipes.settings import check_settings

NUM_PASSAGES, NUM_SELECTED = 8, 2
HELD = 100  # questions of each task to tune on
LENGTHS = (32, 160, 16)
LAST_RATE = 1 / 30  # of the first


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    keep_freed_memory()
    pretrained = Pretrained.of(args.run)
    settings = settings_of(args, pretrained)
    file = args.output / "settings.json"
    kept = json.loads(file.read_text()) if file.is_file() else None
    if kept is not None:
        check_settings(file, kept["settings"], settings)
    corpus = read_corpus(args.data / "corpus.jsonl")
    parts = [split_task(task) for task in training_tasks(args.data)]
    shared = args.run / "ranking"
    reader = pretrained.load(args.dtype, train_memory=False)
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
    store = encode_corpus(reader, corpus, shared / "memory", "bfloat16")
    told = likelihoods(
        reader, data, CorpusMemory(store, corpus, reader), shared / settings["reader"][:16]
    )
    Console().print(ceiling(data, told, NUM_SELECTED))
    model = reader.preprocessor.tokenizer.proto
    del reader
    if args.asked:
        pointer, bert = trained_pointer(args.asked, args.dtype)
        pointed = PointedLikelihoods(pointer, Words(bert, model), model)
        told = pointed(data, told, shared / f"pointed-{settings['asked'][:16]}")
        Console().print(ceiling(data, told, NUM_SELECTED))
        del pointer, pointed

    keras.utils.set_random_seed(args.seed)
    glimmer = new_glimmer(pretrained, args)
    memory = CorpusMemory(store, corpus, glimmer)
    tokens = [task.with_likelihoods(told["train", task.name]) for task in data.train_tokens]
    weights = [len(task) ** 0.5 for task in tokens]

    def batches(step: int) -> Any:
        return mixture(
            tokens, memory, args.batch_size, seed=args.seed, weights=weights, start_step=step
        )

    def compiled(glimmer: gk.Glimmer, steps: int) -> gk.Glimmer:
        glimmer.compile(
            adafactor((args.rate, args.rate * LAST_RATE), steps),
            distillation_temperature=args.temperature,
            distillation_weight=args.weight,
        )
        return glimmer

    if kept is None:
        tried = compiled(new_glimmer(pretrained, args), 100)
        seconds = seconds_a_step(tried, batches(0).as_numpy_iterator())
        del tried
        kept = {"settings": settings, "steps": max(1, int(3600 * args.hours / seconds))}
        kept["seconds"] = seconds
        write_file(file, json.dumps(kept, indent=1))
    print(f"{kept['steps']} steps of {kept['seconds']:.2f} s", flush=True)
    save_every = max(1, int(SECONDS_AT_RISK / kept["seconds"]))
    config = RunConfig(log_every=50, save_every=save_every)
    run = TrainingRun(
        compiled(glimmer, kept["steps"]), batches, args.output, steps=kept["steps"], run=config
    )
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)
    replace_preset(glimmer, args.output / "preset")
    if data.dev:
        table, _ = evaluate(
            glimmer, data.dev, corpus, data.dev_tokens, memory, batch_size=2 * args.batch_size
        )
        write_file(args.output / "held.json", json.dumps(table, indent=1))
        Console().print(score_table(table, "held-out questions"))


def parsed(argv: Sequence[str] | None) -> Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", type=Path, required=True, help="output of recipes.pretraining")
    parser.add_argument("--data", type=Path, required=True, help="folder as KILT's")
    parser.add_argument("--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--hours", type=float, default=1.0, help="of training")
    parser.add_argument("--limit", type=int, default=2000, help="questions of each task")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3, help="of learning, at first")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--weight", type=float, default=1.0, help="of distillation")
    parser.add_argument("--pooling", choices=("first", "mean"), default="first")
    parser.add_argument("--asked", type=Path, help="output of recipes.pretraining.ask")
    parser.add_argument("--no-prior", action="store_true", help="the paper's form")
    parser.add_argument("--dtype", help="such as mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    if not args.hours > 0:
        raise ValueError(f"`--hours` must be over 0. Received: {args.hours}")
    if args.asked and not (args.asked / "settings.json").is_file():
        raise FileNotFoundError(f"`--asked` must be of recipes.pretraining.ask: {args.asked}")
    return args


def settings_of(args: Namespace, pretrained: Pretrained) -> dict[str, Any]:
    """What a run depends on, as plain values; the reader by its weights."""
    settings = {name: value for name, value in vars(args).items() if name not in ("output", "run")}
    asked = args.asked and hashlib.sha256((args.asked / "settings.json").read_bytes()).hexdigest()
    settings |= {"data": str(args.data), "asked": asked}
    return settings | {"reader": pretrained.fingerprint}


def new_glimmer(pretrained: Pretrained, args: Namespace) -> gk.Glimmer:
    """The GLIMMER that the pretrained reader's weights make, with a fresh scorer."""
    glimmer = gk.Glimmer.from_t5(
        str(pretrained.t5),
        live_proportion=pretrained.sizes.live_proportion,
        rerank_proportion=pretrained.sizes.rerank_proportion,
        num_selected=NUM_SELECTED,
        passage_prior=not args.no_prior,
        score_pooling=args.pooling,
        train_memory=False,
        dropout=0.0,
        dtype=args.dtype,
    )
    freeze_position_biases(glimmer)
    tokenizer = glimmer.preprocessor.tokenizer
    glimmer.preprocessor = gk.GlimmerPreprocessor(tokenizer, *LENGTHS, NUM_PASSAGES)
    return glimmer


def sample(task: Task, limit: int) -> Task:
    """Some questions of a task, drawn by one seed."""
    order = np.random.default_rng(0).permutation(len(task))
    return task.select(np.sort(order[: max(1, limit)]))


if __name__ == "__main__":
    sys.exit(main())
