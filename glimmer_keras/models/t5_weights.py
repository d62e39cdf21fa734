import contextlib
import warnings
from pathlib import Path

import keras_hub
import numpy as np
from keras import ops

from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.models.sizes import system_arguments

PRESETS = Path(__file__).parent.parent / "presets"


def from_t5(cls, t5, system="glimmer", preprocessor=None, load_weights=True, **overrides):
    """A Glimmer that starts from T5: section 3.1, "initialized from public T5.1.1".

    The first `(1 - live_proportion) L` encoder layers go to the memory encoder and the rest to
    the live encoder; the decoder, embeddings and norms go to theirs. Both encoders get a copy
    of T5's relative position bias. Weights are copied: the model and `t5` are independent
    afterwards. A separate question encoder starts as the memory encoder does, a separate
    reranker as the first live layers. The scorer is new. With fewer heads of cross-attention
    keys and values, each starts as the mean of T5's heads of its group; layers without
    cross-attention leave T5's out.

    Args:
        t5: a `keras_hub.models.T5Backbone`, a KerasHub preset name such as `"t5_1.1_base"`, a
            local preset directory, or `"tiny_world"`, a tiny T5 that comes with this package.
        system: string. `"fid"`, `"lumen"` or `"glimmer"`.
        preprocessor: a `GlimmerPreprocessor`. From a preset, one with the preset's tokenizer
            is made if `None`.
        load_weights: bool. `False` takes the sizes from `t5` and fresh weights.
        **overrides: arguments of `GlimmerBackbone`, such as `live_proportion`.

    Returns:
        A `Glimmer`.
    """
    if isinstance(t5, str):
        shipped = PRESETS / t5
        preset = str(shipped) if shipped.is_dir() else t5
        with quiet_masks():
            t5 = keras_hub.models.T5Backbone.from_preset(preset, load_weights=load_weights)
        if preprocessor is None:
            tokenizer = keras_hub.models.T5Tokenizer.from_preset(preset)
            preprocessor = cls.preprocessor_cls(tokenizer)
    if not isinstance(t5, keras_hub.models.T5Backbone):
        raise TypeError(
            "`t5` must be a `keras_hub.models.T5Backbone`, a preset name or a preset directory. "
            f"Received: {type(t5).__name__}"
        )
    sizes = _sizes(t5)
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
    """Copy the weights of a `T5Backbone` into a `GlimmerBackbone` of its sizes."""
    for ours, theirs in _pairs(t5, backbone):
        if ours.shape != theirs.shape:
            groups = backbone.decoder.cross_attention_key_value_heads
            ours.assign(_pool_heads(theirs, groups, backbone.num_heads))
            continue
        # A copy: JAX would share the buffer, and training gives its buffers away.
        ours.assign(ops.copy(theirs))


def to_t5(backbone):
    """A `keras_hub.models.T5Backbone` with the weights of a reader whose parts make one T5.

    Args:
        backbone: a `GlimmerBackbone` without a reranker or a question encoder of its own. If it
            has memory layers, their position bias must still be that of the live layers, as it
            is if neither was trained. It has cross-attention in every decoder layer, with all
            heads. A scorer is left out.
    """
    layers = backbone.layer_counts
    apart = layers["memory"] + layers["stage A"] + layers["stage B"] != backbone.num_layers
    if apart or backbone.question_encoder is not backbone.memory_encoder:
        raise ValueError(
            "`backbone` must hold one encoder, with neither a reranker nor a question encoder "
            f"apart. Received: encoder layers {layers}, question_encoder="
            f"{backbone.get_config()['question_encoder']!r}"
        )
    if layers["memory"] and np.any(
        _table(backbone.memory_encoder.position_bias) != _table(backbone.live_position_bias)
    ):
        raise ValueError(
            "`backbone` must have one position bias for all encoder layers, as T5 has. Received: "
            "memory and live layers with position biases that were trained apart"
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
    decoder = backbone.decoder
    grouped = decoder.cross_attention_key_value_heads != decoder.num_heads
    if grouped or decoder.cross_attention_every != 1:
        raise ValueError(
            "`backbone` must have cross-attention in every decoder layer, with all heads, as T5 "
            "has. Received: cross_attention_key_value_heads="
            f"{config['cross_attention_key_value_heads']}, "
            f"cross_attention_every={config['cross_attention_every']}"
        )
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(
            **{name: config[name] for name in names},
            activation=backbone.activation,
            dtype=backbone.dtype_policy,
        )
    for ours, theirs in _pairs(t5, backbone):
        theirs.assign(ops.copy(ours))
    return t5


def _table(position_bias):
    return ops.convert_to_numpy(position_bias.table)


@contextlib.contextmanager
def quiet_masks():
    """Leaves out Keras's warnings on a mask that KerasHub's T5 is right not to hand on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Layer .* was passed an input with a mask")
        yield


def _pairs(t5, backbone):
    """Every weight of `backbone` that T5 has, with T5's."""
    yield from zip(backbone.token_embedding.weights, t5.token_embedding.weights, strict=True)
    encoder, split = t5.encoder_transformer_layers, backbone.split
    memory, live = encoder[: split.memory], encoder[split.memory :]
    stages = {id(stage): stage for stage in (backbone.memory_encoder, backbone.question_encoder)}
    parts = [(stage, memory) for stage in stages.values()]
    if backbone.num_selected is not None:
        parts.append((backbone.stage_a, live[: split.stage_a]))
    parts.append((backbone.stage_b, live[len(live) - backbone.stage_b.num_layers :]))
    table = encoder[0].self_attention.relative_attention_bias
    for stage, layers in parts:
        for block, layer in zip(stage.blocks, layers, strict=True):
            yield from _attention(block.attention, layer.self_attention)
            yield block.attention_norm.scale, layer.self_attention_layer_norm.weight
            yield from _feed_forward(block, layer)
    for stage in stages.values():
        if stage.num_layers:
            yield stage.position_bias.table, table
    yield backbone.live_position_bias.table, table
    yield backbone.encoder_norm.scale, t5.encoder_layer_norm.weight

    decoder, layers = backbone.decoder, t5.decoder_transformer_layers
    table = layers[0].self_attention.relative_attention_bias
    yield decoder.position_bias.table, table
    for block, layer in zip(decoder.blocks, layers, strict=True):
        yield from _attention(block.self_attention, layer.self_attention)
        yield block.self_norm.scale, layer.self_attention_layer_norm.weight
        if block.reads_memory:
            yield from _attention(block.cross_attention, layer.cross_attention)
            yield block.cross_norm.scale, layer.cross_attention_layer_norm.weight
        yield from _feed_forward(block, layer)
    yield decoder.norm.scale, t5.decoder_layer_norm.weight


def _sizes(t5):
    return {
        "vocabulary_size": t5.vocabulary_size,
        "num_layers": t5.num_layers,
        "num_heads": t5.num_heads,
        "hidden_dim": t5.hidden_dim,
        "intermediate_dim": t5.intermediate_dim,
        "key_value_dim": t5.key_value_dim or t5.hidden_dim // t5.num_heads,
        "activation": t5.get_config()["activation"],
        "use_gated_activation": t5.use_gated_activation,
        "layer_norm_epsilon": t5.layer_norm_epsilon,
        "tie_embedding_weights": t5.tie_embedding_weights,
    }


def _attention(ours, theirs):
    yield ours.query.kernel, theirs.query_projector.kernel
    yield ours.key.kernel, theirs.key_projector.kernel
    yield ours.value.kernel, theirs.value_projector.kernel
    yield ours.output_projection.kernel, theirs.output_projector.kernel


def _pool_heads(kernel, groups, num_heads):
    """A key or value kernel `(dim, num_heads * head_dim)` with the mean of each group's heads."""
    dim = kernel.shape[0]
    heads = ops.reshape(kernel, (dim, groups, num_heads // groups, -1))
    return ops.reshape(ops.mean(heads, axis=2), (dim, -1))


def _feed_forward(block, layer):
    yield block.feed_forward_norm.scale, layer.layer_norm.weight
    ours = block.feed_forward
    # KerasHub activates `input_projector`, which is T5's gate where there is one.
    yield (ours.gate if ours.gated else ours.up).kernel, layer.input_projector.kernel
    if ours.gated:
        yield ours.up.kernel, layer.gate_projector.kernel
    yield ours.down.kernel, layer.output_projector.kernel
