import numpy as np

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.encode_corpus import PASSAGES_AT_ONCE, same_passages
from glimmer_keras.pipelines.memory_inputs import memory_inputs
from glimmer_keras.pipelines.prepare import token_spec
from glimmer_keras.utils.chunks import in_chunks


class CorpusMemory:
    """The memory of a corpus's passages, to train a reader whose memory is frozen.

    It takes the place of a `TokenizedCorpus` in `data.mixture`. The memory encoder then runs on
    questions alone: the passages' part of it was done when the store was made, once rather than
    in each epoch, and without dropout.

    Args:
        store: Memory that this model made.
        corpus: The corpus that retrieved rows count in; the store has all of its passages.
        glimmer: The model, made with `train_memory=False`.

    Raises:
        ValueError: If the model trains its memory, or another one made the store, or it lacks
            passages of the corpus or has other texts under their ids.

    Example:
    ```python
    store = encode_corpus(glimmer, corpus, "wiki.memory")
    tokens, _ = tokenize(tasks, corpus, glimmer.preprocessor)
    glimmer.fit(mixture(tokens, CorpusMemory(store, corpus, glimmer), batch_size=32))
    ```
    """

    def __init__(self, store: MemoryStore, corpus: Corpus, glimmer: Glimmer) -> None:
        if glimmer.backbone.train_memory:
            raise ValueError(
                "`glimmer` must be made with train_memory=False: memory that is trained changes "
                "with each step. Received: train_memory=True"
            )
        store.check_made_with(memory_fingerprint(glimmer))
        for chunk in in_chunks(corpus, PASSAGES_AT_ONCE):
            ids = [passage.id for passage in chunk]
            is_stored = store.contains(ids)
            if not is_stored.all():
                first = ids[is_stored.argmin()]
                raise ValueError(
                    f"`store` must hold all passages of `corpus`. Received: no {first!r}"
                )
            if not same_passages(store.passages(ids), chunk):
                raise ValueError(
                    "`store` must hold the texts of `corpus`. Received: other texts among "
                    f"{ids[0]!r} to {ids[-1]!r}"
                )
        self.spec = token_spec(check_preprocessor(glimmer))
        self._store, self._corpus = store, corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Read the memory of the passages in some rows of the corpus, as the model takes it.

        Args:
            rows: Integers `(...)`; -1 is a missing passage.

        Returns:
            `passage_memory` `(..., length, dim)`, `passage_padding_mask` `(..., length)` and, for
            int8, `passage_memory_scales` `(..., length)`, of the dtypes of `MemoryStore.read`.
        """
        rows = np.asarray(rows)
        ids = np.empty(rows.shape, object)
        for place, row in np.ndenumerate(rows):
            ids[place] = None if row < 0 else self._corpus[int(row)].id
        return memory_inputs(self._store.read(ids.tolist()))
