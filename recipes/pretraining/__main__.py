"""python -m recipes.pretraining text.jsonl.xz --hours 4 --output runs/reader

Pretrains a reader of your own from nothing, where no pretrained T5 can be had: of any text in
passages, JSON lines of `{"id", "title", "text"}` (also .gz or .xz), a vocabulary is learned, and
then to read. Questions are made of the text: recitals, spans that are left out, clozes whose
answers are names and numbers, some to be answered from another passage of the article, slots,
claims, questions in broken English; a few with a passage that does not tell, answered `_`.
--questions gives folders in the shape of KILT whose training questions are mixed in, more and more
of them, half with another answer in the passage than it had; one passage in twenty is held out with
its questions.
It begins with short windows round the answer, 48 tokens, then 96, and ends with whole passages.
--start goes on from what another run came to, and leaves out the phases with the shortest; heads
and feed-forward layers may be wider than its, and begin by computing what they did. A start of
recipes.pretraining.bert_start has a pretrained BERT for its encoder, and sizes of its own.

--hours is turned into steps when it starts, by the speed of this machine; settings.json keeps them,
so that the same command goes on with a run that was stopped, losing five minutes at most.
--words starts the embeddings from those of a pretrained BERT, such as all-MiniLM-L6-v2. Each
phase's `t5` is for `Glimmer.from_t5`, in Hugging Face's form; recipes.pretraining.score scores it,
recipes.pretraining.rank teaches the last one to rerank.
"""

import itertools
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import keras
import keras_hub

import glimmer_keras as gk
from glimmer_keras.training import keep_freed_memory
from glimmer_keras.utils.files import write_file
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining import course
from recipes.pretraining.course import adafactor, mixed
from recipes.pretraining.examples import SYMBOLS, Examples
from recipes.pretraining.grow import grow, widen
from recipes.pretraining.question_file import prepare_questions, read_questions
from recipes.pretraining.reader import Sizes, is_bert, new_reader, reader_of
from recipes.pretraining.stream import Stream
from recipes.pretraining.text import Text, passages_of, prepare
from recipes.pretraining.tokenizer import train_tokenizer
from recipes.pretraining.words import word_embeddings
from recipes.settings import check_settings

VOCABULARY_SIZE = 8192
LEARNED_FROM = 100_000  # passages that the vocabulary is learned from, at most
STEPS_PLANNED = 100


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    keep_freed_memory()
    output: Path = args.output
    output.mkdir(parents=True, exist_ok=True)
    settings = settings_of(args)
    file = output / "settings.json"
    kept = json.loads(file.read_text()) if file.is_file() else None
    if kept is not None:
        check_settings(file, kept["settings"], settings)
    if args.start and kept is None:
        write_file(output / "spiece.model", (args.start / "spiece.model").read_bytes())
    tokenizer = vocabulary(output / "spiece.model", args.text, args.vocabulary_size)
    layers = tuple(args.layers)
    sizes = Sizes(
        tokenizer.vocabulary_size(),
        args.width,
        args.heads,
        args.intermediate,
        layers,
        args.decoder_layers,
        args.head_dim,
    )
    if args.start and is_bert(args.start):
        sizes = Sizes.of_bert(args.start, layers)
    begun = args.start
    if args.start and sizes.must_widen(args.start):
        begun = output / "widened"
        if not begun.is_dir():
            widen(args.start, begun, sizes.head_dim, sizes.intermediate_dim, args.seed)
    if not (output / "text").is_dir():
        prepare(output / "text", passages_of(args.text), tokenizer.proto, settings)
    if args.questions and not (output / "questions.json").is_file():
        prepare_questions(output / "questions.json", args.questions, tokenizer.proto)
    examples = Examples(Text(output / "text"), tokenizer.proto)
    questions = None
    if args.questions:
        questions = read_questions(output / "questions.json", examples.separator, examples.blank)
    counts = {n: len(rows) for n, rows in questions.tasks.items()} if questions else {}
    sources = (examples, questions) if questions else (examples,)
    print(f"{len(examples.text)} passages, questions of people: {counts}", flush=True)
    phases = course.phases_from(args.start)

    def stream(number: int, steps: int) -> Stream:
        phase = phases[number]
        weights = mixed(phase, counts)
        return Stream(
            *sources, shape=phase.shape, weights=weights, steps=steps, seed=args.seed + number
        )

    def start(number: int) -> gk.Glimmer:
        """The reader of a phase as it begins."""
        system = phases[number].system
        if number == 0 and begun:
            return reader_of(begun, system, sizes, args.dtype, dropout=args.dropout)
        if number == 0:
            reader = new_reader(sizes, sizes.layers_of(system), args.dtype, args.seed)
            if args.words:
                pieces = [tokenizer.id_to_token(i) for i in range(sizes.vocabulary_size)]
                embeddings = word_embeddings(args.words, pieces, args.width)
                reader.backbone.token_embedding.embeddings.assign(embeddings)
            reader.preprocessor = gk.GlimmerPreprocessor(tokenizer, num_passages=1)
            return reader
        before = output / f"phase-{number}" / "t5"
        if system != phases[number - 1].system and not is_bert(before):
            grown = output / "grown"
            if not grown.is_dir():
                grow(before, grown, sizes.num_layers - sizes.layers_of("fid"))
            before = grown
        return reader_of(before, system, sizes, args.dtype, dropout=args.dropout)

    if kept is None:
        plan = []
        for number, phase in enumerate(phases):
            whole = begun is not None and is_bert(begun)
            layers = sizes.num_layers if whole else sizes.layers_of(phase.system)
            dropout = args.dropout if number or begun else 0.0
            reader = new_reader(sizes, layers, args.dtype, args.seed, dropout)
            reader.compile(adafactor(phase.rate, STEPS_PLANNED))
            seconds = course.seconds_a_step(
                reader, map(stream(number, STEPS_PLANNED).batch, itertools.count())
            )
            steps = max(1, int(3600 * args.hours * phase.share / seconds))
            plan.append({"system": phase.system, "steps": steps, "seconds": seconds})
            print(f"Phase {number + 1}: {steps} steps of {seconds:.3f} s", flush=True)
        kept = {"settings": settings, "sizes": asdict(sizes), "plan": plan}
        write_file(file, json.dumps(kept, indent=1))
    for number, phase in enumerate(phases):
        folder = output / f"phase-{number + 1}"
        if (folder / "report.json").is_file():
            continue
        steps, seconds = kept["plan"][number]["steps"], kept["plan"][number]["seconds"]
        keras.utils.set_random_seed(args.seed + number)
        reader = start(number)
        reader.compile(adafactor(phase.rate, steps, phase.encoder_rate))
        course.train_phase(reader, sizes, phase, stream(number, steps), folder, seconds)


def parsed(argv: Sequence[str] | None) -> Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("text", type=Path, nargs="+", help="files of passages")
    parser.add_argument("--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--hours", type=float, default=4.0, help="of training")
    parser.add_argument("--questions", type=Path, nargs="*", default=[], help="folders as KILT's")
    parser.add_argument("--words", type=Path, help="folder of a BERT whose embeddings start ours")
    parser.add_argument("--start", type=Path, help="phase-N/t5 of another run")
    parser.add_argument("--vocabulary-size", type=int, default=VOCABULARY_SIZE)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--head-dim", type=int, default=64, help="width of a head")
    parser.add_argument("--intermediate", type=int, default=768)
    parser.add_argument(
        "--layers", type=int, nargs=3, default=[4, 2, 1], help="memory, before and after scores"
    )
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.1, help="not in the first phase")
    parser.add_argument("--dtype", help="such as mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    if not args.hours > 0:
        raise ValueError(f"`--hours` must be over 0. Received: {args.hours}")
    if not 0 <= args.dropout < 1:
        raise ValueError(f"`--dropout` must be from 0 to under 1. Received: {args.dropout}")
    if min(args.layers) < 1:
        raise ValueError(f"`--layers` must be at least 1 each. Received: {args.layers}")
    if args.start and args.words:
        raise ValueError("`--words` must be left out with `--start`, which has embeddings")
    if args.start and not (args.start / "spiece.model").is_file():
        raise FileNotFoundError(f"`--start` must be a T5 of a run. Received: {args.start}")
    for path in (*args.text, *args.questions):
        if not path.exists():
            raise FileNotFoundError(f"{path} must be a file of passages or a folder as KILT's")
    return args


def settings_of(args: Namespace) -> dict[str, Any]:
    """What a run depends on, as plain values."""
    settings = {name: value for name, value in vars(args).items() if name != "output"}
    paths = ("text", "questions")
    settings |= {name: [str(path) for path in settings[name]] for name in paths}
    return settings | {name: settings[name] and str(settings[name]) for name in ("words", "start")}


def vocabulary(file: Path, paths: Sequence[Path], size: int) -> keras_hub.models.T5Tokenizer:
    """The uncased vocabulary of the text, learned once; a byte is a piece."""
    if not file.is_file():
        rng = Random(0)
        lines = (p.content for p in passages_of(paths) if rng.random() < 0.5)
        tokenizer = train_tokenizer(
            itertools.islice(lines, LEARNED_FROM),
            size,
            symbols=SYMBOLS,
            normalization_rule_name="nmt_nfkc_cf",
            byte_fallback=True,
        )
        write_file(file, tokenizer.proto)
    return keras_hub.models.T5Tokenizer(file.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
