import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import keras
from keras import ops

_loaded_next = ContextVar("loaded_next", default=False)


@contextlib.contextmanager
def loaded_next(loaded: bool = True) -> Iterator[None]:
    """Weights that `Normal` starts in here start at 0, if others are `loaded` into them next.

    That spares the random numbers, which take longer than reading weights from a file and as much
    memory again on JAX.
    """
    token = _loaded_next.set(loaded)
    try:
        yield
    finally:
        _loaded_next.reset(token)


def is_loaded_next() -> bool:
    """Whether this is within `loaded_next`."""
    return _loaded_next.get()


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Normal(keras.initializers.RandomNormal):
    """Normally distributed around 0, or all 0 within `loaded_next`.

    Args:
        stddev: float. Deviation.
    """

    def __init__(self, stddev=0.02, seed=None):
        super().__init__(stddev=stddev, seed=seed)

    def __call__(self, shape, dtype=None):
        if is_loaded_next():
            return ops.zeros(shape, dtype)
        return super().__call__(shape, dtype)

    def get_config(self):
        config = super().get_config()
        config.pop("mean")
        return config
