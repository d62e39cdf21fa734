"""KERAS_BACKEND=jax python -m recipes.benchmarks.accelerator --output bench

All that only a GPU or a TPU can tell, in ten minutes at most; each part runs in a process of its
own, and what it found is saved as it ends, in DIR/accelerator-BACKEND.json. A part that fails, or
has no time left, is told there and the others go on.

- parity: GLIMMER in float32 on the chip and on the CPU, the largest difference of scores and logits
- encoder: encoder layers at Base, Large and XXL in bfloat16, beside a matrix product, and with
  `--peak` (TFLOP/s of the chip by its maker) as a share of that; the goal is 60 %
- reading: memory of 25 passages from the disk to the chip, by the type of the store
- flash: whether Keras's flash attention runs with T5's bias, and what it gives
- peers: first token and longer answers beside FiD of ours and of KerasHub's, and with `--peer hf`
  of Hugging Face's
- training: a step of GLIMMER and of FiD

`--quick` has shapes for a CPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from recipes.benchmarks.hugging_face.peer import add_peer_arguments
from recipes.benchmarks.machine import machine
from recipes.benchmarks.processes import environment
from recipes.benchmarks.report import write_report

CHIP = "recipes.benchmarks.parts.chip"
LENGTHS = {"question_length": 48, "passage_length": 352, "k": 25, "m": 5}
FULL: dict[str, dict[str, Any]] = {
    "parity": {"size": "small", **LENGTHS},
    "encoder": {
        "sizes": ["base", "large", "xxl"],
        "layers": 4,
        "rows": 64,
        "passage_length": 352,
        "repeats": 10,
    },
    "reading": {
        "size": "base",
        "k": 25,
        "passage_length": 304,
        "stored": 500,
        "dtypes": ["bfloat16", "pq:16"],
        "repeats": 20,
    },
    "flash": {"size": "base", "rows": 64, "passage_length": 352, "repeats": 10},
    "peers": {"size": "base", "answers": "1,16", "repeats": 5, **LENGTHS},
    "training": {"size": "base", "batch": 2, "repeats": 5, **LENGTHS},
}
SMALL = {"question_length": 2, "passage_length": 8, "k": 3, "m": 1}
QUICK: dict[str, dict[str, Any]] = {
    "parity": {"size": "tiny", **SMALL},
    "encoder": {"sizes": ["tiny"], "layers": 1, "rows": 2, "passage_length": 8, "repeats": 2},
    "reading": {
        "size": "tiny",
        "k": 2,
        "passage_length": 8,
        "stored": 4,
        "dtypes": ["bfloat16"],
        "repeats": 2,
    },
    "flash": {"size": "tiny", "rows": 2, "passage_length": 8, "repeats": 2},
    "peers": {"size": "tiny", "answers": "1,2", "repeats": 2, **SMALL},
    "training": {"size": "tiny", "batch": 1, "repeats": 2, **SMALL},
}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "parts": {}}
    ends = time.monotonic() + 60 * options.minutes
    for name in options.only:
        settings = (QUICK if options.quick else FULL)[name]
        started = time.monotonic()
        found = run(name, settings, options, max(0.0, ends - started))
        found["seconds_in_all"] = time.monotonic() - started
        report["parts"][name] = {"settings": settings, **found}
        outcome = f"failed: {found['failed']}" if "failed" in found else "done"
        console.print(f"{name}: {outcome} ({found['seconds_in_all']:.0f} s)", markup=False)
        write_report(console, "accelerator", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(FULL), default=list(FULL))
    parser.add_argument("--minutes", type=float, default=10.0, help="in all, at most")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="of the chip in bfloat16")
    parser.add_argument("--output", metavar="DIR")
    add_peer_arguments(parser)
    return parser.parse_args(arguments)


def run(
    name: str, settings: dict[str, Any], options: argparse.Namespace, left: float
) -> dict[str, Any]:
    """Run a part in a process; give what it found, or in a line why it found nothing."""
    with tempfile.TemporaryDirectory() as work:
        if name in ("peers", "training"):
            command = ["-m", f"recipes.benchmarks.{name}", "--output", work]
            command += ["--dtype", "float32" if options.quick else "mixed_bfloat16"]
            for option, value in settings.items():
                command += [f"--{option.replace('_', '-')}", str(value)]
            if options.peer:
                command += ["--peer", options.peer, "--peer-python", options.peer_python]
        else:
            asked = {"part": name, "peak_tflops": options.peak, **settings}
            command = ["-m", CHIP, json.dumps(asked)]
        try:
            done = subprocess.run(
                [sys.executable, *command],
                capture_output=True,
                text=True,
                env=environment(),
                timeout=left,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"no time was left: {left:.0f} s of --minutes"}
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if done.returncode:
            return {"failed": lines[-1] if lines else f"exit status {done.returncode}"}
        if command[1] == CHIP:
            return {"found": json.loads(done.stdout.splitlines()[-1])}
        report = Path(work, f"{name}-{keras.backend.backend()}.json")
        return {"found": json.loads(report.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    main()
