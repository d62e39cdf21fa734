"""Sums that run over the replicas of `tf.distribute`, each of which sees a part of the batch.

On other backends a program sees the whole batch, and there is one replica.
"""

import keras


def num_replicas() -> int:
    """Count the replicas that take part in a step."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_replicas(x):
    """Take the mean of a tensor over replicas, of the tensor's shape."""
    if num_replicas() == 1:
        return x
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None:  # Keras looks at shapes alone, outside of any replica.
        return x
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, x)


def logs_of_replica(logs):
    """Give a replica's logs as Keras wants them: with several hosts it takes means over an axis."""
    if keras.backend.backend() != "tensorflow":
        return logs
    import tensorflow as tf

    if not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return logs
    return {name: tf.reshape(value, (1,)) for name, value in logs.items()}
