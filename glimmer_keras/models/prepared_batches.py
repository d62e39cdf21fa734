import inspect

import keras


def prepared_batches(x, prepare):
    """Have the batches that Keras takes one by one prepared on the way.

    Args:
        x: what `fit` was given.
        prepare: function of `(x, y, sample_weight)` of a batch.

    Returns:
        Likewise a `keras.utils.PyDataset` or a generator; `None` if `x` is neither, nor a PyTorch
        `DataLoader`.
    """
    if isinstance(x, keras.utils.PyDataset):
        return _Prepared(x, prepare)
    if inspect.isgenerator(x) or type(x).__module__.startswith("torch.utils.data"):
        return (prepare(*keras.utils.unpack_x_y_sample_weight(batch)) for batch in x)
    return None


def weighted(x, kwargs):
    """Put `sample_weight` of strings where Keras does not drop it, which it does without a `y`.

    Args:
        x: what `fit` or `evaluate` was given.
        kwargs: dictionary of its other arguments, from which `sample_weight` is taken.

    Returns:
        A list of the one argument `x`.
    """
    if isinstance(x, dict) and "answers" in x and kwargs.get("sample_weight") is not None:
        return [x | {"sample_weight": kwargs.pop("sample_weight")}]
    return [x]


class _Prepared(keras.utils.PyDataset):
    """A dataset with its batches prepared, in the same order and by as many workers."""

    def __init__(self, dataset, prepare):
        super().__init__(dataset.workers, dataset.use_multiprocessing, dataset.max_queue_size)
        self.dataset, self.prepare = dataset, prepare

    @property
    def num_batches(self):
        return self.dataset.num_batches

    def __getitem__(self, index):
        return self.prepare(*keras.utils.unpack_x_y_sample_weight(self.dataset[index]))

    def on_epoch_begin(self):
        self.dataset.on_epoch_begin()

    def on_epoch_end(self):
        self.dataset.on_epoch_end()
