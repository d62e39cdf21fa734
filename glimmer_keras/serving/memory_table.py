import tensorflow as tf

from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.utils.chunks import in_chunks
from glimmer_keras.utils.progress import Progress

PASSAGES_AT_ONCE = 256


class MemoryTable(tf.Module):
    """The memory of a store as variables of a SavedModel, in which they have no size limit.

    Row `n` is the `n`-th passage of `MemoryStore.iter_passages`.

    Args:
        store: Memory of at least one passage.
        progress: Whether to show how far the reading is.
    """

    def __init__(self, store: MemoryStore, progress: bool = False) -> None:
        super().__init__()
        rows, length = len(store), store.passage_length
        self.values = _variable((rows, length, store.hidden_dim), store.read_dtype, "memory_values")
        self.scales = None
        if store.dtype == "int8":
            self.scales = _variable((rows, length), "float32", "memory_scales")
        self.lengths = _variable((rows,), "int32", "memory_lengths")
        self.passages: list[StoredPassage] = []
        with Progress("Reading memory", rows, "passages", progress) as shown:
            for part in in_chunks(store.iter_passages(), PASSAGES_AT_ONCE):
                batch = store.read([passage.id for passage in part])
                start = len(self.passages)
                place = slice(start, start + len(part))
                self.values[place].assign(batch.values)
                if self.scales is not None:
                    self.scales[place].assign(batch.scales)
                self.lengths[place].assign(batch.lengths)
                self.passages += part
                shown.advance(len(part))

    def replace_rows(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Put memory in place of `passage_rows` in model inputs; row -1 is a missing passage."""
        rest = dict(inputs)
        rows = rest.pop("passage_rows")
        count, length = self.values.shape[:2]
        known = tf.logical_and(rows >= -1, rows < count)
        message = f"`passage_rows` must be from -1 to {count - 1}."
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(known), [message, rows])]):
            places = tf.maximum(rows, 0)
        lengths = tf.where(rows < 0, 0, tf.gather(self.lengths, places))
        rest["passage_memory"] = tf.gather(self.values, places)
        if self.scales is not None:
            rest["passage_memory_scales"] = tf.gather(self.scales, places)
        return rest | {"passage_padding_mask": tf.sequence_mask(lengths, length)}


def table_bytes(store: MemoryStore) -> int:
    """Give the size of the table of a store."""
    token = {
        "int8": store.hidden_dim + 4,
        "bfloat16": 2 * store.hidden_dim,
        "float32": 4 * store.hidden_dim,
    }
    return len(store) * (store.passage_length * token[store.read_dtype] + 4)


def _variable(shape: tuple[int, ...], dtype: str, name: str) -> tf.Variable:
    return tf.Variable(tf.zeros(shape, dtype), trainable=False, name=name)
