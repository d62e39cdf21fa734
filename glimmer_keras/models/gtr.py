from pathlib import Path

import keras_hub

from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.t5_encoder import T5Encoder
from glimmer_keras.models.t5_names import encoder_weights, is_transposed
from glimmer_keras.models.tensor_files import TensorFiles, load, read_json

VOCABULARY = "spiece.model"
ACTIVATIONS = {"relu": ("relu", False), "gated-gelu": ("gelu_approximate", True)}
SEQUENCE_LENGTH = 512


def from_gtr(cls, folder, sequence_length=None, dtype=None):
    """Make a `TextEmbedder` from a folder as sentence-transformers keeps GTR.

    That is T5's encoder, the mean over tokens, a projection without bias (which may be absent)
    and normalisation, in `modules.json`; weights in safetensors, the vocabulary in SentencePiece.

    Args:
        folder: a local path.
        sequence_length: int, tokens of a text, the end token among them; longer ones are cut.
            By default the folder's, or 512.
        dtype: string or `keras.DTypePolicy`, that it computes in.

    Raises:
        FileNotFoundError: if a file is absent, such as weights in safetensors.
        ValueError: if it is another kind of model, or a weight is of another shape.
    """
    folder = Path(folder)
    root, projection = _modules(folder)
    config = _read(root / "config.json")
    vocabulary = _file(root / VOCABULARY)
    settings = root / "sentence_bert_config.json"
    limit = _read(settings).get("max_seq_length") if settings.is_file() else None
    preprocessor = keras_hub.models.T5Preprocessor(
        keras_hub.models.T5Tokenizer(vocabulary.read_bytes()),
        sequence_length or limit or SEQUENCE_LENGTH,
    )
    projection_dim = None
    if projection is not None:
        projection_dim = _projection_dim(projection, config["d_model"])
    with loaded_next():
        embedder = cls(T5Encoder(**_sizes(config, root), dtype=dtype), preprocessor, projection_dim)
    _load(root, dict(encoder_weights(embedder.backbone)))
    if projection is not None:
        _load(projection, {"linear.weight": embedder.projection.kernel})
    return embedder


def _modules(folder):
    """Folders of the encoder and of the projection, which may be `None`."""
    modules = _read(folder / "modules.json", list)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    paths = {kind: folder / module["path"] for kind, module in zip(kinds, modules, strict=True)}
    if kinds not in (
        ["Transformer", "Pooling", "Dense", "Normalize"],
        ["Transformer", "Pooling", "Normalize"],
    ):
        raise ValueError(
            f"{folder / 'modules.json'}: modules must be Transformer, Pooling, Dense (or none) "
            f"and Normalize. Received: {', '.join(kinds)}"
        )
    pooling = _read(paths["Pooling"] / "config.json")
    modes = {name for name, value in pooling.items() if name.startswith("pooling_mode_") and value}
    if "pooling_mode" in pooling:  # the form since sentence-transformers 5
        modes = {f"pooling_mode_{pooling['pooling_mode']}_tokens"}
    if modes != {"pooling_mode_mean_tokens"}:
        raise ValueError(
            f"{paths['Pooling']}: pooling must be the mean of tokens. Received: {sorted(modes)}"
        )
    return paths["Transformer"], paths.get("Dense")


def _projection_dim(folder, hidden_dim):
    config = _read(folder / "config.json")
    activation = config.get("activation_function", "Identity").rpartition(".")[2]
    if config.get("bias", True) or activation != "Identity" or config["in_features"] != hidden_dim:
        raise ValueError(
            f"{folder}: the projection must be from {hidden_dim} features, without bias and "
            f"activation. Received: {config}"
        )
    return config["out_features"]


def _sizes(config, folder):
    activation = config.get("feed_forward_proj", "relu")
    buckets = config.get("relative_attention_num_buckets", 32)
    distance = config.get("relative_attention_max_distance", 128)
    received = (config.get("model_type", "t5"), activation, buckets, distance)
    if received[0] != "t5" or activation not in ACTIVATIONS or received[2:] != (32, 128):
        raise ValueError(
            f"{folder}: the encoder must be a T5 with a feed-forward block of {sorted(ACTIVATIONS)}"
            f", 32 buckets of positions and the greatest distance 128. Received: {received}"
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
    if not (folder / "model.safetensors.index.json").is_file():
        _file(folder / "model.safetensors")
    files = TensorFiles(folder)
    files.check(
        {
            name: tuple(variable.shape)[:: -1 if is_transposed(name) else 1]
            for name, variable in weights.items()
        }
    )
    for name, variable in weights.items():
        load(variable, files.parts(name, is_transposed(name)))


def _read(path, kind=dict):
    return read_json(_file(path), kind)


def _file(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must be of sentence-transformers, with weights in safetensors and the file "
            f"{path.name}. Received: no {path}"
        )
    return path
