import keras
from keras import ops

from glimmer_keras.layers.passage_scorer import rank_prior

QUESTION = ("question_token_ids", "question_padding_mask")
DECODER = ("decoder_token_ids", "decoder_padding_mask")
SCALES = "passage_memory_scales"
PRIOR = "passage_prior"
TAUGHT = "teacher_log_probs"


def symbolic_inputs():
    """A dictionary of `keras.Input`, as `GlimmerBackbone` takes them, of any lengths."""

    def ids(name, *shape):
        return keras.Input(shape, dtype="int32", name=name)

    def mask(name, *shape):
        return keras.Input(shape, dtype="bool", name=name)

    return {
        "question_token_ids": ids("question_token_ids", None),
        "question_padding_mask": mask("question_padding_mask", None),
        "passage_token_ids": ids("passage_token_ids", None, None),
        "passage_padding_mask": mask("passage_padding_mask", None, None),
        "decoder_token_ids": ids("decoder_token_ids", None),
        "decoder_padding_mask": mask("decoder_padding_mask", None),
    }


def prior_of(inputs):
    """The log-prior of each passage, float32 `(batch, passages)`: given, or `rank_prior`."""
    if PRIOR in inputs:
        return ops.cast(inputs[PRIOR], "float32")
    return rank_prior(inputs["passage_padding_mask"][:, :, 0])


def check_inputs(inputs, memory_dim, num_selected, passage_prior=False):
    """Check the names and static shapes of a dictionary of model inputs.

    Args:
        inputs: dictionary of tensors, as `GlimmerBackbone` takes them.
        memory_dim: int. Width that a `passage_memory` must have.
        num_selected: int or `None`. `m`, which the number of passages must reach.
        passage_prior: bool. Whether there may be a `passage_prior`.
    """
    if not isinstance(inputs, dict):
        raise TypeError(f"Inputs must be a dictionary. Received: {type(inputs).__name__}")
    passages = "passage_memory" if "passage_memory" in inputs else "passage_token_ids"
    scales = {SCALES} & set(inputs) if passages == "passage_memory" else set()
    expected = {*QUESTION, passages, "passage_padding_mask", *DECODER}
    allowed = {PRIOR} if passage_prior else set()
    if num_selected is not None:
        allowed.add(TAUGHT)
    if set(inputs) != expected | scales | (allowed & set(inputs)):
        raise ValueError(
            f"Inputs must be {sorted(expected)} (`passage_memory`, with `{SCALES}` if it is int8, "
            f"may stand for `passage_token_ids`). Received: {sorted(inputs)}"
        )
    shape, mask_shape = inputs[passages].shape, inputs["passage_padding_mask"].shape
    if len(mask_shape) != 3:
        raise ValueError(
            "`passage_padding_mask` must be (batch, passages, length). "
            f"Received: shape={tuple(mask_shape)}"
        )
    if tuple(shape[:3]) != tuple(mask_shape):
        raise ValueError(
            f"`{passages}` and `passage_padding_mask` must agree. "
            f"Received: shapes {tuple(shape)} and {tuple(mask_shape)}"
        )
    if passages == "passage_memory" and (len(shape) != 4 or shape[-1] != memory_dim):
        raise ValueError(
            "`passage_memory` must have the width of the model: "
            f"(batch, passages, length, {memory_dim}). Received: shape={tuple(shape)}"
        )
    for name in allowed & set(inputs):
        if tuple(inputs[name].shape) != tuple(mask_shape[:2]):
            raise ValueError(
                f"`{name}` must have a number for each passage: (batch, passages). "
                f"Received: shape={tuple(inputs[name].shape)}"
            )
    if passages == "passage_memory":
        _check_scales(inputs["passage_memory"], inputs.get(SCALES))
    if shape[1] is not None and shape[1] < max(1, num_selected or 1):
        raise ValueError(
            "There must be at least as many passages as are selected. "
            f"Received: passages={shape[1]}, num_selected={num_selected}"
        )


def _check_scales(memory, scales):
    dtype = keras.backend.standardize_dtype(memory.dtype)
    if dtype != "int8" and "float" not in dtype:
        raise ValueError(f"`passage_memory` must be floats or int8. Received: dtype={dtype}")
    if (dtype == "int8") != (scales is not None):
        raise ValueError(
            f"int8 `passage_memory`, and no other, must come with `{SCALES}`. "
            f"Received: dtype={dtype} {'without' if scales is None else 'with'} scales"
        )
    if scales is not None and tuple(scales.shape) != tuple(memory.shape[:3]):
        raise ValueError(
            f"`{SCALES}` must have a scale for each token of `passage_memory`. "
            f"Received: shapes {tuple(scales.shape)} and {tuple(memory.shape)}"
        )


def answer_mask(token_ids, prompt_mask, stop_token_ids):
    """Which of the generated tokens belong to the answer: up to its first stop token.

    Args:
        token_ids: int tensor `(batch, length)`.
        prompt_mask: bool tensor `(batch, length)`, `True` on tokens that were given.
        stop_token_ids: sequence of ints, or `None` if nothing stops an answer.

    Returns:
        bool tensor `(batch, length)`; the stop token is included.
    """
    if stop_token_ids is None:
        return ops.ones_like(token_ids, dtype="bool")
    stops = ops.zeros_like(token_ids, dtype="bool")
    for stop in stop_token_ids:
        stops = ops.logical_or(stops, token_ids == stop)
    stops = ops.cast(ops.logical_and(stops, ops.logical_not(prompt_mask)), "int32")
    return ops.cumsum(stops, axis=-1) - stops == 0
