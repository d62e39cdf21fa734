"""KERAS_BACKEND=jax python recipes/benchmark_memory.py --corpus FILE --size small --output bench

What a memory store costs: encoding the corpus at two sizes, each in a process of its own whose
greatest memory is told, then the store's size in each dtype, opening, verifying and reading it.
The model has random weights, and a vocabulary learned from the corpus.

Encoding is timed without compiling, in rounds between which the same process times one float32
matrix product, tokens x d x ff: the peak. Its share is that of the multiply-accumulates of real
tokens alone, padding and embeddings left out: `formulas` counts 12 d^2 a token and layer as the
paper does, `projections` the attention projections and feed-forward blocks as built, and
`with_scores` adds queries by keys and weights by values, of each passage's own length. Writing,
reading and tokenising that encoding did not hide is in the time; `waited` is its share.

Reading compares 25 random passages at the width of `--read-size` with the same bytes taken from a
memory-mapped NumPy array, in turn; both are in the page cache. Expect half an hour for 25,000
passages at small on two cores; prints a table and writes DIR/memory-BACKEND.json.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
from _benchmark import Peak, interleaved, machine, spread, write_report
from _matrix_work import Work, encoder_work
from _tokenizer import train_tokenizer
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import PassageFile
from glimmer_keras.memory import MemoryStore, StoredPassage, StoreWriter
from glimmer_keras.memory.manifest import DTYPES
from glimmer_keras.memory.quantize import quantize
from glimmer_keras.models.sizes import size_arguments
from glimmer_keras.pipelines.length_batches import LENGTH_STEP, TOKENS_PER_BATCH
from glimmer_keras.pipelines.passage_encoder import (
    EncodingReport,
    PassageEncoder,
    PassageTokens,
    encode_shards,
)
from glimmer_keras.utils.chunks import in_chunks

PASSAGES_READ = 25


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = parse(arguments)
    if options.part:
        found = PARTS[options.part](options)
        print(json.dumps(found))
        return found
    console = Console()
    report = {"settings": vars(options), "machine": machine()}
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        learn_vocabulary(options, Path(work))
        for name, passages in (("few", options.few), ("all", options.limit)):
            store = f"{work}/{name}"
            console.print(f"{keras.backend.backend()}: encoding {name} passages, reading them")
            for part in ("encode", "read"):
                settings = ["--part", part, "--store", store, "--limit", str(passages)]
                report[f"{part}_{name}"] = run_part([*options.arguments, *settings])
        console.print("Sizes, opening, verifying, and reading beside a memory-mapped array")
        settings = ["--part", "sizes", "--store", f"{work}/few", "--limit", str(options.few)]
        report["dtypes"] = run_part([*options.arguments, *settings])
        report |= check(f"{work}/all", options.repeats)
        report["reading"] = compare_reading(options, Path(work))
    print_report(console, report)
    write_report(console, "memory", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--corpus", required=True, help="passages as JSON lines")
    parser.add_argument("--size", default="small")
    parser.add_argument("--passage-length", type=int, default=304)
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--limit", type=int, default=10**9, help="passages that are encoded")
    parser.add_argument("--few", type=int, default=2000, help="passages of the smaller corpus")
    parser.add_argument("--shard-size", type=int, default=512)
    parser.add_argument("--tokens-per-batch", type=int, default=TOKENS_PER_BATCH)
    parser.add_argument("--read-size", default="base")
    parser.add_argument("--read-passages", type=int, default=2000, help="to pick 25 from")
    parser.add_argument("--rounds", type=int, default=3, help="of encoding")
    parser.add_argument("--repeats", type=int, default=20, help="of opening and reading")
    parser.add_argument("--jit", choices=["on", "off", "best"], default="best", help="of the peak")
    parser.add_argument("--work", metavar="DIR", help="for stores, by default a temporary folder")
    parser.add_argument("--output", metavar="DIR")
    parser.add_argument("--part", choices=["encode", "read", "sizes"], help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else list(arguments)
    return options


def run_part(arguments: list[str]) -> dict[str, Any]:
    """What a process of its own reports."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def learn_vocabulary(options: argparse.Namespace, work: Path) -> None:
    texts = (passage.content for passage in itertools.islice(PassageFile(options.corpus), 20000))
    (work / "vocabulary.spm").write_bytes(train_tokenizer(texts, options.vocabulary).proto)


def build(options: argparse.Namespace) -> Glimmer:
    keras.utils.set_random_seed(0)
    proto = (Path(options.store).parent / "vocabulary.spm").read_bytes()
    tokenizer = keras_hub.models.T5Tokenizer(proto)
    preprocessor = GlimmerPreprocessor(tokenizer, passage_length=options.passage_length)
    vocabulary = tokenizer.vocabulary_size()
    return Glimmer.glimmer(options.size, preprocessor, vocabulary_size=vocabulary)


def encode(options: argparse.Namespace) -> dict[str, Any]:
    """Encode the first passages of the corpus to an int8 store; times, shares, greatest memory."""
    corpus = PassageFile(options.corpus)
    glimmer, before = build(options), greatest_memory()
    backbone = glimmer.backbone
    encoder = PassageEncoder(glimmer, options.tokens_per_batch)
    started = time.perf_counter()
    compile_shapes(encoder)
    compiling = time.perf_counter() - started
    peak = Peak(backbone, options.tokens_per_batch, options.jit)
    writer = create(options, options.store)
    count = sum(1 for _ in itertools.islice(corpus, options.limit))
    shards = enumerate(in_chunks(itertools.islice(corpus, options.limit), options.shard_size))
    total = -(-count // options.shard_size)
    rounds = []
    peak.measure()
    # In a round of three shards one is read, one encoded and one written, as in a long run.
    for part in np.array_split(np.arange(total), max(1, min(options.rounds, total // 3))):
        rounds.append(encode_shards(encoder, itertools.islice(shards, len(part)), writer))
        peak.measure()
    writer.complete(total)
    taken = {name: sum(getattr(part, name) for part in rounds) for name in vars(EncodingReport())}
    memory = greatest_memory()
    lengths = [
        encoder.tokenize(chunk).lengths
        for chunk in in_chunks(itertools.islice(corpus, options.limit), options.shard_size)
    ]
    work = real_work(backbone, np.concatenate(lengths))
    layers = backbone.layer_counts["memory"]
    counted = {
        "formulas": 12 * backbone.hidden_dim**2 * layers * taken["tokens"],
        "projections": work.projections,
        "with_scores": work.total,
    }
    speed = statistics.median(peak.rounds)
    return {
        **taken,
        "compiling": compiling,
        "passages_per_second": taken["passages"] / taken["seconds"],
        "tokens_per_second": taken["tokens"] / taken["seconds"],
        "waited_share": taken["waited"] / taken["seconds"],
        "macs": counted,
        "share_of_peak": {n: macs / taken["seconds"] / speed for n, macs in counted.items()},
        "peak": peak.report(),
        "megabytes_with_model": before,
        "megabytes": memory,
    }


def compile_shapes(encoder: PassageEncoder) -> None:
    """One passage of each length, so that every shape is compiled."""
    ids = np.full((1, encoder.passage_length), 2, "int32")
    for length in range(LENGTH_STEP, encoder.passage_length + LENGTH_STEP, LENGTH_STEP):
        lengths = np.array([min(length, encoder.passage_length)], "int32")
        encoder.encode(PassageTokens(ids, lengths, 0))


def real_work(backbone: Any, lengths: np.ndarray) -> Work:
    """Of encoding passages, each at its own length."""
    work, layers = Work(), backbone.layer_counts["memory"]
    for length, number in zip(*np.unique(lengths, return_counts=True), strict=True):
        work += encoder_work(backbone, layers, int(number), int(length))
    return work


def read(options: argparse.Namespace) -> dict[str, Any]:
    """Read 25 random passages many times; greatest memory."""
    before = greatest_memory()
    store, rng = MemoryStore.open(options.store), np.random.default_rng(0)
    corpus = itertools.islice(PassageFile(options.corpus), options.limit)
    ids = np.array([passage.id for passage in corpus])
    for _ in range(10 * options.repeats):
        store.read(rng.choice(ids, min(PASSAGES_READ, len(ids)), replace=False))
    return {"passages": len(ids), "megabytes_before": before, "megabytes": greatest_memory()}


def greatest_memory() -> float:
    """Of this process so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def sizes(options: argparse.Namespace) -> dict[str, float]:
    """Bytes per token and dimension of a store of each dtype, all files counted."""
    encoder = PassageEncoder(build(options), options.tokens_per_batch)
    corpus = itertools.islice(PassageFile(options.corpus), options.limit)
    writers = {dtype: create(options, f"{options.store}-{dtype}", dtype) for dtype in DTYPES}
    number = 0
    for number, passages in enumerate(in_chunks(corpus, options.shard_size)):
        tokens = encoder.tokenize(passages)
        memory = encoder.encode(tokens)
        for writer in writers.values():
            writer.write_shard(number, memory, tokens.lengths, passages)
    found = {}
    for dtype, writer in writers.items():
        writer.complete(number + 1)
        info = MemoryStore.open(f"{options.store}-{dtype}").info()
        found[dtype] = info["bytes_per_token_and_dim"]
    return found


def create(options: argparse.Namespace, path: str, dtype: str = "int8") -> StoreWriter:
    return MemoryStore.create(
        path,
        hidden_dim=size_arguments(options.size)["hidden_dim"],
        passage_length=options.passage_length,
        dtype=dtype,
        shard_size=options.shard_size,
    )


PARTS = {"encode": encode, "read": read, "sizes": sizes}


def check(path: str, repeats: int) -> dict[str, Any]:
    """Seconds of opening a store, and of verifying all of it."""
    opening = [timed(lambda: MemoryStore.open(path)) for _ in range(repeats)]
    store = MemoryStore.open(path)
    verifying = timed(store.verify)
    return {"open_seconds": spread(opening), "verify_seconds": verifying, "store": store.info()}


def timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare_reading(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Seconds of 25 random int8 passages of full length, from a store and from mapped files."""
    rng, length = np.random.default_rng(0), options.passage_length
    number, dim = options.read_passages, size_arguments(options.read_size)["hidden_dim"]
    values = np.lib.format.open_memmap(work / "values.npy", "w+", "int8", (number, length, dim))
    scales = np.lib.format.open_memmap(work / "scales.npy", "w+", "float32", (number, length))
    writer = MemoryStore.create(work / "reading", hidden_dim=dim, passage_length=length)
    for shard, rows in enumerate(in_chunks(range(number), writer.shard_size)):
        part = slice(rows[0], rows[-1] + 1)
        memory = rng.normal(size=(len(rows), length, dim)).astype("float32")
        values[part], scales[part] = quantize(memory)
        named = [StoredPassage(str(row), "", "") for row in rows]
        writer.write_shard(shard, memory, np.full(len(rows), length), named)
    writer.complete(-(-number // writer.shard_size))
    store, taken = MemoryStore.open(work / "reading"), min(PASSAGES_READ, number)
    values, scales = (np.load(work / f"{n}.npy", mmap_mode="r") for n in ("values", "scales"))
    rows = rng.choice(number, taken, replace=False)
    batch = store.read([str(row) for row in rows])
    if not ((batch.values == values[rows]).all() and (batch.scales == scales[rows]).all()):
        raise RuntimeError("the store and the mapped array must hold the same bytes")

    def next_rows():
        nonlocal rows
        rows = rng.choice(number, taken, replace=False)

    calls = {
        "store": lambda: store.read([str(row) for row in rows]),
        "mapped": lambda: (values[rows], scales[rows]),
    }
    interleaved(calls, 2, next_rows)
    times = interleaved(calls, options.repeats, next_rows)
    found = {name: spread(seconds) for name, seconds in times.items()}
    ratio = found["store"]["median"] / found["mapped"]["median"]
    return {"passages": taken, "length": length, "dim": dim, **found, "ratio": ratio}


def print_report(console: Console, report: dict[str, Any]) -> None:
    table = Table(title=f"Memory, {report['settings']['size']}", show_header=False)
    few, every = report["encode_few"], report["encode_all"]
    shares = ", ".join(f"{name} {share:.1%}" for name, share in every["share_of_peak"].items())
    rows = {
        "passages, tokens": f"{every['passages']:,}, {every['tokens']:,}",
        "passages, tokens a second": f"{every['passages_per_second']:,.1f}, "
        f"{every['tokens_per_second']:,.0f}",
        "share of the peak": shares,
        "share of waiting": f"{every['waited_share']:.1%}",
        "compiling, s": f"{every['compiling']:.1f}",
        "memory of encoding, MiB": f"{few['megabytes']:,.0f} for {few['passages']:,}, "
        f"{every['megabytes']:,.0f} for {every['passages']:,} passages",
        "memory of reading, MiB": f"{report['read_few']['megabytes']:,.0f}, "
        f"{report['read_all']['megabytes']:,.0f}",
        "bytes per token and dimension": ", ".join(
            f"{dtype} {size:.3f}" for dtype, size in report["dtypes"].items()
        ),
        "opening, ms": f"{1e3 * report['open_seconds']['median']:.1f}",
        "verifying, s": f"{report['verify_seconds']:.1f}",
        "25 passages, ms": f"{1e3 * report['reading']['store']['median']:.2f} from the store, "
        f"{1e3 * report['reading']['mapped']['median']:.2f} mapped: "
        f"{report['reading']['ratio']:.2f} times",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


if __name__ == "__main__":
    main()
