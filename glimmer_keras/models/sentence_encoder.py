import keras_hub

from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.bert_checkpoint import FAMILIES, bert_encoder
from glimmer_keras.models.hugging_face_tokenizer import FILE as TOKENIZER
from glimmer_keras.models.hugging_face_tokenizer import (
    HuggingFaceTextPreprocessor,
    read_tokenizer,
)
from glimmer_keras.models.sentence_folder import SentenceFolder, needed
from glimmer_keras.models.t5_encoder import T5Encoder
from glimmer_keras.models.t5_names import encoder_weights, is_transposed
from glimmer_keras.models.tensor_files import TensorFiles, load

VOCABULARY = "spiece.model"
ACTIVATIONS = {"relu": ("relu", False), "gated-gelu": ("gelu_approximate", True)}
SEQUENCE_LENGTH = 512
KINDS = ("t5", *FAMILIES)


def from_hugging_face(
    cls, folder, sequence_length=None, query_prompt=None, passage_prompt=None, dtype=None
):
    """Make a `TextEmbedder` from a folder as sentence-transformers keeps an encoder.

    BERT, DistilBERT, RoBERTa, XLM-RoBERTa and MPNet, as all-MiniLM, E5, BGE and GTE are, and T5,
    as GTR and Sentence-T5 are: the mean over tokens or the first token, a projection without bias
    (which may be absent) and normalisation, as `modules.json` says; weights in safetensors; tokens
    by `tokenizer.json`, and of a T5 by SentencePiece. Without a module that normalises, vectors are
    normalised nevertheless unless the folder compares by another function than the cosine.

    Args:
        folder: a local path.
        sequence_length: int, tokens of a text, marks among them; longer ones are cut. By default
            the folder's, or as many as it has positions, and 512 of a T5.
        query_prompt: string, put before questions. By default the folder's; E5's (`"query: "`)
            and BGE's stand in their documentation only.
        passage_prompt: string, put before passages.
        dtype: string or `keras.DTypePolicy`, that it computes in.

    Raises:
        FileNotFoundError: if a file is absent, such as weights in safetensors.
        ValueError: if it is another kind of model, or a weight is of another shape.

    Example:
    ```python
    embedder = glimmer_keras.models.TextEmbedder.from_hugging_face(
        "e5-base-v2", query_prompt="query: ", passage_prompt="passage: "
    )
    ```
    """
    found = SentenceFolder.read(folder)
    kind = found.config.get("model_type", "t5")
    if kind not in KINDS:
        raise ValueError(
            f"{found.root}: the encoder must be one of {KINDS}. Received: model_type={kind!r}"
        )
    make = _t5 if kind == "t5" else _bert
    backbone, preprocessor = make(found, sequence_length, dtype)
    with loaded_next():
        embedder = cls(
            backbone,
            preprocessor,
            found.projection_dim(backbone.hidden_dim),
            pooling=found.pooling,
            normalize=found.normalize,
            query_prompt=found.query_prompt if query_prompt is None else query_prompt,
            passage_prompt=found.passage_prompt if passage_prompt is None else passage_prompt,
        )
    if found.projection is not None:
        _load(found.projection, {"linear.weight": embedder.projection.kernel})
    return embedder


def _t5(found, sequence_length, dtype):
    vocabulary = needed(found.root / VOCABULARY)
    preprocessor = keras_hub.models.T5Preprocessor(
        keras_hub.models.T5Tokenizer(vocabulary.read_bytes()),
        sequence_length or found.sequence_length or SEQUENCE_LENGTH,
    )
    with loaded_next():
        backbone = T5Encoder(**_sizes(found.config, found.root), dtype=dtype)
    _load(found.root, dict(encoder_weights(backbone)))
    return backbone, preprocessor


def _bert(found, sequence_length, dtype):
    _check_weights(found.root)
    pad = found.config.get("pad_token_id") or 0
    tokenizer = read_tokenizer(needed(found.root / TOKENIZER), pad)
    with loaded_next():
        backbone = bert_encoder(found.root, found.config, dtype)
    most = backbone.num_positions
    if sequence_length is not None and sequence_length > most:
        raise ValueError(
            f"`sequence_length` must be at most the {most} positions of {found.root}. "
            f"Received: sequence_length={sequence_length}"
        )
    length = sequence_length or min(found.sequence_length or most, most)
    return backbone, HuggingFaceTextPreprocessor(tokenizer, length, found.lowercase)


def _sizes(config, folder):
    activation = config.get("feed_forward_proj", "relu")
    buckets = config.get("relative_attention_num_buckets", 32)
    distance = config.get("relative_attention_max_distance", 128)
    if activation not in ACTIVATIONS or (buckets, distance) != (32, 128):
        raise ValueError(
            f"{folder}: the encoder must be a T5 with a feed-forward block of {sorted(ACTIVATIONS)}"
            ", 32 buckets of positions and the greatest distance 128. "
            f"Received: {(activation, buckets, distance)}"
        )
    name, gated = ACTIVATIONS[activation]
    return {
        "vocabulary_size": config["vocab_size"],
        "num_layers": config["num_layers"],
        "num_heads": config["num_heads"],
        "hidden_dim": config["d_model"],
        "intermediate_dim": config["d_ff"],
        "key_value_dim": config["d_kv"],
        "dropout": config.get("dropout_rate", 0.0),
        "activation": name,
        "use_gated_activation": gated,
        "layer_norm_epsilon": config.get("layer_norm_epsilon", 1e-6),
    }


def _load(folder, weights):
    """Give variables the tensors of their names."""
    _check_weights(folder)
    files = TensorFiles(folder)
    files.check(
        {
            name: tuple(variable.shape)[:: -1 if is_transposed(name) else 1]
            for name, variable in weights.items()
        }
    )
    for name, variable in weights.items():
        load(variable, files.parts(name, is_transposed(name)))


def _check_weights(folder):
    if not (folder / "model.safetensors.index.json").is_file():
        needed(folder / "model.safetensors")
