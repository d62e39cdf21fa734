"""The processes that train one model together, and what they tell each other.

On JAX those of `keras.distribution.initialize`, on TensorFlow those of the strategy in scope.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from typing import Any

import keras
import numpy as np


def hosts() -> tuple[int, int]:
    """Give the number of this host, from 0, and how many there are."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.process_index(), jax.process_count()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if resolver := tf.distribute.get_strategy().cluster_resolver:
            cluster = resolver.cluster_spec().as_dict()
            chiefs, workers = (len(cluster.get(job, ())) for job in ("chief", "worker"))
            number = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
            return number, chiefs + workers
    return 0, 1


def from_hosts(number: int) -> list[int]:
    """Give a number to all hosts and get those of all, in their order; every host waits for all."""
    own, count = hosts()
    if count == 1:
        return [number]
    if keras.backend.backend() == "jax":
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(np.int32(number)).reshape(-1).tolist()
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    numbers = np.zeros(count, "int32")
    numbers[own] = number
    sums = _sum_over_replicas(strategy)(tf.constant(numbers)).numpy()
    return (sums // (strategy.num_replicas_in_sync // count)).tolist()


@cache
def _sum_over_replicas(strategy: Any) -> Any:
    import tensorflow as tf

    @tf.function
    def total(numbers):
        each = strategy.run(tf.identity, args=(numbers,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

    return total


@contextlib.contextmanager
def first_host_first() -> Iterator[bool]:
    """Have the other hosts do what is in the `with` block after the first has done it.

    Raises:
        RuntimeError: On the others, if the first has failed in it.
    """
    if hosts()[0] > 0:
        if from_hosts(0)[0]:
            raise RuntimeError("The first host has failed, and its own error says how.")
        yield False
        return
    try:
        yield True
    except BaseException:
        from_hosts(1)
        raise
    from_hosts(0)


def write_on_first_host(variables: Iterable[Any], write: Callable[[], None]) -> None:
    """Call `write` on the first host, for which all others wait.

    Variables that JAX splits between hosts have whole arrays as values meanwhile. It is in a
    thread of its own, which is in no distribution: Keras makes variables when it saves, and in
    a distribution all hosts would have to.
    """
    if hosts()[1] == 1:
        write()
        return
    wholes = [(variable, whole(variable.value)) for variable in variables]

    def write_wholes() -> None:
        with keras.StatelessScope(wholes) if keras.backend.backend() == "jax" else nullcontext():
            write()

    with first_host_first() as first:
        if first:
            with ThreadPoolExecutor(1) as alone:
                alone.submit(write_wholes).result()


def whole(value: Any) -> Any:
    """Give a tensor as it is, or what JAX has split between hosts as one array; all hosts ask."""
    if keras.backend.backend() != "jax" or hosts()[1] == 1:
        return value
    if value.is_fully_addressable or value.is_fully_replicated:
        return value
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(value, tiled=True)
