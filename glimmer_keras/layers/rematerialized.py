import keras
from keras import ops

# Random numbers that one block draws from one generator are at most so many.
DRAWS = 8


def rematerialized(block, in_groups=False):
    """Make a function of a block that keeps its inputs alone for the backward pass, and runs anew.

    `keras.remat` with the seeds of dropout drawn before. Otherwise the second run would draw other
    masks on TensorFlow, and seeds that advance inside would leak on JAX.

    Args:
        block: a built layer.
        in_groups: bool. Whether the first two arguments, states and mask, have groups in front,
            to run one after another. XLA's CPU compiler merges two runs of a block, but not loops.

    Returns:
        A function of the block's positional arguments, run with `training=True`.
    """
    weights = block.weights
    seeds = [v for v in block.variables if not any(v is weight for weight in weights)]

    def call(*inputs):
        values = [ops.convert_to_tensor(weight.value) for weight in weights]

        def once(inputs, drawn):
            leaves = keras.tree.flatten(inputs)
            # TensorFlow takes what has a gradient; the rest, masks and seeds, is closed over.
            masks = [keras.backend.standardize_dtype(leaf.dtype) == "bool" for leaf in leaves]

            def run(values, floats):
                rest = iter(floats)
                given = [x if fixed else next(rest) for x, fixed in zip(leaves, masks, strict=True)]
                state = [*zip(weights, values, strict=True), *zip(seeds, drawn, strict=True)]
                with keras.StatelessScope(state_mapping=state):
                    return block(*keras.tree.pack_sequence_as(inputs, given), training=True)

            floats = [leaf for leaf, fixed in zip(leaves, masks, strict=True) if not fixed]
            return keras.remat(run)(values, floats)

        if not in_groups:
            return once(inputs, [_draw(seed, 1)[0] for seed in seeds])
        states, mask, *rest = inputs
        drawn = [_draw(seed, states.shape[0]) for seed in seeds]
        return ops.map(
            lambda group: once((group[0], group[1], *rest), group[2:]), [states, mask, *drawn]
        )

    return call


def _draw(seed, runs):
    """Draw a generator's state for each of some runs, whose counters are `DRAWS` apart.

    That a state is a key and a counter, `[key, counter]`, is Keras's own business (3.15.1).
    """
    steps = ops.cast([[0, i] for i in range(runs)], seed.dtype)
    drawn = (seed.value + steps) * ops.cast([1, DRAWS], seed.dtype)
    seed.assign(seed.value + ops.cast([0, runs], seed.dtype))
    return drawn
