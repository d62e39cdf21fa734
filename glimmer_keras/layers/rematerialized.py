import keras
from keras import ops

# Random numbers that one block draws from one generator are at most so many.
DRAWS = 8


def rematerialized(block):
    """A block as a function that keeps its inputs alone for the backward pass, and runs anew there.

    `keras.remat` with the seeds of dropout drawn before. Otherwise the second run would draw other
    masks on TensorFlow, and seeds that advance inside would leak on JAX.

    Args:
        block: a built layer.

    Returns:
        A function of the block's positional arguments, run with `training=True`.
    """
    weights = block.weights
    seeds = [v for v in block.variables if not any(v is weight for weight in weights)]

    def call(*inputs):
        drawn = []
        for seed in seeds:
            # (seed, counter): the counters of two calls are `DRAWS` apart.
            drawn.append((seed, seed.value * ops.cast([1, DRAWS], seed.dtype)))
            seed.assign(seed.value + ops.cast([0, 1], seed.dtype))
        leaves = keras.tree.flatten(inputs)
        # TensorFlow takes what has a gradient; the rest, masks and seeds, is closed over.
        masks = [keras.backend.standardize_dtype(leaf.dtype) == "bool" for leaf in leaves]

        def run(values, floats):
            rest = iter(floats)
            whole = [x if fixed else next(rest) for x, fixed in zip(leaves, masks, strict=True)]
            state = [*zip(weights, values, strict=True), *drawn]
            with keras.StatelessScope(state_mapping=state):
                return block(*keras.tree.pack_sequence_as(inputs, whole), training=True)

        values = [ops.convert_to_tensor(weight.value) for weight in weights]
        floats = [leaf for leaf, fixed in zip(leaves, masks, strict=True) if not fixed]
        return keras.remat(run)(values, floats)

    return call
