"""python recipes/stress_memory.py --output DIR

Treats memory stores badly and counts what comes of it: encoding is killed and started again,
bytes of a store are changed, a store grows while another process reads it. Prints a table and
writes stress.json. It uses the `glimmer` command on a generated world and `tiny_world`, so no
files are needed; the backend is that of KERAS_BACKEND. About 12 minutes on 2 cores.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import keras
import numpy as np
from fictional_world import make_world, write_world
from rich.console import Console
from rich.progress import track
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.memory import CorruptStoreError, MemoryStore

SEED = 0
READ_AT_ONCE = 512


def main(argv=None):
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
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "stress.json").write_text(json.dumps(report, indent=1) + "\n")


def prepare(work: Path, args: argparse.Namespace) -> int:
    """A preset and two corpora, the second to append; gives the number of passages in the first."""
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


def glimmer(*arguments) -> subprocess.Popen:
    """The `glimmer` command, started."""
    command = [sys.executable, "-m", "glimmer_keras.cli.main", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen) -> None:
    _, said = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(child.args)} failed: {said}")


def encode(work: Path, store: Path, args: argparse.Namespace) -> subprocess.Popen:
    size = ("--shard-size", args.shard_size)
    return glimmer("encode", work / "preset", work / "first.jsonl", store, *size)


def killed_and_restarted(work: Path, args: argparse.Namespace) -> dict[str, int]:
    """SIGKILL at random moments between the first file and the last, then started again."""
    whole = work / "whole"
    child = encode(work, whole, args)
    begun = wait_for(whole / "zarr.json", child)
    finish(child)
    seconds = time.monotonic() - begun
    expected = files_of(whole)
    rng = random.Random(SEED)
    counts = Counter({"killed": 0, "equal stores": 0})
    for number in track(range(args.kills), "Killing"):
        store, killed = work / f"killed-{number}", False
        while not killed:  # One that was finished already begins anew.
            shutil.rmtree(store, ignore_errors=True)
            child = encode(work, store, args)
            wait_for(store / "zarr.json", child)
            time.sleep(rng.uniform(0, seconds))
            child.kill()
            child.communicate()
            killed = child.returncode == -signal.SIGKILL
        finish(encode(work, store, args))
        counts["killed"] += 1
        counts["equal stores"] += files_of(store) == expected
        shutil.rmtree(store)
    return dict(counts)


def wait_for(path: Path, child: subprocess.Popen) -> float:
    while not path.exists() and child.poll() is None:
        time.sleep(0.01)
    return time.monotonic()


def files_of(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def flipped_bytes(work: Path, args: argparse.Namespace) -> dict[str, int]:
    """One byte of the store's files changed at a time, drawn over all bytes and over all files."""
    path = work / "whole"
    ids = [passage.id for passage in MemoryStore.open(path).iter_passages()]
    expected = contents(path, ids)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    sizes = [file.stat().st_size for file in files]
    rng = random.Random(SEED)
    counts = Counter({"harmless": 0, "reported": 0, "wrong": 0, "not seen by verify": 0})
    for number in track(range(args.flips), "Flipping"):
        # Half of them in any byte, which is mostly memory, and half in any file.
        file = rng.choices(files, sizes if number % 2 else None)[0]
        sound = file.read_bytes()
        place = rng.randrange(len(sound))
        broken = bytearray(sound)
        broken[place] ^= rng.randrange(1, 256)
        file.write_bytes(broken)
        try:
            same = contents(path, ids) == expected
            outcome = "harmless" if same else "wrong"
        except CorruptStoreError as error:
            named = path.name in str(error) or "passage" in str(error)
            outcome = "reported" if named else "wrong"
        counts[outcome] += 1
        counts["not seen by verify"] += outcome == "reported" and not found_by_verify(path)
        file.write_bytes(sound)
    return dict(counts)


def contents(path: Path, ids: list[str]) -> list[bytes]:
    """All that a user can read of a store."""
    store = MemoryStore.open(path)
    parts = [repr(store.passages(ids)).encode()]
    for start in range(0, len(ids), READ_AT_ONCE):
        batch = store.read(ids[start : start + READ_AT_ONCE])
        arrays = (batch.values, batch.scales, batch.lengths)
        parts += [array.tobytes() for array in arrays if array is not None]
    return parts


def found_by_verify(path: Path) -> bool:
    try:
        return bool(MemoryStore.open(path).verify())
    except CorruptStoreError:
        return True


def appended_while_read(work: Path, args: argparse.Namespace, kept: int) -> dict[str, int]:
    """Another process reads at random while passages are added, and opens the store after."""
    path = work / "whole"
    context = multiprocessing.get_context("spawn")
    stop, counts = context.Event(), context.Queue()
    reader = context.Process(target=read_at_random, args=(path, stop, counts))
    reader.start()
    counts.get()  # It has the store open.
    finish(glimmer("store", "append", work / "preset", work / "second.jsonl", path))
    stop.set()
    result = counts.get()
    reader.join()
    return {"passages before": kept, "passages after": len(MemoryStore.open(path)), **result}


def read_at_random(path, stop, counts):
    store = MemoryStore.open(path)
    ids = [passage.id for passage in store.iter_passages()]
    whole = store.read(ids)
    rng = np.random.default_rng(SEED)
    counts.put("open")
    reads = wrong = 0
    while not stop.is_set():
        rows = rng.integers(len(ids), size=25)
        batch = store.read([ids[row] for row in rows])
        wrong += not (
            np.array_equal(batch.values, whole.values[rows])
            and np.array_equal(batch.scales, whole.scales[rows])
        )
        reads += 1
    again = MemoryStore.open(path)
    seen = sum(1 for _ in again.iter_passages())
    counts.put({"reads meanwhile": reads, "wrong reads": wrong, "seen after reopening": seen})


if __name__ == "__main__":
    main()
