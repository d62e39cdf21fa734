from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from glimmer_keras.cli.encode import (
    add_batch_argument,
    add_corpus_arguments,
    add_dtype_arguments,
    corpus_file,
)
from glimmer_keras.cli.start_keras import start_keras


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=text)

    def add_store(action: argparse.ArgumentParser) -> None:
        action.add_argument("store", metavar="STORE", help="path or URL of the store")

    info = add("info", "sizes and settings")
    info.add_argument("--json", action="store_true", help="as JSON")
    add_store(info)
    add_store(add("verify", "read all of it and compare it with its checksums"))
    append = add("append", "encode further passages into it, all or none")
    append.add_argument(
        "--replace", action="store_true", help="ids may be in it: their passages are replaced"
    )
    append.add_argument("preset", metavar="PRESET", help="the preset that the store was made with")
    add_corpus_arguments(append)
    add_store(append)
    add_batch_argument(append)
    delete = add("delete", "make passages unknown, all or none")
    add_store(delete)
    delete.add_argument("ids", nargs="*", metavar="ID", help="of passages")
    delete.add_argument("--from", dest="file", metavar="FILE", help="a file with an id a line")
    convert = add("convert", "write its passages to another store, in another type")
    add_store(convert)
    convert.add_argument("path", metavar="NEW", help="path or URL of the new store")
    add_dtype_arguments(convert)
    add_store(add("compact", "give the space of deleted and replaced passages back"))


def run(args: argparse.Namespace) -> int:
    actions = {
        "info": _info,
        "verify": _verify,
        "append": _append,
        "delete": _delete,
        "compact": _compact,
        "convert": _convert,
    }
    return actions[args.action](args)


def _info(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from glimmer_keras.memory import MemoryStore

    info = MemoryStore.open(args.store).info()
    if args.json:
        print(json.dumps(info, indent=1))
        return 0
    table = Table(show_header=False)
    for name, value in info.items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for part, shown in parts:
            table.add_row(f"{name} {part}".replace("_", " ").strip(), _shown(shown))
    Console().print(table)
    return 0


def _shown(value: Any) -> str:
    """Write a value of `MemoryStore.info` for a table."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return " + ".join(f"{part:,}" for part in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _verify(args: argparse.Namespace) -> int:
    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.utils.progress import Progress

    store = MemoryStore.open(args.store)
    info = store.info()
    with Progress("Verifying", info["passages"] + info["deleted"], "passages") as shown:
        damage = store.verify(lambda done, total: shown.advance(done - shown.done))
    for line in damage:
        print(line)
    if not damage:
        print(f"{store.path}: {len(store):,} passages, no damage")
    return int(bool(damage))


def _append(args: argparse.Namespace) -> int:
    from glimmer_keras.memory import MemoryStore

    corpus = corpus_file(args)
    # Before the model is loaded: there must be a store.
    store = MemoryStore.open(args.store)
    start_keras()
    from glimmer_keras.models import Glimmer
    from glimmer_keras.pipelines import append_corpus

    glimmer = Glimmer.from_preset(args.preset)
    store = append_corpus(glimmer, corpus, store, args.tokens_per_batch, replace=args.replace)
    print(f"{store.path}: {len(store):,} passages")
    return 0


def _delete(args: argparse.Namespace) -> int:
    from glimmer_keras.memory import MemoryStore

    ids = list(args.ids)
    if args.file is not None:
        lines = Path(args.file).read_text(encoding="utf-8").splitlines()
        ids += [line.strip() for line in lines if line.strip()]
    if not ids:
        raise ValueError("`ID` or `--from` must name a passage to delete. Received: 0 ids")
    store = MemoryStore.open(args.store)
    store.delete(ids)
    print(f"{store.path}: {len(store):,} passages")
    return 0


def _compact(args: argparse.Namespace) -> int:
    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.utils.progress import Progress

    store = MemoryStore.open(args.store)
    before = store.info()["bytes"]
    with Progress("Compacting", len(store), "passages") as shown:
        store.compact(lambda done, total: shown.advance(done - shown.done))
    after = store.info()["bytes"]
    won = "" if before is None else f", {before - after:,} bytes won back"
    print(f"{store.path}: {len(store):,} passages{won}")
    return 0


def _convert(args: argparse.Namespace) -> int:
    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.utils.progress import Progress

    store = MemoryStore.open(args.store)
    with Progress("Converting", len(store), "passages") as shown:
        new = store.convert(
            args.path, args.dtype, progress=lambda done, total: shown.advance(done - shown.done)
        )
    print(f"{new.path}: {len(new):,} passages")
    return 0
