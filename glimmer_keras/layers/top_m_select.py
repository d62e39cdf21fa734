import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glimmer_keras")
class TopMSelect(keras.layers.Layer):
    """Ranks passages by score and keeps the best `m`: `R_j = H'_i with rank(Score(H'_i)) = j`.

    The selection is hard, so no gradient passes to the scores. Equal scores go to the lower
    index on every backend; a missing passage is never kept while a real one is left.

    Args:
        num_selected: int. `m`, at least 1 and at most the number of passages.

    Call arguments:
        scores: float tensor `(batch, passages)`.
        states: float tensor `(batch, passages, length, dim)`.
        padding_mask: boolean tensor `(batch, passages, length)`.

    Returns:
        `ranking`: int32 `(batch, passages)`, passage numbers from best to worst, of which the
        first `m` are selected; the selected states `(batch, m, length, dim)`; their mask.
    """

    def __init__(self, num_selected, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(num_selected, int) or num_selected < 1:
            raise ValueError(
                "`num_selected` must be an integer of at least 1. "
                f"Received: num_selected={num_selected}"
            )
        self.num_selected = num_selected

    def call(self, scores, states, padding_mask):
        self._check(scores.shape[1])
        mask = ops.cast(padding_mask, "bool")
        ranking = rank_passages(scores, ops.any(mask, axis=-1))
        selected = ranking[:, : self.num_selected]
        return ranking, gather_passages(states, selected), gather_passages(mask, selected)

    def compute_output_spec(self, scores, states, padding_mask):
        self._check(scores.shape[1])
        batch, _, length, dim = states.shape
        return (
            keras.KerasTensor(scores.shape, dtype="int32"),
            keras.KerasTensor((batch, self.num_selected, length, dim), dtype=states.dtype),
            keras.KerasTensor((batch, self.num_selected, length), dtype="bool"),
        )

    def get_config(self):
        return {**super().get_config(), "num_selected": self.num_selected}

    def _check(self, passages):
        if passages is not None and passages < self.num_selected:
            raise ValueError(
                f"`num_selected` must be at most the number of passages. "
                f"Received: num_selected={self.num_selected}, passages={passages}"
            )


def rank_passages(scores, present):
    """Passage numbers from best to worst, ties to the lower number, missing ones last.

    Args:
        scores: float tensor `(batch, passages)`.
        present: boolean tensor `(batch, passages)`.

    Returns:
        int32 tensor `(batch, passages)`.
    """
    scores = ops.where(present, ops.cast(scores, "float32"), -float("inf"))
    numbers = ops.arange(ops.shape(scores)[1], dtype="int32")
    one, other = scores[:, :, None], scores[:, None, :]
    earlier = numbers[None, :] < numbers[:, None]
    ahead = ops.logical_or(other > one, ops.logical_and(other == one, earlier))
    rank = ops.sum(ops.cast(ahead, "int32"), axis=-1)  # how many go before each passage
    at_rank = ops.cast(rank[:, None, :] == numbers[None, :, None], "int32")
    return ops.sum(at_rank * numbers, axis=-1)


def gather_passages(tensor, numbers):
    """Rows `numbers` `(batch, n)` of `tensor` `(batch, passages, ...)`."""
    index = ops.reshape(numbers, (*ops.shape(numbers), *[1] * (len(tensor.shape) - 2)))
    return ops.take_along_axis(tensor, index, axis=1)
