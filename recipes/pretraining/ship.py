"""python -m recipes.pretraining.ship --preset runs/ranked/preset --output my_reader

Writes a trained GLIMMER for others to load with `Glimmer.from_preset`: in Hugging Face's form, all
weights in float16, which is half the bytes, and a model of float32 whatever it was trained in. The
card that tells what it is made of (README.md) is for its maker to write.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load_file, save_file

import glimmer_keras as gk
from glimmer_keras.utils.files import new_folder
from recipes.command import Help, OneLineParser, exit_code

DTYPE = "float16"


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--preset", required=True, help="folder of a Glimmer preset")
    parser.add_argument("--output", type=Path, required=True, help="folder to be made")
    args = parser.parse_args(argv)
    glimmer = gk.Glimmer.from_preset(args.preset, dtype="float32")
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        glimmer.export_to_transformers(whole)
        with new_folder(args.output, what="`--output`") as work:
            for file in sorted(whole.iterdir()):
                if file.suffix != ".safetensors":
                    (work / file.name).write_bytes(file.read_bytes())
                    continue
                tensors = {name: t.astype(DTYPE) for name, t in load_file(file).items()}
                save_file(tensors, work / file.name, {"format": "pt"})
                shutil.copymode(file, work / file.name)  # else its owner alone may read it
    size = sum(file.stat().st_size for file in args.output.iterdir()) / 1e6
    print(f"{args.output}: {glimmer.count_params():,} parameters, {size:.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
