import numpy as np
from keras import ops


def copy_bert_weights(bert, backbone, embeddings=None):
    """Have the encoder of a `GlimmerBackbone` start as a BERT, whose function it keeps.

    Layers that BERT has no more of begin by passing their input on, normalised. Embeddings are
    enlarged to a deviation of 1, as T5's, with positions: they are normalised next. What is not of
    the encoder stays as it is.

    Args:
        bert: a `BertEncoder`.
        backbone: a `GlimmerBackbone` with `encoder_block="bert"`, without gates, of BERT's width,
            heads and positions.
        embeddings: floats `(vocabulary_size, hidden_dim)`, those of another vocabulary in BERT's
            space; `None` for BERT's own.

    Raises:
        ValueError: If sizes differ.
    """
    names = ("hidden_dim", "num_heads", "intermediate_dim", "num_positions")
    theirs = {name: getattr(bert, name) for name in names}
    theirs |= {"encoder_block": "bert", "use_gated_activation": False}
    received = {name: getattr(backbone, name) for name in theirs}
    if received != theirs:
        raise ValueError(f"`backbone` must have BERT's {theirs}. Received: {received}")
    if embeddings is None:
        embeddings = ops.convert_to_numpy(bert.token_embedding.embeddings)
    scale = 1 / np.std(embeddings)
    backbone.token_embedding.embeddings.assign(scale * embeddings)
    bias = bert.encoder.position_bias.get_weights()
    backbone.live_position_bias.set_weights(bias)
    encoders = [backbone.memory_encoder, backbone.question_encoder]
    for encoder in encoders[: 1 + (encoders[0] is not encoders[1])]:
        encoder.positions.assign(scale * ops.convert_to_numpy(bert.encoder.positions))
        encoder.embedding_norm.set_weights(bert.encoder.embedding_norm.get_weights())
        if encoder.num_layers:
            encoder.position_bias.set_weights(bias)
        _copy_blocks(bert, encoder.blocks, 0)
    if backbone.num_selected is not None:
        _copy_blocks(bert, backbone.stage_a.blocks, backbone.split.memory)
    _copy_blocks(bert, backbone.stage_b.blocks, backbone.num_layers - backbone.stage_b.num_layers)


def _copy_blocks(bert, blocks, first):
    for number, block in enumerate(blocks, first):
        if number < bert.num_layers:
            block.set_weights(bert.encoder.blocks[number].get_weights())
            continue
        for part in (block.attention.output_projection, block.feed_forward.down):
            part.set_weights([np.zeros(weight.shape) for weight in part.weights])
