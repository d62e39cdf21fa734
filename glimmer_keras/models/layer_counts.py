def layer_counts(backbone):
    """Count the layers of each part of a `GlimmerBackbone`, as a dictionary."""
    return {
        "memory": backbone.memory_encoder.num_layers,
        "stage A": backbone.stage_a.num_layers if backbone.num_selected else 0,
        "stage B": backbone.stage_b.num_layers,
        "decoder": backbone.decoder.num_layers,
    }


def print_layers(backbone, print_fn=None):
    """Print how many layers each part of a `GlimmerBackbone` has, by default to stdout."""
    counts = ", ".join(f"{name} {count}" for name, count in layer_counts(backbone).items())
    if backbone.cross_attention_every > 1:
        counts += f" ({len(backbone.decoder.cross_attention_layers)} with cross-attention)"
    (print_fn or print)(f" Layers: {counts}")
