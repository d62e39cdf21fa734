import keras
from keras import ops

from glimmer_keras.layers.t5_norm import T5Norm

MISSING_SCORE = -1e9


@keras.saving.register_keras_serializable(package="glimmer_keras")
class PassageScorer(keras.layers.Layer):
    """The relevance score of each passage: a linear layer on its normalised stage-A state.

    The kernel starts normal with deviation `dim ** -0.5`. Not at zero: Adafactor scales each
    step by the size of the weights, so a zero scorer would stay where it is.

    With a prior, the score is that plus a learned weight, which starts at 1, times what the first
    stage thinks of the passage.

    Args:
        pooling: `"first"` scores the first token, the paper's choice; `"mean"` the mean over
            real tokens, one of its ablations.
        epsilon: float. Of the normalisation.
        use_prior: bool. Whether it is called with a prior. Not in the paper.

    Call arguments:
        states: float tensor `(batch, passages, length, dim)`, from stage A.
        padding_mask: boolean tensor `(batch, passages, length)`.
        prior: float tensor `(batch, passages)`, with `use_prior`; `None` is `rank_prior`.

    Returns:
        float32 tensor `(batch, passages)`; a missing passage (mask all `False`) has -1e9.
    """

    def __init__(self, pooling="first", epsilon=1e-6, use_prior=False, **kwargs):
        super().__init__(**kwargs)
        if pooling not in ("first", "mean"):
            raise ValueError(f'`pooling` must be "first" or "mean". Received: pooling={pooling!r}')
        self.pooling = pooling
        self.epsilon = epsilon
        self.use_prior = use_prior
        self.norm = T5Norm(epsilon, dtype=self.dtype_policy, name="norm")

    def build(self, states_shape, padding_mask_shape=None, prior_shape=None):
        dim = states_shape[-1]
        self.norm.build((None, dim))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(dim,),
            # Not `Normal`: no T5 has values for it.
            initializer=keras.initializers.RandomNormal(stddev=dim**-0.5),
        )
        if self.use_prior:
            self.prior_weight = self.add_weight(name="prior_weight", shape=(1,), initializer="ones")
        self.built = True

    def call(self, states, padding_mask, prior=None):
        mask = ops.cast(padding_mask, "bool")
        present = ops.any(mask, axis=-1)
        if self.pooling == "first":
            pooled = self.norm(states[:, :, 0])  # (batch, passages, dim)
        else:
            weights = ops.cast(mask, "float32")[..., None]
            total = ops.sum(ops.cast(self.norm(states), "float32") * weights, axis=2)
            pooled = total / ops.maximum(ops.sum(weights, axis=2), 1.0)
        pooled = ops.cast(pooled, "float32")
        scores = ops.sum(pooled * ops.cast(self.kernel, "float32"), axis=-1)
        if self.use_prior:
            prior = rank_prior(present) if prior is None else ops.cast(prior, "float32")
            scores += ops.cast(self.prior_weight, "float32") * prior
        return ops.where(present, scores, MISSING_SCORE)

    def compute_output_spec(self, states, padding_mask, prior=None):
        return keras.KerasTensor(states.shape[:2], dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "pooling": self.pooling,
            "epsilon": self.epsilon,
            "use_prior": self.use_prior,
        }


def rank_prior(present):
    """What the order of passages says of them, as log-probabilities up to a constant.

    Args:
        present: tensor `(batch, passages)`; its shape is what counts.

    Returns:
        float32 tensor `(batch, passages)`, `-log2(1 + rank)` with ranks from 0.
    """
    ranks = ops.arange(ops.shape(present)[1], dtype="float32")
    return ops.zeros_like(present, dtype="float32") - ops.log2(1.0 + ranks)
