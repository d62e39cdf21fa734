"""KERAS_BACKEND=jax python -m recipes.benchmarks.memory --corpus FILE --size small --output bench

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
import tempfile
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from glimmer_keras.data import PassageFile
from glimmer_keras.pipelines.length_batches import TOKENS_PER_BATCH
from recipes.benchmarks.machine import machine
from recipes.benchmarks.options import add_jit_argument
from recipes.benchmarks.parts import encoding
from recipes.benchmarks.parts.reading import check, compare_reading
from recipes.benchmarks.processes import run_part
from recipes.benchmarks.report import write_report
from recipes.pretraining.tokenizer import train_tokenizer


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report = {"settings": vars(options), "machine": machine()}
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        learn_vocabulary(options, Path(work))
        for name, passages in (("few", options.few), ("all", options.limit)):
            store = f"{work}/{name}"
            console.print(f"{keras.backend.backend()}: encoding {name} passages, reading them")
            for part in ("encode", "read"):
                report[f"{part}_{name}"] = measure(part, store, passages, options)
        console.print("Sizes, opening, verifying, and reading beside a memory-mapped array")
        report["dtypes"] = measure("sizes", f"{work}/few", options.few, options)
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
    add_jit_argument(parser, "of the peak")
    parser.add_argument("--work", metavar="DIR", help="for stores, by default a temporary folder")
    parser.add_argument("--output", metavar="DIR")
    return parser.parse_args(arguments)


def measure(part: str, store: str, limit: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a part over the first passages, in a process of its own."""
    case = {"part": part, "store": store, "limit": limit}
    return run_part(encoding.__name__, {**vars(options), **case})


def learn_vocabulary(options: argparse.Namespace, work: Path) -> None:
    texts = (passage.content for passage in itertools.islice(PassageFile(options.corpus), 20000))
    (work / "vocabulary.spm").write_bytes(train_tokenizer(texts, options.vocabulary).proto)


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
