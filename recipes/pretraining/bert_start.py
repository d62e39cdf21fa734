"""python -m recipes.pretraining.bert_start passages.jsonl.xz --bert FOLDER --output runs/start

Makes a reader whose encoder is a pretrained BERT, such as all-MiniLM-L6-v2 in Hugging Face's form,
for `--start` of recipes.pretraining. It has BERT's vocabulary, of the text's commonest words. The
encoder carries which token a state is of, and which is before it, past its layers; the first
cross-attention of the fresh decoder begins by copying with that: it looks where the token that it
said last stands before, and says what stands there.
"""

import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import keras_hub
import numpy as np
from keras import ops

import glimmer_keras as gk
from glimmer_keras.models.bert_checkpoint import bert_encoder
from glimmer_keras.models.bert_encoder import BertEncoder
from glimmer_keras.models.bert_weights import copy_bert_weights
from recipes.command import Help, OneLineParser, exit_code
from recipes.pretraining.bert_vocabulary import bert_vocabulary
from recipes.pretraining.examples import SYMBOLS
from recipes.pretraining.text import passages_of
from recipes.pretraining.words import piece_embeddings

LEARNED_FROM = 100_000  # passages that the vocabulary is of, at most
MATCH = 10.0  # score of the place behind the token that was said last
GAIN = 2.0  # of what is copied, beside what was said last
QUIET = 0.3  # of what other parts of the decoder begin with


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    parser.add_argument("text", type=Path, nargs="+", help="files of passages")
    parser.add_argument("--bert", type=Path, required=True, help="folder in Hugging Face's form")
    parser.add_argument("--output", type=Path, required=True, help="folder to be made")
    parser.add_argument("--vocabulary-size", type=int, default=20_000)
    parser.add_argument("--layers", type=int, help="of the encoder (BERT's); more begin idle")
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument("--carried", type=int, default=96, help="channels that tell a token")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    for name in ("decoder_layers", "carried"):
        if getattr(args, name) < 1:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"`{option}` must be at least 1. Received: {getattr(args, name)}")
    keras.utils.set_random_seed(args.seed)
    contents = [p.content for p in itertools.islice(passages_of(args.text), LEARNED_FROM)]
    proto = bert_vocabulary(args.bert, contents, args.vocabulary_size, SYMBOLS)
    bert = bert_encoder(args.bert, json.loads((args.bert / "config.json").read_text()), "float32")
    if args.carried > bert.hidden_dim:
        raise ValueError(
            f"`--carried` must be at most the width of the BERT, {bert.hidden_dim}. "
            f"Received: {args.carried}"
        )
    sizes = {
        "num_layers": args.layers or bert.num_layers,
        "num_decoder_layers": args.decoder_layers,
        "carried_dim": args.carried,
    }
    reader = new_reader(bert, args.bert, proto, **sizes)
    begin_copying(reader.backbone, np.random.default_rng(args.seed))
    reader.export_to_transformers(args.output)
    print(f"{args.output}: {reader.count_params():,} parameters")


def new_reader(bert: BertEncoder, folder: Path, proto: bytes, **sizes: int) -> gk.Glimmer:
    """A reader with a BERT's encoder and a fresh decoder, of one vocabulary."""
    preprocessor = gk.GlimmerPreprocessor(keras_hub.models.T5Tokenizer(proto), num_passages=1)
    tokenizer = preprocessor.tokenizer
    backbone = gk.GlimmerBackbone(
        tokenizer.vocabulary_size(),
        num_heads=bert.num_heads,
        hidden_dim=bert.hidden_dim,
        intermediate_dim=bert.intermediate_dim,
        key_value_dim=bert.hidden_dim // bert.num_heads,
        live_proportion=3 / sizes["num_layers"],
        dropout=0.0,
        activation=bert.get_config()["activation"],
        use_gated_activation=False,
        layer_norm_epsilon=bert.layer_norm_epsilon,
        tie_embedding_weights=True,
        encoder_block="bert",
        num_positions=bert.num_positions,
        question_position=bert.num_positions // 2,
        **sizes,
    )
    pieces = [tokenizer.id_to_token(number) for number in range(tokenizer.vocabulary_size())]
    copy_bert_weights(bert, backbone, piece_embeddings(folder, pieces))
    return gk.Glimmer(backbone, preprocessor)


def begin_copying(backbone: gk.GlimmerBackbone, rng: np.random.Generator) -> None:
    """Give `carried` the main directions of embeddings, and a first cross-attention that copies."""
    embeddings = ops.convert_to_numpy(backbone.token_embedding.embeddings).astype("float64")
    told, back = whitening(embeddings, backbone.carried_dim)
    backbone.memory_encoder.carried.kernel.assign(np.hstack([told, told]))
    decoder = backbone.decoder
    for block in decoder.blocks:
        for part in (block.self_attention, block.cross_attention):
            kernel = part.output_projection.kernel
            kernel.assign(QUIET * kernel)
        block.feed_forward.down.kernel.assign(QUIET * block.feed_forward.down.kernel)
    heads, width, dim = decoder.num_heads, decoder.head_dim, backbone.carried_dim
    # Each head sees some directions of what is carried: (dim, heads * width).
    seen = np.hstack([_directions(dim, width, rng) for _ in range(heads)])
    nothing = np.zeros((backbone.hidden_dim, heads * width))
    attention = decoder.blocks[0].cross_attention
    attention.query.kernel.assign(told @ seen * MATCH / min(width, dim))
    attention.key.kernel.assign(np.vstack([nothing, 0 * seen, seen]))
    attention.value.kernel.assign(np.vstack([nothing, seen, 0 * seen]))
    attention.output_projection.kernel.assign(GAIN * np.linalg.pinv(seen) @ back)


def _directions(dim: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Orthogonal directions `(dim, width)`; those beyond `dim` are 0."""
    turned = np.linalg.qr(rng.normal(size=(dim, dim)))[0][:, :width]
    return np.pad(turned, ((0, 0), (0, width - turned.shape[1])))


def whitening(rows: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """A map `(width, dim)` of rows to features of variance 1, and the one back.

    The rows' mean is not seen by it.
    """
    centre = rows.mean(0)
    spread, directions = np.linalg.eigh(np.cov(rows, rowvar=False))
    spread, directions = np.sqrt(spread[::-1][:dim]), directions[:, ::-1][:, :dim]
    away = centre / np.linalg.norm(centre)
    told = directions / spread
    return told - np.outer(away, away @ told), (directions * spread).T


if __name__ == "__main__":
    sys.exit(main())
