import keras_hub
import numpy as np
import pytest

from glimmer_keras.models import TextEmbedder
from glimmer_keras.pipelines import TextVectors

TEXTS = ["Torvik", "a camp that was made in 1863", "", "the harp of Mirelda " * 9, "harp"]


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 2048])
def test_as_the_embedder_one_by_one(embedder, tokens_per_batch):
    done = []
    found = TextVectors(embedder, tokens_per_batch)(TEXTS, done.append)
    inputs = embedder.preprocessor(TEXTS)
    np.testing.assert_allclose(found, np.asarray(embedder(inputs)), atol=1e-5)
    assert (found.shape, found.dtype, sum(done)) == ((5, 6), np.float32, 5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_nothing(embedder):
    assert TextVectors(embedder)([]).shape == (0, 6)


def test_errors(embedder):
    with pytest.raises(ValueError, match="`tokens_per_batch` must be at least 1"):
        TextVectors(embedder, 0)
    with pytest.raises(ValueError, match="`embedder` must have a preprocessor"):
        TextVectors(TextEmbedder(embedder.backbone))


def test_of_bert():
    """Its tokens stand between [CLS] and [SEP]."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "harp", "camp"]
    tokenizer = keras_hub.models.BertTokenizer(vocabulary)
    bert = keras_hub.models.BertBackbone(7, 1, 2, 8, 8, max_sequence_length=9)
    embedder = TextEmbedder(bert, keras_hub.models.BertTextEmbedderPreprocessor(tokenizer, 9))
    found = TextVectors(embedder)(["harp camp"])
    inputs = {"token_ids": np.array([[2, 5, 6, 3]]), "padding_mask": np.ones((1, 4), bool)}
    np.testing.assert_allclose(found, np.asarray(embedder(inputs)), atol=1e-5)
