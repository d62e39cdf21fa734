"""The weights of a T5 under the names that Hugging Face's T5 gives them."""

from collections.abc import Iterator
from typing import Any

from glimmer_keras.layers.bert_block import BertBlock

EMBEDDING = "shared.weight"
HEAD = "lm_head.weight"
TABLE = "relative_attention_bias.weight"
POSITIONS = "position_embeddings.weight"
FIRST_TABLE = f"block.0.layer.0.SelfAttention.{TABLE}"


def named_weights(backbone: Any, apart: bool = False) -> Iterator[tuple[str, Any]]:
    """The weights of a `GlimmerBackbone`, as pairs of name and variable.

    Args:
        backbone: a `GlimmerBackbone`.
        apart: bool. `False` gives what T5 has, by T5's names: parts that all start as one part
            of T5 share its names. `True` gives all weights, each under a name of its own.
    """
    embedding, split = backbone.token_embedding, backbone.split
    yield EMBEDDING, embedding.embeddings
    if not backbone.tie_embedding_weights:
        yield HEAD, embedding.reverse_embeddings

    stages = [("encoder", 0, backbone.memory_encoder)]
    if backbone.question_encoder is not backbone.memory_encoder:
        stages.append(("question_encoder" if apart else "encoder", 0, backbone.question_encoder))
    for prefix, _, stage in stages:
        if stage.num_positions is not None:
            yield f"{prefix}.{POSITIONS}", stage.positions
            yield f"{prefix}.embedding_layer_norm.weight", stage.embedding_norm.gamma
            yield f"{prefix}.embedding_layer_norm.bias", stage.embedding_norm.beta
        if stage.carried_dim:
            yield f"{prefix}.carried.weight", stage.carried.kernel
        if stage.num_layers:
            yield f"{prefix}.{FIRST_TABLE}", stage.position_bias.table
    if backbone.num_selected is not None:
        own = apart and backbone.reranker == "separate"
        place = ("reranker", 0) if own else ("encoder", split.memory)
        stages.append((*place, backbone.stage_a))
    first = backbone.num_layers - backbone.stage_b.num_layers
    stages.append(("encoder", first, backbone.stage_b))
    for prefix, first, stage in stages:
        yield from _encoder_blocks(prefix, stage.blocks, first)
    own = apart and split.memory > 0
    name = f"live_encoder.{TABLE}" if own else f"encoder.{FIRST_TABLE}"
    yield name, backbone.live_position_bias.table
    yield "encoder.final_layer_norm.weight", backbone.encoder_norm.scale

    decoder = backbone.decoder
    yield f"decoder.{FIRST_TABLE}", decoder.position_bias.table
    for i, block in enumerate(decoder.blocks):
        name = f"decoder.block.{i}.layer"
        yield from _attention(f"{name}.0.SelfAttention", block.self_attention)
        yield f"{name}.0.layer_norm.weight", block.self_norm.scale
        if block.reads_memory:
            yield from _attention(f"{name}.1.EncDecAttention", block.cross_attention)
            yield f"{name}.1.layer_norm.weight", block.cross_norm.scale
        yield from _feed_forward(f"{name}.2", block)
    yield "decoder.final_layer_norm.weight", decoder.norm.scale

    if apart and backbone.num_selected is not None:
        yield "passage_scorer.layer_norm.weight", backbone.passage_scorer.norm.scale
        yield "passage_scorer.weight", backbone.passage_scorer.kernel
        if backbone.passage_prior:
            yield "passage_scorer.prior_weight", backbone.passage_scorer.prior_weight


def encoder_weights(backbone: Any) -> Iterator[tuple[str, Any]]:
    """The weights of a `T5Encoder`, as pairs of name and variable."""
    encoder = backbone.encoder
    yield EMBEDDING, backbone.token_embedding.embeddings
    yield from _encoder_blocks("encoder", encoder.blocks)
    yield f"encoder.{FIRST_TABLE}", encoder.position_bias.table
    yield "encoder.final_layer_norm.weight", backbone.norm.scale


def keras_hub_weights(t5: Any) -> dict[str, Any]:
    """The variables of a `keras_hub.models.T5Backbone`, by Hugging Face's names."""
    weights = {EMBEDDING: t5.token_embedding.embeddings}
    if not t5.tie_embedding_weights:
        weights[HEAD] = t5.token_embedding.reverse_embeddings
    stacks = {
        "encoder": (t5.encoder_transformer_layers, t5.encoder_layer_norm),
        "decoder": (t5.decoder_transformer_layers, t5.decoder_layer_norm),
    }
    for stack, (layers, norm) in stacks.items():
        weights[f"{stack}.{FIRST_TABLE}"] = layers[0].self_attention.relative_attention_bias
        weights[f"{stack}.final_layer_norm.weight"] = norm.weight
        for i, layer in enumerate(layers):
            weights |= _keras_hub_layer(f"{stack}.block.{i}.layer", layer)
    return weights


def is_transposed(name: str) -> bool:
    """Whether a weight of this name is a torch `Linear`, `(out, in)`, and `(in, out)` in Keras."""
    return not name.endswith((EMBEDDING, TABLE, "norm.weight", ".bias", POSITIONS))


def _encoder_blocks(prefix, blocks, first=0):
    for i, block in enumerate(blocks, first):
        name = f"{prefix}.block.{i}.layer"
        if isinstance(block, BertBlock):
            yield from _bert_block(name, block)
            continue
        yield from _attention(f"{name}.0.SelfAttention", block.attention)
        yield f"{name}.0.layer_norm.weight", block.attention_norm.scale
        yield from _feed_forward(f"{name}.1", block)


def _bert_block(name, block):
    """The weights of a layer that no T5 has, named after T5's as far as that goes."""
    attention, feed_forward = block.attention, block.feed_forward
    projections = {
        "0.SelfAttention.q": attention.query,
        "0.SelfAttention.k": attention.key,
        "0.SelfAttention.v": attention.value,
        "0.SelfAttention.o": attention.output_projection,
        "1.DenseReluDense.wi": feed_forward.up,
        "1.DenseReluDense.wo": feed_forward.down,
    }
    if feed_forward.gated:
        projections["1.DenseReluDense.wi_0"] = feed_forward.gate
    for part, projection in projections.items():
        yield f"{name}.{part}.weight", projection.kernel
        yield f"{name}.{part}.bias", projection.bias
    norms = {"0.layer_norm": block.attention_norm, "1.layer_norm": block.feed_forward_norm}
    for part, norm in norms.items():
        yield f"{name}.{part}.weight", norm.gamma
        yield f"{name}.{part}.bias", norm.beta


def _attention(name, ours):
    yield f"{name}.q.weight", ours.query.kernel
    yield f"{name}.k.weight", ours.key.kernel
    yield f"{name}.v.weight", ours.value.kernel
    yield f"{name}.o.weight", ours.output_projection.kernel


def _feed_forward(name, block):
    yield f"{name}.layer_norm.weight", block.feed_forward_norm.scale
    ours = block.feed_forward
    if ours.gated:
        yield f"{name}.DenseReluDense.wi_0.weight", ours.gate.kernel
        yield f"{name}.DenseReluDense.wi_1.weight", ours.up.kernel
    else:
        yield f"{name}.DenseReluDense.wi.weight", ours.up.kernel
    yield f"{name}.DenseReluDense.wo.weight", ours.down.kernel


def _keras_hub_layer(name, layer):
    attentions = {f"{name}.0": ("SelfAttention", layer.self_attention)}
    norms = {f"{name}.0": layer.self_attention_layer_norm}
    if layer.is_decoder:
        attentions[f"{name}.1"] = ("EncDecAttention", layer.cross_attention)
        norms[f"{name}.1"] = layer.cross_attention_layer_norm
    feed_forward = f"{name}.{len(norms)}"
    norms[feed_forward] = layer.layer_norm
    weights = {f"{half}.layer_norm.weight": norm.weight for half, norm in norms.items()}
    for half, (kind, attention) in attentions.items():
        weights |= {
            f"{half}.{kind}.q.weight": attention.query_projector.kernel,
            f"{half}.{kind}.k.weight": attention.key_projector.kernel,
            f"{half}.{kind}.v.weight": attention.value_projector.kernel,
            f"{half}.{kind}.o.weight": attention.output_projector.kernel,
        }
    dense = f"{feed_forward}.DenseReluDense"
    # KerasHub activates `input_projector`, which is T5's gate where there is one.
    if layer.use_gated_activation:
        weights[f"{dense}.wi_0.weight"] = layer.input_projector.kernel
        weights[f"{dense}.wi_1.weight"] = layer.gate_projector.kernel
    else:
        weights[f"{dense}.wi.weight"] = layer.input_projector.kernel
    weights[f"{dense}.wo.weight"] = layer.output_projector.kernel
    return weights
