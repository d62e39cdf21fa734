from __future__ import annotations

import argparse
import signal
import sys

from glimmer_keras.cli.start_keras import start_keras

DEV_BATCHES = 4  # of each task, whose losses are measured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="settings in YAML, as recipes/configs")
    parser.add_argument("--output", metavar="DIR", required=True, help="folder of the run")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        nargs="+",
        default=[],
        help="settings to change, such as fit.steps=1000",
    )


def run(args: argparse.Namespace) -> int:
    start_keras()
    from rich.console import Console

    from glimmer_keras.distribution.hosts import hosts
    from glimmer_keras.evaluation import EvaluateByGeneration, score_table
    from glimmer_keras.evaluation import evaluate as evaluate_tasks
    from glimmer_keras.training import ReaderRun, TaskLosses, TrainingConfig, keep_freed_memory

    config = TrainingConfig.read(args.config, args.set)
    print(config.to_yaml(), end="", flush=True)
    keep_freed_memory()
    training = ReaderRun(config, args.output)
    with training.devices():
        training.prepare()
        data, every = training.data, config.run.evaluate_every
        batch_size = min(config.fit.batch_size, 32)
        dev = (data.dev, data.corpus, data.dev_tokens, data.passages)
        callbacks, scored = [], None
        if every:
            if batches := training.dev_batches(DEV_BATCHES):
                callbacks.append(TaskLosses(batches))
            best = training.output / "best"
            scored = EvaluateByGeneration(*dev, best=best, batch_size=batch_size)
            callbacks.append(scored)
        stopped = training.fit(callbacks)
        if stopped:
            print(
                f"glimmer: {stopped}: stopped after step {training.step}; the same command goes on",
                file=sys.stderr,
            )
            return 128 + signal.Signals[stopped]
        first = hosts()[0] == 0
        table = scored and scored.table
        if not table:
            table, _ = evaluate_tasks(training.glimmer, *dev, batch_size, progress=first)
        if first:
            title = f"{config.model.system}, {config.fit.steps} steps, dev"
            Console().print(score_table(table, title))
            print(f"{training.output / 'preset'}: trained")
    return 0
