import numpy as np

from glimmer_keras.memory import MemoryBatch


def memory_inputs(batch: MemoryBatch) -> dict[str, np.ndarray]:
    """Give stored memory as the model takes it, of the dtype that it is stored in.

    Args:
        batch: Of shape `(batch, passages)`.

    Returns:
        `passage_memory` `(batch, passages, length, dim)`, `passage_padding_mask` `(batch,
        passages, length)`, and for int8 `passage_memory_scales` of that shape.
    """
    inputs = {"passage_memory": batch.values, "passage_padding_mask": batch.mask}
    return inputs if batch.scales is None else inputs | {"passage_memory_scales": batch.scales}
