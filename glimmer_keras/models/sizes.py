"""Named sizes of T5.1.1, and the three systems as settings of one model."""

T5_SIZES = {
    "tiny": {
        "num_layers": 4,
        "num_heads": 4,
        "hidden_dim": 64,
        "intermediate_dim": 128,
        "key_value_dim": 16,
    },
    "small": {"num_layers": 8, "num_heads": 6, "hidden_dim": 512, "intermediate_dim": 1024},
    "base": {"num_layers": 12, "num_heads": 12, "hidden_dim": 768, "intermediate_dim": 2048},
    "large": {"num_layers": 24, "num_heads": 16, "hidden_dim": 1024, "intermediate_dim": 2816},
    "xl": {"num_layers": 24, "num_heads": 32, "hidden_dim": 2048, "intermediate_dim": 5120},
    "xxl": {"num_layers": 24, "num_heads": 64, "hidden_dim": 4096, "intermediate_dim": 10240},
}
T5_VOCABULARY_SIZE = 32128

SYSTEMS: dict[str, dict] = {
    "fid": {"live_proportion": 1.0, "num_selected": None, "question_in_decoder": False},
    "lumen": {"live_proportion": 1 / 3, "num_selected": None},
    "glimmer": {"live_proportion": 1 / 3, "rerank_proportion": 1 / 4, "num_selected": 5},
}


def size_arguments(size):
    """Constructor arguments of a named size.

    Args:
        size: string. `"tiny"` (for tests), `"small"`, `"base"`, `"large"`, `"xl"` or `"xxl"`.
    """
    if size not in T5_SIZES:
        raise ValueError(f"`size` must be one of {list(T5_SIZES)}. Received: size={size!r}")
    return {"vocabulary_size": T5_VOCABULARY_SIZE, **T5_SIZES[size]}


def system_arguments(system, overrides):
    """Constructor arguments of a named system, with `overrides` put over them."""
    if system not in SYSTEMS:
        raise ValueError(f"`system` must be one of {list(SYSTEMS)}. Received: system={system!r}")
    return {**SYSTEMS[system], **overrides}
