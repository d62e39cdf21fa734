"""The command line of train_multitask.py, and whether it fits the data and the folders."""

import importlib.util
import json
import os
from fractions import Fraction
from pathlib import Path

import keras_hub
from _command import Help, OneLineParser

from glimmer_keras.data import read_corpus, read_task
from glimmer_keras.models.layer_split import LayerSplit
from glimmer_keras.models.sizes import SYSTEMS, T5_SIZES

RATE_FROM_T5, RATE_FROM_NOTHING = 1e-4, 1e-2
# What a resumed run may change.
FREE = {"data", "output", "resume", "steps", "save_every", "eval_limit"}
AT_LEAST = {"steps": 1, "k": 1, "m": 1, "batch_size": 1, "seed": 0, "vocabulary_size": 1}
AT_LEAST |= {"question_length": 1, "passage_length": 2, "answer_length": 2}
AT_LEAST |= {"log_every": 1, "save_every": 1, "eval_limit": 1}


def read_arguments(argv, description, defaults):
    parser = OneLineParser(description=description, formatter_class=Help)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with corpus.jsonl and the tasks")
    add("--tasks", default="all", help="names with commas between, or all")
    add("--output", type=Path, required=True, help="folder of this run")
    add("--resume", action="store_true", help="go on with the run in --output")
    add("--system", choices=SYSTEMS, default="glimmer", help="what is trained")
    add("--size", choices=T5_SIZES, help="of a model that starts from nothing")
    add("--t5", help="KerasHub T5 preset, or its folder, to start from")
    add("--tokenizer", help="SentencePiece file, or T5 preset, if there is no --t5")
    add("--vocabulary-size", type=int, help="of a new tokenizer")
    add("--k", type=int, help="passages retrieved")
    add("--m", type=int, help="passages selected, in glimmer")
    add("--alpha", type=fraction, help="live proportion, not in fid")
    add("--beta", type=fraction, help="rerank proportion, in glimmer")
    add("--steps", type=int, help="in all")
    add("--batch-size", type=int, help="questions a step")
    add("--learning-rate", type=float, help="of Adafactor; None: 1e-4 after --t5, else 1e-2")
    add("--dropout", type=float, help="share of values")
    add("--seed", type=int, help="of weights, dropout and batches")
    add("--question-length", type=int, help="in tokens")
    add("--passage-length", type=int, help="in tokens")
    add("--answer-length", type=int, help="in tokens")
    add("--log-every", type=int, help="steps a line of losses is the mean of")
    add("--save-every", type=int, help="steps; a multiple of --log-every")
    add("--eval-limit", type=int, help="dev questions of each task; None: all")
    parser.set_defaults(**defaults)
    args = parser.parse_args(argv)
    if args.learning_rate is None:
        args.learning_rate = RATE_FROM_T5 if args.t5 else RATE_FROM_NOTHING
    check_arguments(args)
    return args


def fraction(text):
    try:
        return float(Fraction(text))
    except ZeroDivisionError as error:
        raise ValueError from error


def check_arguments(args):
    def check(good, name, expected):
        if not good:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"`{option}` must be {expected}. Received: {vars(args)[name]}")

    for name, least in AT_LEAST.items():
        value = vars(args)[name]
        check(value is None or value >= least, name, f"at least {least}")
    check(args.learning_rate > 0, "learning_rate", "over 0")
    check(0 <= args.dropout < 1, "dropout", "from 0 to below 1")
    check(0 <= args.alpha <= 1, "alpha", "from 0 to 1")
    check(args.save_every % args.log_every == 0, "save_every", f"a multiple of {args.log_every}")
    if args.system == "glimmer":
        check(0 < args.beta <= 1, "beta", "over 0 and at most 1 with --system glimmer")
        check(args.m <= args.k, "m", f"at most the {args.k} passages of --k")
        if not args.t5:
            LayerSplit(T5_SIZES[args.size]["num_layers"], args.alpha, args.beta)
    if args.t5:
        check_t5(args.t5)
        check(args.tokenizer is None, "tokenizer", "left out with --t5")
    elif args.tokenizer is None and not importlib.util.find_spec("sentencepiece"):
        raise ImportError(
            "Training a tokenizer needs sentencepiece: pip install glimmer_keras[dev], "
            "or give --tokenizer"
        )


def check_t5(t5):
    presets = keras_hub.models.T5Backbone.presets
    if not (t5 in presets or "://" in t5 or Path(t5, "config.json").is_file()):
        raise ValueError(
            f"`--t5` must be a preset folder or one of {', '.join(presets)}. Received: {t5}"
        )


def read_data(folder, tasks="all", limit=None):
    """Corpus, training tasks and dev tasks, of which the first `limit` examples."""
    if not folder.is_dir():
        raise ValueError(f"`--data` must be a folder. Received: {folder}")
    known = sorted(path.name[: -len("-train.jsonl")] for path in folder.glob("*-train.jsonl"))
    asked = known if tasks == "all" else tasks.split(",")
    unknown = [name for name in asked if name not in known]
    if unknown or not asked or len(set(asked)) < len(asked):
        raise ValueError(
            f"`--tasks` must be all, or some of the tasks in {folder}, each once: "
            f"{', '.join(known) or 'none'}. Received: {tasks}"
        )
    train, dev = (
        [read_task(folder / f"{name}-{split}.jsonl", name) for name in asked]
        for split in ("train", "dev")
    )
    if limit:
        dev = [task.take(limit) for task in dev]
    return read_corpus(folder / "corpus.jsonl"), train, dev


def check_output(args, data, step):
    """The settings to keep, if they and --output are fit to begin with or to go on with."""
    settings = {name: value for name, value in vars(args).items() if name != "resume"}
    settings |= {"data": str(args.data), "output": str(args.output)}
    corpus, *tasks = data
    trained_on = [task.fingerprint for task in tasks[: len(tasks) // 2]]
    settings["fingerprint"] = [corpus.fingerprint, *trained_on]
    if not args.output.exists() or not os.listdir(args.output):
        return settings
    if not args.resume:
        raise ValueError(
            "`--output` must be a new or empty folder, or --resume be given. "
            f"Received: {args.output}"
        )
    file = args.output / "settings.json"
    if not file.is_file():
        raise ValueError(f"`--output` must hold a run to resume. Received: {args.output}")
    before = json.loads(file.read_text())
    for name in sorted(settings.keys() - FREE):
        if settings[name] != before.get(name):
            what = "the files of --data" if name == "fingerprint" else f"--{name}"
            raise ValueError(
                f"`{what.replace('_', '-')}` must be as in the run that is resumed: "
                f"{before.get(name)}. Received: {settings[name]}"
            )
    if step > args.steps:
        raise ValueError(
            f"`--steps` must be at least the {step} that were run. Received: {args.steps}"
        )
    return settings
