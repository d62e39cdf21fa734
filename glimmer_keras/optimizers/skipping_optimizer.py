from typing import Any

import keras
from keras import ops

from glimmer_keras.distribution.replicas import num_replicas


@keras.saving.register_keras_serializable(package="glimmer_keras")
class SkippingOptimizer(keras.optimizers.LossScaleOptimizer):
    """Leaves out the update of a step whose loss or gradients are not finite.

    Such a step changes no weight, no moment and no count of iterations, in the compiled step
    itself. That is Keras's `LossScaleOptimizer`, with a scale that is and stays 1. The callback
    `NotFinite` names the steps and keeps them out of the running means.

    Args:
        inner_optimizer: The optimizer that updates. Clipping, gradient accumulation and the
            rest are its own arguments.
        name: Its name.

    Example:
    ```python
    glimmer.compile(SkippingOptimizer(Adafactor(1e-4)))
    glimmer.fit(batches, callbacks=[NotFinite("skip")])
    ```
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, name: str | None = None):
        # A step without end: the scale is never raised.
        super().__init__(inner_optimizer, 1.0, dynamic_growth_steps=2**31 - 1, name=name)

    @property
    def updates(self) -> Any:
        """Steps that were not left out, those that only accumulate gradients among them."""
        return self.inner_optimizer._iterations

    def build(self, variables: list[Any]) -> None:
        if num_replicas() > 1:
            # Keras looks at the gradients of the first replica alone, before they are added up.
            raise ValueError(
                "`SkippingOptimizer` must be on one device on TensorFlow; KERAS_BACKEND=jax skips "
                f"on several. Received: {num_replicas()} replicas"
            )
        super().build(variables)

    def scale_loss(self, loss: Any) -> Any:
        # Also a loss that is infinite where its gradients are not makes these NaN.
        return loss * ops.where(ops.isfinite(loss), 1.0, float("nan"))

    def stateless_apply(
        self, optimizer_variables: list[Any], grads: list[Any], trainable_variables: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        # On JAX a choice of values; Keras's of branches took three times as long on a CPU.
        finite = self.check_finite(grads)
        own = len(optimizer_variables) - len(self.inner_optimizer.variables)
        inner = optimizer_variables[own:]
        weights, moments = self.inner_optimizer.stateless_apply(inner, grads, trainable_variables)

        def choose(new: list[Any], old: list[Any]) -> list[Any]:
            return [ops.where(finite, one, other) for one, other in zip(new, old, strict=True)]

        kept = optimizer_variables[:own]
        return choose(weights, trainable_variables), kept + choose(moments, inner)

    def _stateful_handle_non_finite_grads(self) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {name: config[name] for name in ("name", "inner_optimizer")}
