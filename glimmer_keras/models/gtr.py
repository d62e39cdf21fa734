import json
from pathlib import Path

import keras_hub

from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.t5_encoder import T5Encoder

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
VOCABULARY = "spiece.model"
ACTIVATIONS = {"relu": ("relu", False), "gated-gelu": ("gelu_approximate", True)}
SEQUENCE_LENGTH = 512


def from_gtr(cls, folder, sequence_length=None, dtype=None):
    """A `TextEmbedder` from a folder as sentence-transformers keeps GTR.

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
    tensors = _open(root)
    projection_dim = None
    if projection is not None:
        projection_dim = _projection_dim(projection, config["d_model"])
    with loaded_next():
        embedder = cls(T5Encoder(**_sizes(config, root), dtype=dtype), preprocessor, projection_dim)
    for weight, name in _names(embedder.backbone):
        _assign(weight, tensors, name, root)
    if projection is not None:
        _assign(embedder.projection.kernel, _open(projection), "linear.weight", projection)
    return embedder


def _modules(folder):
    """Folders of the encoder and of the projection, which may be `None`."""
    modules = _read(folder / "modules.json")
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
    found = (config.get("model_type", "t5"), activation, buckets, distance)
    if found[0] != "t5" or activation not in ACTIVATIONS or found[2:] != (32, 128):
        raise ValueError(
            f"{folder}: the encoder must be a T5 with a feed-forward block of {sorted(ACTIVATIONS)}"
            f", 32 buckets of positions and the greatest distance 128. Received: {found}"
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


def _names(backbone):
    """Each weight of a `T5Encoder` with its name in `transformers`."""
    yield backbone.token_embedding.embeddings, "shared.weight"
    encoder = backbone.encoder
    for number, block in enumerate(encoder.blocks):
        layer = f"encoder.block.{number}.layer"
        attention = block.attention
        for ours, theirs in (
            (attention.query, "q"),
            (attention.key, "k"),
            (attention.value, "v"),
            (attention.output_projection, "o"),
        ):
            yield ours.kernel, f"{layer}.0.SelfAttention.{theirs}.weight"
        yield block.attention_norm.scale, f"{layer}.0.layer_norm.weight"
        feed_forward = block.feed_forward
        if feed_forward.gated:
            yield feed_forward.gate.kernel, f"{layer}.1.DenseReluDense.wi_0.weight"
            yield feed_forward.up.kernel, f"{layer}.1.DenseReluDense.wi_1.weight"
        else:
            yield feed_forward.up.kernel, f"{layer}.1.DenseReluDense.wi.weight"
        yield feed_forward.down.kernel, f"{layer}.1.DenseReluDense.wo.weight"
        yield block.feed_forward_norm.scale, f"{layer}.1.layer_norm.weight"
    table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    yield encoder.position_bias.table, table
    yield backbone.norm.scale, "encoder.final_layer_norm.weight"


def _open(folder):
    """The files of weights, by the names of the tensors in them."""
    from safetensors import SafetensorError, safe_open

    index = folder / INDEX
    names = set(_read(index)["weight_map"].values()) if index.is_file() else {WEIGHTS}
    try:
        files = [safe_open(_file(folder / name), framework="numpy") for name in sorted(names)]
    except SafetensorError as error:
        raise ValueError(f"{folder}: the weights must be safetensors: {error}") from error
    return {name: file for file in files for name in file.keys()}  # noqa: SIM118


def _assign(weight, tensors, name, folder):
    if name not in tensors:
        raise ValueError(f"{folder}: the weights must hold {name!r}. Received: none of that name")
    values = tensors[name].get_tensor(name)
    if weight.path.endswith("kernel"):
        values = values.T  # (out, in) in PyTorch
    if values.shape != tuple(weight.shape):
        raise ValueError(
            f"{folder}: {name!r} must be of shape {tuple(weight.shape)}, as the settings say. "
            f"Received: {values.shape}"
        )
    weight.assign(values)


def _read(path):
    try:
        return json.loads(_file(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error


def _file(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must be of sentence-transformers, with weights in safetensors and the file "
            f"{path.name}. Received: no {path}"
        )
    return path
