"""python -m recipes.pretraining.ask --run runs/reader --bert all-MiniLM-L6-v2 --output runs/asked

Makes questions of the text that a reader was pretrained on, for it to learn from: the questions of
people are few, and soon known by heart. The reader learns to ask, from people's questions turned
round: given are the answer and a passage in which it stands between blanks. A pretrained BERT, such
as all-MiniLM-L6-v2, learns from them to point at the answer. Then questions are sampled for spans
of the text, and those are kept of which the BERT finds the span that was asked for, or another that
it is sure of: what it points at is the answer (roundtrip consistency, Alberti et al., 2019).

--output/questions is a folder in the shape of KILT, with a task for each of people's, for
recipes.pretraining to take by --questions beside theirs. Questions that pretraining holds out are
not looked at. Stopped, the same command goes on.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import sentencepiece

from glimmer_keras.training import RunConfig, TrainingRun, keep_freed_memory
from glimmer_keras.utils.files import new_folder, write_file
from glimmer_keras.utils.progress import Progress
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.asker import SHAPE, Asked, Asker
from recipes.pretraining.asking import Asking
from recipes.pretraining.course import STEPS_SHOWN, adafactor
from recipes.pretraining.examples import Examples
from recipes.pretraining.held_out import TRAIN
from recipes.pretraining.pointer import Words, new_pointer
from recipes.pretraining.pointing import Pointing
from recipes.pretraining.question_file import read_questions
from recipes.pretraining.reader import Pretrained
from recipes.pretraining.stream import Stream
from recipes.pretraining.text import Text
from recipes.settings import check_settings

RATE, POINTER_RATE = (6e-3, 2e-4), 1.2e-4
POINTER_BATCH, DECAY, WARMUP = 32, 0.01, 0.1
AT_ONCE, PART = 256, 10_240  # questions
SAVE_EVERY = 100
MADE = "_made"


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    keep_freed_memory()
    pretrained = Pretrained.of(args.run)
    settings = settings_of(args, pretrained)
    file = args.output / "settings.json"
    if file.is_file():
        check_settings(file, json.loads(file.read_text()), settings)
    write_file(file, json.dumps(settings, indent=1))
    keras.utils.set_random_seed(args.seed)
    reader = pretrained.load(args.dtype, dropout=0.1)
    model = reader.preprocessor.tokenizer.proto
    text = Text(args.run / "text")
    examples = Examples(text, model)
    questions = read_questions(args.run / "questions.json", examples.separator, examples.blank)
    asking, words = Asking(questions, examples.processor), Words(args.bert, model)
    weights = {name: (len(rows) ** 0.5,) * 2 for name, rows in asking.tasks.items()}
    stream = Stream(asking, shape=SHAPE, weights=weights, steps=args.steps, seed=args.seed)
    reader.compile(adafactor(RATE, args.steps))
    train(reader, stream.start_at, args.output / "asker", args.steps)
    pointer = new_pointer(args.bert, args.dtype)
    compile_pointer(pointer, args.pointer_steps)
    pointing = Pointing(questions, words, POINTER_BATCH, args.seed)
    train(pointer, pointing.start_at, args.output / "pointer", args.pointer_steps)
    asker = Asker(reader, pointer, text, asking, words, args.seed)
    parts = args.output / "parts"
    make(asker, parts, args.questions)
    if not (args.output / "questions").is_dir():
        write_questions(args.output / "questions", parts, text, examples.processor)


def parsed(argv: Sequence[str] | None) -> Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", type=Path, required=True, help="output of recipes.pretraining")
    parser.add_argument("--bert", type=Path, required=True, help="folder in Hugging Face's form")
    parser.add_argument("--output", type=Path, required=True, help="folder of this run")
    parser.add_argument("--questions", type=int, default=100_000, help="to be asked at least")
    parser.add_argument("--steps", type=int, default=800, help="of learning to ask")
    parser.add_argument("--pointer-steps", type=int, default=800, help="of learning to point")
    parser.add_argument("--dtype", help="such as mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    for name in ("questions", "steps", "pointer_steps"):
        if getattr(args, name) < 1:
            option = name.replace("_", "-")
            raise ValueError(f"`--{option}` must be at least 1. Received: {getattr(args, name)}")
    for path in (args.run / "questions.json", args.bert / "tokenizer.json"):
        if not path.is_file():
            raise FileNotFoundError(f"{path} must be there")
    return args


def settings_of(args: Namespace, pretrained: Pretrained) -> dict[str, Any]:
    """What a run depends on, as plain values; the reader by its weights."""
    settings = {name: value for name, value in vars(args).items() if name not in ("output", "run")}
    return settings | {"bert": str(args.bert), "reader": pretrained.fingerprint}


def compile_pointer(pointer: keras.Model, steps: int) -> None:
    """For AdamW, whose rate rises for a tenth of the steps, and falls to 0 by a cosine."""
    warmup = max(1, int(WARMUP * steps))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup), warmup_target=POINTER_RATE, warmup_steps=warmup
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=DECAY, global_clipnorm=1.0)
    pointer.compile(optimizer, loss={"start": loss, "end": loss})


def trained_pointer(output: Path, dtype: str | None) -> tuple[keras.Model, Path]:
    """The pointer that a run has trained, and the folder of its BERT.

    Raises:
        FileNotFoundError: If `output` is not of a run whose pointer is trained.
    """
    file = output / "settings.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    if not (output / "parts").is_dir():
        raise FileNotFoundError(
            f"{output} must be the output of recipes.pretraining.ask, its pointer being trained"
        )
    bert = Path(kept["bert"])
    pointer = new_pointer(bert, dtype)
    compile_pointer(pointer, kept["pointer_steps"])
    train(pointer, lambda step: None, output / "pointer", kept["pointer_steps"])
    return pointer, bert


def train(model: keras.Model, batches: Callable[[int], Any], folder: Path, steps: int) -> None:
    """Train a compiled model, or load it as it was at the end."""
    config = RunConfig(log_every=STEPS_SHOWN, save_every=SAVE_EVERY)
    run = TrainingRun(model, batches, folder, steps=steps, run=config)
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)


def make(asker: Asker, folder: Path, count: int) -> None:
    """Ask `count` questions, and keep those that are answered, in files of `PART` asked each."""
    with Progress("Asking", count, "questions") as shown:
        for number in range(-(-count // PART)):
            file = folder / f"{number:05}.json"
            if not file.is_file():
                rng = asker.restart(number)
                spans = asker.spans(rng)
                kept: list[Asked] = []
                for _ in range(0, PART, AT_ONCE):
                    asked = asker.ask(list(islice(spans, AT_ONCE)), rng)
                    kept += asker.answered(asked)
                    shown.advance(AT_ONCE)
                write_file(file, json.dumps([[*astuple(q.span), q.question] for q in kept]))


def write_questions(
    folder: Path, parts: Path, text: Text, processor: sentencepiece.SentencePieceProcessor
) -> None:
    """Write what was asked in the shape of KILT."""
    made = [row for file in sorted(parts.iterdir()) for row in json.loads(file.read_text())]
    with new_folder(folder, what="`--output`") as work:
        with (work / "corpus.jsonl").open("w", encoding="utf-8") as file:
            for row in sorted({row for _, row, *_ in made}):
                tokens, title = text.passage(row), int(text.title_lengths[row])
                named = processor.decode(tokens[:title]).removesuffix(":")
                told = processor.decode(tokens[title:])
                file.write(json.dumps({"id": f"text-{row}", "title": named, "text": told}) + "\n")
        for task in sorted({task for task, *_ in made}):
            with (work / f"{task}{MADE}{TRAIN}").open("w", encoding="utf-8") as file:
                for number, (name, row, start, end, question) in enumerate(made):
                    if name == task:
                        answer = processor.decode(text.passage(row)[start:end])
                        output = {"answer": answer, "provenance": [{"passage_id": f"text-{row}"}]}
                        line = {"id": f"made-{number}", "input": processor.decode(question)}
                        file.write(json.dumps(line | {"output": [output]}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
