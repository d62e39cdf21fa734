from collections.abc import Callable, Sequence
from functools import lru_cache

import keras
import keras_hub
import numpy as np

from glimmer_keras.models import embedder_fingerprint
from glimmer_keras.pipelines.length_batches import (
    TOKENS_PER_BATCH,
    check_tokens_per_batch,
    compiled,
    encode_by_length,
)


class TextVectors:
    """Computes the vectors of texts, questions or passages, little of it padding.

    Texts are questions, and get the embedder's `query_prompt`; those of `passages` get its
    `passage_prompt`.

    Args:
        embedder: A `TextEmbedder`, or KerasHub's, with a preprocessor, to whose `sequence_length`
            texts are cut.
        tokens_per_batch: Tokens that go through it together, padding among them.

    Example:
        encode = TextVectors(embedder)
        retriever = DenseRetriever.load(path, encode, encoder_fingerprint=encode.fingerprint)
    """

    def __init__(
        self, embedder: keras_hub.models.TextEmbedder, tokens_per_batch: int = TOKENS_PER_BATCH
    ) -> None:
        if not isinstance(embedder, keras_hub.models.TextEmbedder):
            raise TypeError(
                f"`embedder` must be a TextEmbedder. Received: {type(embedder).__name__}"
            )
        if embedder.preprocessor is None:
            raise ValueError("`embedder` must have a preprocessor. Received: preprocessor=None")
        self.dim: int = embedder.output_shape[-1]
        self.fingerprint: str = embedder_fingerprint(embedder)
        self.tokens_per_batch = check_tokens_per_batch(tokens_per_batch)
        self._preprocessor = embedder.preprocessor
        self._embed = _compiled_embedder(embedder)
        self._query_prompt: str = getattr(embedder, "query_prompt", "")
        self._passage_prompt: str = getattr(embedder, "passage_prompt", "")

    def __call__(
        self, questions: Sequence[str], after_batch: Callable[[int], None] = lambda rows: None
    ) -> np.ndarray:
        """Compute float32 vectors `(questions, dim)`; see `passages`."""
        return self._compute([self._query_prompt + text for text in questions], after_batch)

    def passages(
        self, texts: Sequence[str], after_batch: Callable[[int], None] = lambda rows: None
    ) -> np.ndarray:
        """Compute float32 vectors `(texts, dim)` of passages.

        Args:
            texts: Any number of strings.
            after_batch: Called with the number of texts of a batch when it is computed.
        """
        return self._compute([self._passage_prompt + text for text in texts], after_batch)

    def _compute(self, texts: Sequence[str], after_batch: Callable[[int], None]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dim), "float32")
        if not len(texts):
            return vectors
        inputs = self._preprocessor(list(texts))
        ids, mask = (  # (texts, sequence_length)
            keras.ops.convert_to_numpy(inputs[name]) for name in ("token_ids", "padding_mask")
        )
        lengths = mask.astype("int32").sum(axis=1)
        pad_id = self._preprocessor.tokenizer.pad_token_id
        batches = encode_by_length(ids, lengths, pad_id, self.tokens_per_batch, self._embed)
        for rows, embedded in batches:
            vectors[rows] = embedded
            after_batch(len(rows))
        return vectors


@lru_cache(maxsize=1)
def _compiled_embedder(embedder: keras_hub.models.TextEmbedder) -> Callable:
    """Compile an embedder; kept for the last one, so that the next index does not compile again."""
    more = {"segment_ids"} & set(embedder.input)

    def embed(ids, mask):
        zeros = {name: keras.ops.zeros_like(ids) for name in more}
        return embedder({"token_ids": ids, "padding_mask": mask, **zeros}, training=False)

    return compiled(embed, embedder.variables, (None, None))
