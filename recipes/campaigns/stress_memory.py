"""python -m recipes.campaigns.stress_memory --output DIR

Treats memory stores badly and counts what comes of it: encoding is killed and started again,
bytes of a store are changed, a store grows while another process reads it. Prints a table and
writes stress.json. It uses the `glimmer` command on a generated world and `tiny_world`, so no
files are needed; the backend is that of KERAS_BACKEND. About 12 minutes on 2 cores.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
from rich.console import Console
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.utils.files import write_file
from recipes.campaigns.store_faults import (
    SEED,
    appended_while_read,
    flipped_bytes,
    killed_and_restarted,
)
from recipes.worlds.fictional_world import make_world, write_world


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="folder to write stress.json to")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--appended", type=int, default=1000)
    parser.add_argument("--people", type=int, default=500, help="people in the world")
    parser.add_argument("--shard-size", type=int, default=128)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        kept = prepare(work, args)
        report = {
            "backend": keras.backend.backend(),
            "killed": killed_and_restarted(work, args),
            "flipped": flipped_bytes(work, args),
            "appended": appended_while_read(work, args, kept),
        }
    table = Table("what was done", "what came of it", title="A store treated badly")
    for name in ("killed", "flipped", "appended"):
        table.add_row(name, ", ".join(f"{key} {value}" for key, value in report[name].items()))
    Console().print(table)
    if args.output:
        write_file(args.output / "stress.json", json.dumps(report, indent=1) + "\n")


def prepare(work: Path, args: argparse.Namespace) -> int:
    """Write a preset and two corpora, the second to append; count the passages of the first."""
    glimmer = gk.Glimmer.from_t5("tiny_world", live_proportion=3 / 4, rerank_proportion=2 / 3)
    glimmer.preprocessor = gk.GlimmerPreprocessor(
        glimmer.preprocessor.tokenizer, passage_length=48, question_length=16
    )
    glimmer.save_to_preset(work / "preset")
    write_world(make_world(SEED, people=args.people), work)
    lines = (work / "corpus.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = len(lines) - args.appended
    (work / "first.jsonl").write_text("".join(lines[:kept]), encoding="utf-8")
    (work / "second.jsonl").write_text("".join(lines[kept:]), encoding="utf-8")
    return kept


if __name__ == "__main__":
    main()
