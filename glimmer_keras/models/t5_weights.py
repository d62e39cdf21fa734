import contextlib
import os
import warnings

import keras_hub
import numpy as np
from keras import ops

from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.models.hugging_face_directory import is_hugging_face, local_directory
from glimmer_keras.models.presets import preset_path
from glimmer_keras.models.reader_checkpoint import ReaderCheckpoint, is_reader
from glimmer_keras.models.sizes import system_arguments
from glimmer_keras.models.t5_checkpoint import POSITIONS, T5Checkpoint
from glimmer_keras.models.t5_names import keras_hub_weights, named_weights
from glimmer_keras.models.tensor_files import assemble, free, load


def from_t5(cls, t5, system="glimmer", preprocessor=None, load_weights=True, **overrides):
    """Make a `Glimmer` that starts from T5: section 3.1, "initialized from public T5.1.1".

    The first `(1 - live_proportion) L` encoder layers go to the memory encoder and the rest to
    the live encoder; the decoder, embeddings and norms go to theirs. Both encoders get a copy
    of T5's relative position bias. Weights are copied: the model and `t5` are independent
    afterwards. A separate question encoder starts as the memory encoder does, a separate
    reranker as the first live layers. The scorer is new. With fewer heads of cross-attention
    keys and values, each starts as the mean of T5's heads of its group; layers without
    cross-attention leave T5's out.

    Args:
        t5: a `keras_hub.models.T5Backbone`, a KerasHub preset name such as `"t5_1.1_base"`, a
            local preset directory, or a name of `Glimmer.presets`. Or a T5, T5.1.1, Flan-T5 or
            mT5 in Hugging Face's form, with safetensors files: a directory, or
            `"hf://google/flan-t5-base"`. Of that, one tensor at a time is read and cast to the
            `dtype` of the model. Or a reader with BERT's encoder or a decoder of its own sizes, as
            `export_to_transformers` writes it.
        system: string. `"fid"`, `"lumen"` or `"glimmer"`.
        preprocessor: a `GlimmerPreprocessor`. From a preset or a directory, one with the
            tokenizer there is made if `None`; without one (`spiece.model`, or `tokenizer.json`
            of SentencePiece's Unigram) the model has none, and takes token ids.
        load_weights: bool. `False` takes the sizes from `t5` and fresh weights.
        **overrides: arguments of `GlimmerBackbone`, such as `live_proportion`.

    Returns:
        A `Glimmer`.

    Raises:
        FileNotFoundError: If a directory in Hugging Face's form has no safetensors files; the
            error says how torch's own files are converted.
        ValueError: If sizes among `overrides` are not those of `t5`, or `t5` is of another kind
            of model, or lacks tensors.
    """
    if isinstance(t5, str | os.PathLike):
        t5, tokenizer = _open(os.fspath(t5), load_weights, tokenizer=preprocessor is None)
        if tokenizer is not None:
            start = getattr(t5, "start_token_id", None)
            preprocessor = cls.preprocessor_cls(tokenizer, start_token_id=start)
    if isinstance(t5, T5Checkpoint | ReaderCheckpoint):
        sizes = t5.sizes
    elif isinstance(t5, keras_hub.models.T5Backbone):
        sizes = _sizes(t5)
    else:
        raise TypeError(
            "`t5` must be a `keras_hub.models.T5Backbone`, a preset name or a directory. "
            f"Received: {type(t5).__name__}"
        )
    if overrides.get("num_decoder_layers") == sizes["num_layers"]:
        overrides["num_decoder_layers"] = None
    wrong = sorted(name for name in overrides if name in sizes and overrides[name] != sizes[name])
    if wrong:
        raise ValueError(
            "Sizes must be those of the T5 that is loaded: "
            + ", ".join(f"{name}={sizes[name]}" for name in wrong)
            + ". Received: "
            + ", ".join(f"{name}={overrides[name]}" for name in wrong)
        )
    with loaded_next(load_weights):
        backbone = GlimmerBackbone(**system_arguments(system, {**sizes, **overrides}))
    if load_weights:
        copy_t5_weights(t5, backbone)
    return cls(backbone, preprocessor)


def copy_t5_weights(t5, backbone):
    """Copy the weights of a `T5Backbone` or of a checkpoint into a new `GlimmerBackbone`.

    With fewer heads of cross-attention keys and values, those are the means of T5's.
    """
    pooled = ("EncDecAttention.k.weight", "EncDecAttention.v.weight")
    decoder = backbone.decoder
    whole = decoder.memory_dim, decoder.num_heads * decoder.head_dim
    shapes = {
        name: whole if name.endswith(pooled) else tuple(ours.shape)
        for name, ours in named_weights(backbone)
    }
    checkpoint = isinstance(t5, T5Checkpoint | ReaderCheckpoint)
    if checkpoint:
        t5.check(shapes)
        free(ours for _, ours in named_weights(backbone))
    theirs = {} if checkpoint else keras_hub_weights(t5)
    for name, ours in named_weights(backbone):
        if shapes[name] != ours.shape:
            kernel = (
                assemble(shapes[name], "float32", t5.parts(name)) if checkpoint else theirs[name]
            )
            groups = decoder.cross_attention_key_value_heads
            ours.assign(_pool_heads(kernel, groups, decoder.num_heads))
        elif checkpoint:
            load(ours, t5.parts(name))
        else:
            # A copy: JAX would share the buffer, and training gives its buffers away.
            ours.assign(ops.copy(theirs[name]))


def to_t5(backbone):
    """Make a `keras_hub.models.T5Backbone` of a reader whose parts make one T5.

    Args:
        backbone: a `GlimmerBackbone` without a reranker or a question encoder of its own. If it
            has memory layers, their position bias must still be that of the live layers, as it
            is if neither was trained. It has cross-attention in every decoder layer, with all
            heads, and as many decoder layers as encoder layers. A scorer is left out.
    """
    if reason := why_no_t5(backbone):
        raise ValueError(reason)
    if backbone.decoder.num_layers != backbone.num_layers:
        raise ValueError(
            "`backbone` must have as many decoder layers as encoder layers, as KerasHub's T5 has. "
            f"Received: {backbone.decoder.num_layers} and {backbone.num_layers}"
        )
    if any(getattr(backbone, name) != value for name, value in POSITIONS.items()):
        raise ValueError(
            f"`backbone` must have KerasHub's buckets of positions, {POSITIONS}. Received: "
            f"{[getattr(backbone, name) for name in POSITIONS]}"
        )
    names = (
        "vocabulary_size",
        "num_layers",
        "num_heads",
        "hidden_dim",
        "intermediate_dim",
        "key_value_dim",
        "dropout",
        "use_gated_activation",
        "layer_norm_epsilon",
        "tie_embedding_weights",
    )
    config = backbone.get_config()
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(
            **{name: config[name] for name in names},
            activation=backbone.activation,
            dtype=backbone.dtype_policy,
        )
    theirs = keras_hub_weights(t5)
    for name, ours in named_weights(backbone):
        theirs[name].assign(ops.copy(ours))
    return t5


def why_no_t5(backbone):
    """Say why the parts of a `GlimmerBackbone` do not make one T5; `None` if they do."""
    layers, config = backbone.layer_counts, backbone.get_config()
    others = {"encoder_block": "t5", "num_positions": None, "carried_dim": 0}
    if any(config[name] != value for name, value in others.items()):
        received = {name: config[name] for name in others}
        return f"`backbone` must have T5's encoder and decoder, {others}. Received: {received}"
    apart = layers["memory"] + layers["stage A"] + layers["stage B"] != backbone.num_layers
    if apart or backbone.question_encoder is not backbone.memory_encoder:
        return (
            "`backbone` must hold one encoder, with neither a reranker nor a question encoder "
            f"apart. Received: encoder layers {layers}, question_encoder="
            f"{config['question_encoder']!r}"
        )
    if layers["memory"] and np.any(
        _table(backbone.memory_encoder.position_bias) != _table(backbone.live_position_bias)
    ):
        return (
            "`backbone` must have one position bias for all encoder layers, as T5 has. Received: "
            "memory and live layers with position biases that were trained apart"
        )
    decoder = backbone.decoder
    grouped = decoder.cross_attention_key_value_heads != decoder.num_heads
    if grouped or decoder.cross_attention_every != 1:
        return (
            "`backbone` must have cross-attention in every decoder layer, with all heads, as T5 "
            "has. Received: cross_attention_key_value_heads="
            f"{config['cross_attention_key_value_heads']}, "
            f"cross_attention_every={config['cross_attention_every']}"
        )
    return None


def _table(position_bias):
    return ops.convert_to_numpy(position_bias.table)


@contextlib.contextmanager
def quiet_masks():
    """Leaves out Keras's warnings on a mask that KerasHub's T5 is right not to hand on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Layer .* was passed an input with a mask")
        yield


def _open(path, load_weights, tokenizer):
    """The T5 at a path, an address or a preset name, and its tokenizer if it is asked for."""
    path = preset_path(path)
    if is_hugging_face(path):
        directory = local_directory(path)
        t5 = ReaderCheckpoint(directory) if is_reader(directory) else T5Checkpoint(path, directory)
        return t5, t5.tokenizer() if tokenizer else None
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone.from_preset(path, load_weights=load_weights)
    return t5, keras_hub.models.T5Tokenizer.from_preset(path) if tokenizer else None


def _sizes(t5):
    return {
        "vocabulary_size": t5.vocabulary_size,
        "num_layers": t5.num_layers,
        "num_decoder_layers": None,
        "num_heads": t5.num_heads,
        "hidden_dim": t5.hidden_dim,
        "intermediate_dim": t5.intermediate_dim,
        "key_value_dim": t5.key_value_dim or t5.hidden_dim // t5.num_heads,
        "activation": t5.get_config()["activation"],
        "use_gated_activation": t5.use_gated_activation,
        "layer_norm_epsilon": t5.layer_norm_epsilon,
        "tie_embedding_weights": t5.tie_embedding_weights,
    }


def _pool_heads(kernel, groups, num_heads):
    """A key or value kernel `(dim, num_heads * head_dim)` with the mean of each group's heads."""
    dim = kernel.shape[0]
    heads = ops.reshape(kernel, (dim, groups, num_heads // groups, -1))
    return ops.reshape(ops.mean(heads, axis=2), (dim, -1))
