from collections.abc import Callable, Sequence
from typing import Any

import keras


def compiled(function: Callable, variables: Sequence[Any], shape: Sequence[int | None]) -> Callable:
    """A function of token ids and their mask, compiled for this backend.

    JAX compiles it anew for each shape; TensorFlow traces it once.

    Args:
        function: Takes int32 token ids and a boolean mask of one shape.
        variables: Keras variables that it reads.
        shape: Of its arguments; `None` where it varies.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(shape, "int32"), tf.TensorSpec(shape, "bool")]
        return tf.function(function, signature, autograph=False)
    if backend == "jax":
        import jax

        @jax.jit
        def run(values, *arguments):
            # As arguments, weights are not compiled in as constants.
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*arguments)

        return lambda *arguments: run([variable.value for variable in variables], *arguments)
    import torch

    return torch.no_grad()(function)
