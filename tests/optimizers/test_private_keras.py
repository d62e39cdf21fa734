"""Private parts of Keras that the optimizers stand on, and what breaks without them."""

import keras
import pytest

HOOKS = [
    ("_get_variable_index", keras.optimizers.Optimizer, "Adafactor finds its moments by it"),
    ("_iterations", keras.optimizers.SGD(), "SkippingOptimizer counts steps that accumulate by it"),
    (
        "_stateful_handle_non_finite_grads",
        keras.optimizers.LossScaleOptimizer,
        "SkippingOptimizer keeps the scale at 1 in place of it on TensorFlow",
    ),
]


@pytest.mark.parametrize(("name", "owner", "use"), HOOKS)
def test_what_is_private_is_still_there(name, owner, use):
    assert hasattr(owner, name), f"Keras 3.15.1 has {name}, and {keras.__version__} not: {use}"
