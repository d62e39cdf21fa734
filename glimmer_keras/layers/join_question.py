import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glimmer_keras")
class JoinQuestion(keras.layers.Layer):
    """Puts the question's memory before each passage's: `H_i = [MemEnc(Q); MemEnc(P_i)]`.

    The question's padding stays in place and is masked, so shapes are static. Where a passage
    is missing (its mask is all `False`) the whole joined row is masked.

    Call arguments:
        question_memory: float tensor `(batch, question_length, dim)`.
        question_padding_mask: boolean tensor `(batch, question_length)`.
        passage_memory: float or int8 tensor `(batch, passages, passage_length, dim)`.
        passage_padding_mask: boolean tensor `(batch, passages, passage_length)`.
        passage_memory_scales: float32 tensor `(batch, passages, passage_length)` to multiply
            int8 memory with, or `None`.

    Returns:
        The joined states `(batch, passages, question_length + passage_length, dim)` and their
        boolean mask of the same shape without `dim`.
    """

    def call(
        self,
        question_memory,
        question_padding_mask,
        passage_memory,
        passage_padding_mask,
        passage_memory_scales=None,
    ):
        question_dim, memory_dim = question_memory.shape[-1], passage_memory.shape[-1]
        if question_dim != memory_dim:
            raise ValueError(
                "`passage_memory` must have the width of the model. "
                f"Expected: (..., {question_dim}). Received: shape={tuple(passage_memory.shape)}"
            )
        passages = ops.shape(passage_memory)[1]
        question_mask = ops.cast(question_padding_mask, "bool")
        passage_mask = ops.cast(passage_padding_mask, "bool")
        present = ops.any(passage_mask, axis=-1, keepdims=True)  # (batch, passages, 1)
        question = ops.repeat(
            ops.cast(question_memory, self.compute_dtype)[:, None], passages, axis=1
        )
        if passage_memory_scales is not None:
            scales = ops.cast(passage_memory_scales, "float32")[..., None]
            passage_memory = ops.cast(passage_memory, "float32") * scales
        states = ops.concatenate([question, ops.cast(passage_memory, self.compute_dtype)], axis=2)
        mask = ops.concatenate(
            [ops.logical_and(question_mask[:, None], present), passage_mask], axis=2
        )
        return states, mask

    def compute_output_spec(
        self,
        question_memory,
        question_padding_mask,
        passage_memory,
        passage_padding_mask,
        passage_memory_scales=None,
    ):
        batch, passages, length, dim = passage_memory.shape
        question = question_memory.shape[1]
        total = None if None in (question, length) else question + length
        return (
            keras.KerasTensor((batch, passages, total, dim), dtype=self.compute_dtype),
            keras.KerasTensor((batch, passages, total), dtype="bool"),
        )
