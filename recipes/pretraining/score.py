"""python -m recipes.pretraining.score --run runs/reader --data DIR --part held

Scores a pretrained reader on questions of a folder in the shape of KILT, each with its gold
passage: exact match by KILT's rules, by task. --part held has the training questions that
pretraining held out, to tune on; dev has the development questions, to tell.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, read_corpus, read_task
from glimmer_keras.evaluation import evaluate, score_table
from glimmer_keras.pipelines import tokenize
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.held_out import split_task, training_tasks
from recipes.pretraining.reader import Pretrained

PARTS = ("held", "dev")
DEV = "-dev.jsonl"


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument(
        "--run", type=Path, required=True, help="output of recipes.pretraining, or a preset"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder as KILT's")
    parser.add_argument("--part", choices=PARTS, default="held")
    parser.add_argument("--phase", type=int, help="whose reader; the last that is there")
    parser.add_argument("--limit", type=int, default=200, help="questions of each task")
    args = parser.parse_args(argv)
    pretrained = Pretrained.of(args.run, args.phase)
    reader = pretrained.load(None)
    tokenizer = reader.preprocessor.tokenizer
    reader.preprocessor = gk.GlimmerPreprocessor(tokenizer, 48, 192, 16, 1)
    reader.compile()
    corpus = read_corpus(args.data / "corpus.jsonl")
    tasks = [gold(task, corpus, args.limit) for task in parts(args.data, args.part)]
    tokens, passages = tokenize(tasks, corpus, reader.preprocessor)
    tokens = [t.with_retrieved(task.retrieved) for t, task in zip(tokens, tasks, strict=True)]
    table, predictions = evaluate(reader, tasks, corpus, tokens, passages, batch_size=64)
    Console().print(score_table(table, f"gold passage, {args.part}, {pretrained.t5.parent.name}"))
    for task in tasks:
        for example, answer in list(zip(task, predictions[task.name].answers, strict=True))[:3]:
            print(f"{task.name}: {example.question} -> {answer!r}, gold {example.answers[:2]}")


def parts(folder: Path, part: str) -> list[Task]:
    if part == "held":
        return [held for task in training_tasks(folder) if (held := split_task(task)[1])]
    return [read_task(path, path.name.removesuffix(DEV)) for path in sorted(folder.glob(f"*{DEV}"))]


def gold(task: Task, corpus: Corpus, limit: int) -> Task:
    """The first examples, each with a gold passage: one that tells an answer, if there is one."""
    kept, rows = [], []
    for example in task:
        gold = [row for rows in corpus.evidence_rows(example) for row in sorted(rows)]
        if gold and len(kept) < limit:
            telling = [
                row
                for row in gold
                if any(a.lower() in corpus[row].content.lower() for a in example.answers)
            ]
            kept.append(example)
            rows.append([(telling or gold)[0]])
    return Task(task.name, kept).with_retrieved(np.array(rows, "int32"))


if __name__ == "__main__":
    sys.exit(main())
