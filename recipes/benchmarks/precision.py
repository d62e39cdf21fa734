"""KERAS_BACKEND=jax python -m recipes.benchmarks.precision --preset DIR/preset --output bench

Whether a model answers in bfloat16 as it does in float32: a preset that
`python -m recipes.worlds.demonstration --output DIR` wrote answers its test questions from the
same passages in float32, in bfloat16 (weights too) and in mixed_bfloat16. Passages are encoded as
they come, at the precision that is compared.

Prints for each precision the share of questions with the same answer, of answer tokens that are the
same in the same place, of questions for which the same passages are read, and the exact match.
Writes DIR/precision-BACKEND.json. A few minutes on two cores.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.evaluation import score_tasks
from glimmer_keras.pipelines import Predictions
from glimmer_keras.retrieval import BM25Retriever
from recipes.benchmarks.machine import machine
from recipes.benchmarks.report import write_report
from recipes.worlds.demonstration import TEST_QUESTIONS, WORLD_SEED, answer_all, same_selected
from recipes.worlds.tasks import world_tasks

PRECISIONS = ("float32", "bfloat16", "mixed_bfloat16")

Answers = dict[str, list[gk.Answer]]


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    corpus, _, test = world_tasks(seed=WORLD_SEED, people=options.people)
    test = [task.take(options.questions) for task in test]
    retriever = BM25Retriever.build(corpus)
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "precisions": {}}
    exact: Answers = {}
    for dtype in PRECISIONS:
        console.print(f"Answering in {dtype}")
        glimmer = gk.Glimmer.from_preset(options.preset, dtype=dtype)
        glimmer.compile(sampler="greedy")
        reader = gk.Reader(glimmer, None, retriever, corpus=corpus, batch_size=32)
        answers = answer_all(reader, test)
        exact = exact or answers
        predictions = {name: Predictions.from_answers(given) for name, given in answers.items()}
        scores = score_tasks(test, corpus, predictions)
        report["precisions"][dtype] = {
            **agreement(exact, answers, glimmer.preprocessor.tokenizer),
            "same_passages": same_selected(exact, answers),
            "exact_match": scores["average"]["exact_match"],
        }
    print_report(console, report)
    write_report(console, "precision", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument(
        "--preset", required=True, metavar="DIR", help="of recipes.worlds.demonstration"
    )
    parser.add_argument("--questions", type=int, default=TEST_QUESTIONS, help="of each task")
    parser.add_argument("--people", type=int, default=1500, help="people in the world")
    parser.add_argument("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    if not (Path(options.preset) / "config.json").is_file():
        parser.error(f"--preset must be a folder with a preset. Received: {options.preset}")
    return options


def agreement(expected: Answers, others: Answers, tokenize: Any) -> dict[str, float]:
    """Give shares of the same answers, and of the same tokens over the longer of two answers."""
    same, tokens = [], []
    for name, answers in expected.items():
        for one, other in zip(answers, others[name], strict=True):
            same.append(one.text == other.text)
            pair = [[*map(int, tokenize(text))] for text in (one.text, other.text)]
            length = max(map(len, pair))
            both = zip(*pair, strict=False)
            tokens.append((sum(a == b for a, b in both), length))
    equal, total = map(sum, zip(*tokens, strict=True))
    return {"same_answers": statistics.mean(same), "same_tokens": equal / max(total, 1)}


def print_report(console: Console, report: dict[str, Any]) -> None:
    columns = ("same answers", "same tokens", "same passages read", "exact match")
    table = Table("precision", *columns, title=f"Against float32, {keras.backend.backend()}")
    for dtype, row in report["precisions"].items():
        table.add_row(dtype, *(f"{100 * value:.1f}" for value in row.values()))
    console.print(table)


if __name__ == "__main__":
    main()
