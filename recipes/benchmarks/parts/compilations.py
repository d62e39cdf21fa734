"""Counting compilations on each backend."""

from typing import Any

import keras

import glimmer_keras as gk


class Compilations:
    """Counts all programs that JAX compiles, or the traces of TensorFlow's generate function."""

    what = {
        "jax": "programs compiled in the process",
        "tensorflow": "traces of the generate function",
        "torch": "nothing",
    }[keras.backend.backend()]

    def __init__(self) -> None:
        self._compiled = 0
        if keras.backend.backend() == "jax":
            import jax

            jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration: float, **kwargs: Any) -> None:
        self._compiled += event == "/jax/core/compile/backend_compile_duration"

    def count(self, glimmer: gk.Glimmer) -> int:
        """Count those so far."""
        if keras.backend.backend() == "tensorflow":
            return glimmer.generate_function.experimental_get_tracing_count()
        return self._compiled
