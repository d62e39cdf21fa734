"""python -m recipes.pretraining.ship --preset runs/ranked/preset --output my_reader

Writes a trained GLIMMER for others to load with `Glimmer.from_preset`: in Hugging Face's form, all
weights in float16, which is half the bytes, and a model of float32 whatever it was trained in. The
card that tells what it is made of (README.md) is for its maker to write.

--calibrate gives a folder in the shape of KILT: the training questions that pretraining held out,
each answered from BM25's first passages, tell how the confidence of answers follows from their
probability, and how far it is off. The model keeps that.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load_file, save_file

import glimmer_keras as gk
from glimmer_keras.data import Task, read_corpus
from glimmer_keras.evaluation import calibrate
from glimmer_keras.pipelines import bm25_index
from glimmer_keras.utils.checksums import CHECKSUMS, write_checksums
from glimmer_keras.utils.files import new_folder
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.held_out import split_task, training_tasks

DTYPE = "float16"


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--preset", required=True, help="folder of a Glimmer preset")
    parser.add_argument("--output", type=Path, required=True, help="folder to be made")
    parser.add_argument("--calibrate", type=Path, metavar="DIR", help="folder as KILT's")
    parser.add_argument("--limit", type=int, default=100, help="questions of each task (100)")
    args = parser.parse_args(argv)
    glimmer = gk.Glimmer.from_preset(args.preset, dtype="float32")
    if args.calibrate:
        calibrate_on(glimmer, args.calibrate, args.limit)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        glimmer.export_to_transformers(whole)
        with new_folder(args.output, what="`--output`") as work:
            for file in sorted(whole.iterdir()):
                if file.name == CHECKSUMS:
                    continue
                if file.suffix != ".safetensors":
                    (work / file.name).write_bytes(file.read_bytes())
                    continue
                tensors = {name: t.astype(DTYPE) for name, t in load_file(file).items()}
                save_file(tensors, work / file.name, {"format": "pt"})
                shutil.copymode(file, work / file.name)  # else its owner alone may read it
            write_checksums(work)
    size = sum(file.stat().st_size for file in args.output.iterdir()) / 1e6
    print(f"{args.output}: {glimmer.count_params():,} parameters, {size:.1f} MB")


def calibrate_on(glimmer: gk.Glimmer, folder: Path, limit: int) -> None:
    corpus = read_corpus(folder / "corpus.jsonl")
    reader = gk.Reader(glimmer, retriever=bm25_index(corpus), corpus=corpus)
    held = [part for task in training_tasks(folder) if (part := split_task(task)[1])]
    found = calibrate(reader, [Task(task.name, list(task)[:limit]) for task in held])
    print(
        f"{found.questions} questions, {100 * found.exact_match:.1f} % exact; expected calibration "
        f"error {100 * found.error_before:.1f} %, calibrated {100 * found.error_after:.1f} %; "
        f"slope and intercept {found.calibration[0]:.3f}, {found.calibration[1]:.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
