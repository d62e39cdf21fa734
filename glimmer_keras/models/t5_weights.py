import keras_hub

from glimmer_keras.models.glimmer_backbone import GlimmerBackbone


def from_t5(cls, t5, system="glimmer", preprocessor=None, load_weights=True, **overrides):
    """A Glimmer that starts from T5: section 3.1, "initialized from public T5.1.1".

    The first `(1 - live_proportion) L` encoder layers go to the memory encoder and the rest to
    the live encoder; the decoder, embeddings and norms go to theirs. Both encoders get a copy
    of T5's relative position bias. Weights are copied: the model and `t5` are independent
    afterwards. A separate question encoder starts as the memory encoder does, a separate
    reranker as the first live layers. The scorer is new.

    Args:
        t5: a `keras_hub.models.T5Backbone`, a KerasHub preset name such as `"t5_1.1_base"`, or
            a local preset directory.
        system: string. `"fid"`, `"lumen"` or `"glimmer"`.
        preprocessor: a `GlimmerPreprocessor`. From a preset, one with the preset's tokenizer
            is made if `None`.
        load_weights: bool. `False` takes the sizes from `t5` and fresh weights.
        **overrides: arguments of `GlimmerBackbone`, such as `live_proportion`.

    Returns:
        A `Glimmer`.
    """
    from glimmer_keras.models.sizes import system_arguments

    if isinstance(t5, str):
        preset = t5
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
    backbone = GlimmerBackbone(**system_arguments(system, {**sizes, **overrides}))
    if load_weights:
        copy_t5_weights(t5, backbone)
    return cls(backbone, preprocessor)


def copy_t5_weights(t5, backbone):
    """Copy the weights of a `T5Backbone` into a `GlimmerBackbone` of its sizes."""
    _assign(backbone.token_embedding.weights, t5.token_embedding.weights)
    encoder, split = t5.encoder_transformer_layers, backbone.split
    memory, live = encoder[: split.memory], encoder[split.memory :]
    stages = {id(s): s for s in (backbone.memory_encoder, backbone.question_encoder)}
    parts = [(stage, memory) for stage in stages.values()]
    if backbone.num_selected is not None:
        parts.append((backbone.stage_a, live[: split.stage_a]))
    parts.append((backbone.stage_b, live[len(live) - backbone.stage_b.num_layers :]))
    table = encoder[0].self_attention.relative_attention_bias
    for stage, layers in parts:
        for block, layer in zip(stage.blocks, layers, strict=True):
            _copy_attention(block.attention, layer.self_attention)
            block.attention_norm.scale.assign(layer.self_attention_layer_norm.weight)
            _copy_feed_forward(block, layer)
    for stage in stages.values():
        if stage.num_layers:
            stage.position_bias.table.assign(table)
    backbone.live_position_bias.table.assign(table)
    backbone.encoder_norm.scale.assign(t5.encoder_layer_norm.weight)

    decoder, layers = backbone.decoder, t5.decoder_transformer_layers
    decoder.position_bias.table.assign(layers[0].self_attention.relative_attention_bias)
    for block, layer in zip(decoder.blocks, layers, strict=True):
        _copy_attention(block.self_attention, layer.self_attention)
        _copy_attention(block.cross_attention, layer.cross_attention)
        block.self_norm.scale.assign(layer.self_attention_layer_norm.weight)
        block.cross_norm.scale.assign(layer.cross_attention_layer_norm.weight)
        _copy_feed_forward(block, layer)
    decoder.norm.scale.assign(t5.decoder_layer_norm.weight)


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


def _assign(targets, sources):
    for target, source in zip(targets, sources, strict=True):
        target.assign(source)


def _copy_attention(target, source):
    target.query.kernel.assign(source.query_projector.kernel)
    target.key.kernel.assign(source.key_projector.kernel)
    target.value.kernel.assign(source.value_projector.kernel)
    target.output_projection.kernel.assign(source.output_projector.kernel)


def _copy_feed_forward(block, layer):
    block.feed_forward_norm.scale.assign(layer.layer_norm.weight)
    target = block.feed_forward
    # KerasHub activates `input_projector`, which is T5's gate where there is one.
    (target.gate if target.gated else target.up).kernel.assign(layer.input_projector.kernel)
    if target.gated:
        target.up.kernel.assign(layer.gate_projector.kernel)
    target.down.kernel.assign(layer.output_projector.kernel)
