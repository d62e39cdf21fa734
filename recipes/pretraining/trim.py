"""python -m recipes.pretraining.trim --run RUN --vocabulary-size 14000 --output runs/trimmed

Makes a smaller reader of a pretrained one: the last pieces of its vocabulary go, and their
embeddings. In a vocabulary of recipes.pretraining.bert_start those are the rarest words, which are
then cut into parts. --output is as a run, for recipes.pretraining.rank and score.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras_hub
from keras import ops

import glimmer_keras as gk
from glimmer_keras.models import sentencepiece_proto as pb
from glimmer_keras.utils.files import write_file
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.reader import Pretrained


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", type=Path, required=True, help="output of recipes.pretraining")
    parser.add_argument("--output", type=Path, required=True, help="folder to be made")
    parser.add_argument("--vocabulary-size", type=int, required=True, help="pieces that stay")
    args = parser.parse_args(argv)
    pretrained = Pretrained.of(args.run)
    reader = pretrained.load(None)
    known = pretrained.sizes.vocabulary_size
    if not 0 < args.vocabulary_size <= known:
        raise ValueError(
            f"`--vocabulary-size` must be from 1 to {known}. Received: {args.vocabulary_size}"
        )
    sizes = replace(pretrained.sizes, vocabulary_size=args.vocabulary_size)
    smaller = trimmed(reader, args.vocabulary_size)
    smaller.export_to_transformers(args.output / "phase-1" / "t5")
    plan = [{"system": pretrained.system, "steps": 0, "seconds": 0.0}]
    kept = {"settings": {"trimmed": str(args.run)}, "sizes": asdict(sizes), "plan": plan}
    write_file(args.output / "settings.json", json.dumps(kept, indent=1))
    print(f"{args.output}: {smaller.count_params():,} parameters of {reader.count_params():,}")


def trimmed(reader: gk.Glimmer, vocabulary_size: int) -> gk.Glimmer:
    """The reader with the first pieces of its vocabulary alone."""
    model = pb.ModelProto.FromString(reader.preprocessor.tokenizer.proto)
    lost = list(model.pieces)[vocabulary_size:]
    if any(piece.type != pb.NORMAL for piece in lost):
        raise ValueError("`--vocabulary-size` must keep all special pieces and bytes")
    del model.pieces[vocabulary_size:]
    model.trainer_spec.vocab_size = vocabulary_size
    tokenizer = keras_hub.models.T5Tokenizer(model.SerializeToString())
    old = reader.backbone
    new = gk.GlimmerBackbone.from_config({**old.get_config(), "vocabulary_size": vocabulary_size})
    for weight, other in zip(new.weights, old.weights, strict=True):
        weight.assign(ops.convert_to_numpy(other)[: weight.shape[0]] if weight.shape else other)
    return gk.Glimmer(new, gk.GlimmerPreprocessor(tokenizer, num_passages=1))


if __name__ == "__main__":
    sys.exit(main())
