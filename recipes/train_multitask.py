"""python recipes/train_multitask.py --data DIR --tasks nq,fever --output runs/first

Trains FiD, LUMEN or GLIMMER on a folder in the shape of KILT: corpus.jsonl, and for each task
<task>-train.jsonl and <task>-dev.jsonl. Passages come from BM25; --tasks all takes every task.
Without --t5 a small model starts from nothing, with a tokenizer trained on the folder. The
values below fit a laptop; the paper's are --t5 t5_1.1_large --k 25 --m 5 --batch-size 128
--dropout 0.1.

Expect a line of losses every --log-every steps, and the scores on the dev files at the end.
--output keeps losses.jsonl, report.json, the tokenizer, the index, token ids and checkpoints.
When it was stopped, the same command with --resume goes on as if it had not been.
"""

import contextlib
import itertools
import json
import logging
import os
import sys
import time
from pathlib import Path

import keras
import keras_hub
from _multitask_settings import check_output, read_arguments, read_data
from _tokenizer import train_tokenizer
from _training_data import prepare, write
from rich.console import Console

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import mixture
from glimmer_keras.evaluation import evaluate, score_table
from glimmer_keras.training import Adafactor, Checkpoints, keep_freed_memory

# What is not said on the command line; it suits a laptop. No rate: T5's own, 1e-4 when training
# a T5 on, 1e-2 when starting from nothing.
DEFAULTS = {
    "size": "tiny",
    "vocabulary_size": 8000,
    "steps": 1000,
    "batch_size": 8,
    "k": 8,
    "m": 2,
    "alpha": 1 / 3,
    "beta": 1 / 4,
    "dropout": 0.1,
    "question_length": 48,
    "passage_length": 304,
    "answer_length": 32,
    "seed": 0,
    "log_every": 50,
    "save_every": 200,
}


def main(argv=None):
    logging.basicConfig(format="%(message)s")
    logging.getLogger("glimmer_keras").setLevel(logging.INFO)
    keep_freed_memory()
    try:
        args = read_arguments(argv, __doc__, DEFAULTS)
        corpus, train, dev = read_data(args.data, args.tasks, args.eval_limit)
        checkpoints = Checkpoints(args.output / "checkpoints", args.save_every)
        settings = check_output(args, [corpus, *train, *dev], checkpoints.latest_step() or 0)
        tokenizer = given_tokenizer(args) or new_tokenizer(args, corpus, train)
        glimmer = make_model(args, tokenizer)
        start = checkpoints.restore(glimmer)
        write(args.output / "settings.json", json.dumps(settings, indent=1).encode())
        write(args.output / "tokenizer.model", tokenizer.proto)
    except (ValueError, OSError, ImportError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2

    data = prepare(args.output, corpus, train, dev, args.k, glimmer.preprocessor)
    log = LossLog(args.output / "losses.jsonl", start)
    try:
        with checkpoints.stop_on_signals():
            for step, length, epochs in stretches(start, args.steps, args.log_every):
                first = step // args.log_every
                glimmer.fit(
                    mixture(
                        data.train_tokens,
                        data.passages,
                        args.batch_size,
                        seed=args.seed,
                        start_step=step,
                    ),
                    initial_epoch=first,
                    epochs=first + epochs,
                    steps_per_epoch=length,
                    callbacks=[log, checkpoints],  # A checkpoint is never ahead of the losses.
                    verbose=1 if sys.stdout.isatty() else 2,
                )
                if checkpoints.stopped_by:
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        kept = checkpoints.latest_step() or 0
        print(f"Stopped; with --resume it goes on after step {kept}", file=sys.stderr)
        return 130
    table, _ = evaluate(
        glimmer, data.test, corpus, data.test_tokens, data.passages, args.batch_size
    )
    report = {
        "settings": settings,
        "backend": keras.backend.backend(),
        "layers": glimmer.backbone.layer_counts,
        "parameters": glimmer.count_params(),
        "steps": args.steps,
        "steps_in_this_session": args.steps - start,
        "seconds": log.seconds(),
        "seconds_per_step": log.seconds_per_step(),
        "dev_examples": {task.name: len(task) for task in dev},
        "scores": table,
    }
    write(args.output / "report.json", json.dumps(report, indent=1).encode())
    Console().print(score_table(table, f"{args.system}, {args.steps} steps, dev"))
    return 0


class LossLog(keras.callbacks.Callback):
    """Appends the means over each epoch of `fit` to a file of JSON lines."""

    def __init__(self, path, step):
        super().__init__()
        self.path, self.first, self.step = path, step, step
        self.times = []
        kept = []
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):  # cut off when it was stopped
                    kept += [f"{line}\n"] if json.loads(line)["step"] <= step else []
        write(path, "".join(kept).encode())

    def on_train_begin(self, logs=None):
        self.times.append(time.perf_counter())

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        self.batch = batch
        if batch + 1 == self.params["steps"]:
            self.write_line(logs)
        self.times.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        if self.batch + 1 < self.params["steps"]:  # stopped by a signal
            self.write_line(logs)

    def write_line(self, logs):
        line = {"first_step": self.step - self.batch, "step": self.step}
        line |= {name: float(value) for name, value in sorted(logs.items())}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def seconds(self):
        return self.times[-1] - self.times[0] if self.times else 0.0

    def seconds_per_step(self):
        """Without the first step, which compiles."""
        steps = self.step - self.first - 1
        return (self.times[-1] - self.times[1]) / steps if steps > 0 else None


def stretches(start, steps, every):
    """What is left, as `(first step, steps an epoch, epochs)`; epochs end at `every` steps."""
    head = min(-start % every, steps - start)
    whole, tail = divmod(steps - start - head, every)
    for length, epochs in ((head, 1), (every, whole), (tail, 1)):
        if length and epochs:
            yield start, length, epochs
            start += length * epochs


def given_tokenizer(args):
    """The tokenizer that is asked for or was kept by a run before, or `None`."""
    kept, asked = args.output / "tokenizer.model", args.t5 or args.tokenizer
    file = kept if kept.is_file() else Path(asked or "")
    if file.is_file():
        try:
            return keras_hub.models.T5Tokenizer(file.read_bytes())
        except RuntimeError as error:
            raise ValueError(f"{file} must be a SentencePiece model: {error}") from error
    if asked:
        return keras_hub.models.T5Tokenizer.from_preset(asked)
    return None


def new_tokenizer(args, corpus, train):
    examples = [example for task in train for example in task]
    texts = [f"{' '.join(example.answers)} {example.question}" for example in examples]
    lines = itertools.chain((passage.content for passage in corpus), texts)
    return train_tokenizer(lines, args.vocabulary_size, input_sentence_size=1_000_000)


def make_model(args, tokenizer):
    keras.utils.set_random_seed(args.seed)
    preprocessor = GlimmerPreprocessor(
        tokenizer, args.question_length, args.passage_length, args.answer_length, args.k
    )
    options = {"dropout": args.dropout}
    if args.system != "fid":
        options["live_proportion"] = args.alpha
    if args.system == "glimmer":
        options |= {"rerank_proportion": args.beta, "num_selected": args.m}
    if args.t5:
        glimmer = Glimmer.from_t5(args.t5, args.system, preprocessor, **options)
    else:
        options["vocabulary_size"] = tokenizer.vocabulary_size()
        glimmer = Glimmer.from_size(args.size, args.system, preprocessor, **options)
    glimmer.compile(Adafactor(args.learning_rate))
    return glimmer


if __name__ == "__main__":
    sys.exit(main())
