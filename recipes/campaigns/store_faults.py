"""What is done to a memory store, and what came of it, counted."""

import argparse
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.memory import CorruptStoreError, MemoryStore
from glimmer_keras.utils.progress import track
from recipes.benchmarks.processes import environment

SEED = 0
READ_AT_ONCE = 512


def killed_and_restarted(work: Path, args: argparse.Namespace) -> dict[str, int]:
    """Kill encoding between its first file and its last, at random, and start it again."""
    whole = work / "whole"
    child = encode(work, whole, args)
    begun = wait_for(whole / "zarr.json", child)
    finish(child)
    seconds = time.monotonic() - begun
    expected = files_of(whole)
    rng = random.Random(SEED)
    counts = Counter({"killed": 0, "equal stores": 0})
    for number in track(range(args.kills), "Killing", "processes"):
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
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def flipped_bytes(work: Path, args: argparse.Namespace) -> dict[str, int]:
    """Change one byte of the store at a time, drawn over all bytes and over all files."""
    path = work / "whole"
    ids = [passage.id for passage in MemoryStore.open(path).iter_passages()]
    expected = contents(path, ids)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    sizes = [file.stat().st_size for file in files]
    rng = random.Random(SEED)
    counts = Counter({"harmless": 0, "reported": 0, "wrong": 0, "not seen by verify": 0})
    for number in track(range(args.flips), "Flipping", "bytes"):
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
    """Read all that a user can read of a store."""
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
    """Append while another process reads at random, which opens the store again after."""
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


def read_at_random(path: Path, stop: Any, counts: Any) -> None:
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


def glimmer(*arguments: object) -> subprocess.Popen:
    """Start the `glimmer` command."""
    command = [sys.executable, "-m", "glimmer_keras.cli.main", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
    )


def finish(child: subprocess.Popen) -> None:
    _, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{' '.join(child.args)} failed: {errors}")


def encode(work: Path, store: Path, args: argparse.Namespace) -> subprocess.Popen:
    size = ("--shard-size", args.shard_size)
    return glimmer("encode", work / "preset", work / "first.jsonl", store, *size)
