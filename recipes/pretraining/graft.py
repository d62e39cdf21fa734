"""python -m recipes.pretraining.graft --run runs/reader --bert FOLDER --output runs/grafted

Gives a reader of recipes.pretraining a pretrained BERT, such as all-MiniLM-L6-v2 in Hugging Face's
form, for its encoder, and leaves it its decoder,
which has learned to find and to copy. The encoder begins as the BERT, with the mean of its word
pieces' embeddings for each piece of ours. Its states are not those that the decoder has learned
to read: the linear map that takes them there best, by least squares over texts and questions of the
run, becomes part of the decoder's keys and values. It explains a quarter of them; learning does the
rest, with `--start OUTPUT` of recipes.pretraining.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import glimmer_keras as gk
from glimmer_keras.models.bert_checkpoint import bert_encoder
from glimmer_keras.models.bert_weights import copy_bert_weights
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.course import BERT_PHASES, Phase, mixed
from recipes.pretraining.examples import Examples
from recipes.pretraining.question_file import read_questions
from recipes.pretraining.reader import Pretrained
from recipes.pretraining.stream import Stream
from recipes.pretraining.text import Text
from recipes.pretraining.words import piece_embeddings

RIDGE = 1e-3  # of the mean square of a state
PHASE: Phase = BERT_PHASES[1]


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("--run", type=Path, required=True, help="output of recipes.pretraining")
    parser.add_argument("--bert", type=Path, required=True, help="folder in Hugging Face's form")
    parser.add_argument("--output", type=Path, required=True, help="folder to be made")
    parser.add_argument("--batches", type=int, default=40, help="that the map is fitted on (40)")
    parser.add_argument("--dtype", help="such as mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    if args.batches < 1:
        raise ValueError(f"`--batches` must be at least 1. Received: {args.batches}")
    pretrained = Pretrained.of(args.run)
    theirs = pretrained.load(args.dtype)
    keras.utils.set_random_seed(args.seed)
    ours = grafted(theirs, pretrained.sizes.layers, args.bert, args.dtype)
    matrix, share = fitted(ours, theirs, batches(args.run, args.seed, args.batches))
    print(f"The map explains {100 * share:.0f} % of the states' variance", flush=True)
    for weight, other in zip(
        ours.backbone.decoder.weights, theirs.backbone.decoder.weights, strict=True
    ):
        value = ops.convert_to_numpy(other)
        # Keys and values of what is read are of the encoder's width.
        weight.assign(value if tuple(weight.shape) == value.shape else matrix @ value)
    ours.export_to_transformers(args.output)
    print(f"{args.output}: {ours.count_params():,} parameters")


def grafted(
    reader: gk.Glimmer, layers: tuple[int, int, int], folder: Path, dtype: str | None
) -> gk.Glimmer:
    """A reader with a BERT's encoder, and the embeddings and sizes of another's decoder."""
    bert = bert_encoder(folder, json.loads((folder / "config.json").read_text()), "float32")
    old, tokenizer = reader.backbone, reader.preprocessor.tokenizer
    backbone = gk.GlimmerBackbone(
        old.vocabulary_size,
        sum(layers),
        bert.num_heads,
        bert.hidden_dim,
        bert.intermediate_dim,
        key_value_dim=bert.hidden_dim // bert.num_heads,
        num_decoder_layers=old.decoder.num_layers,
        live_proportion=sum(layers[1:]) / sum(layers),
        dropout=0.0,
        activation=bert.get_config()["activation"],
        use_gated_activation=False,
        layer_norm_epsilon=bert.layer_norm_epsilon,
        tie_embedding_weights=True,
        encoder_block="bert",
        num_positions=bert.num_positions,
        decoder_sizes={
            "hidden_dim": old.hidden_dim,
            "num_heads": old.num_heads,
            "head_dim": old.key_value_dim,
            "intermediate_dim": old.intermediate_dim,
            "activation": "gelu_approximate",
            "gated": old.use_gated_activation,
            "epsilon": old.layer_norm_epsilon,
        },
        dtype=dtype,
    )
    pieces = [tokenizer.id_to_token(number) for number in range(old.vocabulary_size)]
    copy_bert_weights(bert, backbone, piece_embeddings(folder, pieces))
    backbone.target_embedding.embeddings.assign(old.token_embedding.embeddings)
    return gk.Glimmer(backbone, gk.GlimmerPreprocessor(tokenizer, num_passages=1))


def batches(run: Path, seed: int, number: int) -> Iterator[dict[str, Any]]:
    """Inputs of texts and questions of a run, as a phase has them."""
    proto = (run / "spiece.model").read_bytes()
    examples, counts = Examples(Text(run / "text"), proto), {}
    sources: tuple[Any, ...] = (examples,)
    if (run / "questions.json").is_file():
        questions = read_questions(run / "questions.json", examples.separator, examples.blank)
        counts = {name: len(rows) for name, rows in questions.tasks.items()}
        sources = (examples, questions)
    stream = Stream(
        *sources, shape=PHASE.shape, weights=mixed(PHASE, counts), steps=number, seed=seed
    )
    return (stream.batch(step)[0] for step in range(number))


def fitted(
    ours: gk.Glimmer, theirs: gk.Glimmer, inputs: Iterator[dict[str, Any]]
) -> tuple[np.ndarray, float]:
    """The map `(our width, their width)` of encoded states, and the variance that it explains."""
    products: list[Any] = [0.0, 0.0]
    total, count = 0.0, 0
    for batch in inputs:
        x, y = (states(reader, batch) for reader in (ours, theirs))
        products = [products[0] + x.T @ x, products[1] + x.T @ y]
        total, count = total + y.T @ y, count + len(x)
    width = len(products[0])
    scale = RIDGE * np.trace(products[0]) / width
    matrix = np.linalg.solve(products[0] + scale * np.eye(width), products[1])
    left = np.trace(total) - 2 * np.sum(matrix * products[1])
    left += np.sum(matrix * (products[0] @ matrix))
    return matrix.astype("float32"), float(1 - left / np.trace(total))


def states(reader: gk.Glimmer, inputs: dict[str, Any]) -> np.ndarray:
    """What the decoder reads of passages and questions, float64 `(tokens, width)`."""
    backbone = reader.backbone
    read = backbone.read({name: ops.convert_to_tensor(x) for name, x in inputs.items()})
    memory = backbone.decoder_memory(inputs, read)
    parts = [
        ops.convert_to_numpy(ops.cast(memory[f"{name}_states"], "float32"))[
            ops.convert_to_numpy(memory[f"{name}_mask"]).astype(bool)
        ]
        for name in ("passage", "question")
    ]
    return np.concatenate(parts).astype("float64")


if __name__ == "__main__":
    sys.exit(main())
