import sys

import numpy as np
import pytest

from glimmer_keras.memory import ProductQuantizer


@pytest.fixture
def quantizer(rng):
    return ProductQuantizer(rng.integers(-8, 9, (3, 256, 2)).astype("float32"))


def test_the_nearest_of_all_are_taken(quantizer, rng):
    vectors = rng.normal(scale=5, size=(50, 6)).astype("float32")
    codes = quantizer.encode(vectors)
    assert (codes.dtype, codes.shape) == (np.uint8, (50, 3))
    apart = vectors.reshape(50, 3, 1, 2) - quantizer.codebooks
    np.testing.assert_allclose(
        np.take_along_axis((apart**2).sum(-1), codes[..., None], 2)[..., 0],
        (apart**2).sum(-1).min(-1),
        rtol=1e-5,
        atol=1e-5,
    )


def test_what_is_looked_up_are_the_centroids(quantizer):
    codes = np.array([[[0, 255, 7], [1, 1, 1]]], "uint8")
    found = quantizer.decode(codes)
    assert (str(found.dtype), found.shape) == ("bfloat16", (1, 2, 6))
    first = [quantizer.codebooks[0, 0], quantizer.codebooks[1, 255], quantizer.codebooks[2, 7]]
    np.testing.assert_array_equal(found[0, 0].astype("float32"), np.concatenate(first))


def test_few_different_parts_are_learned_as_they_are(rng):
    pytest.importorskip("faiss")
    known = rng.integers(-9, 10, (2, 40, 4)).astype("float32")
    chosen = rng.integers(40, size=(2000, 2))
    vectors = np.concatenate([known[0][chosen[:, 0]], known[1][chosen[:, 1]]], axis=1)
    learned = ProductQuantizer.learn(vectors, 2)
    # K-means may put two that are near into one; none comes out far off.
    again = learned.decode(learned.encode(vectors)).astype("float32")
    assert np.mean(np.all(np.abs(again - vectors) < 0.1, axis=1)) > 0.95
    np.testing.assert_array_equal(ProductQuantizer.learn(vectors, 2).codebooks, learned.codebooks)
    with pytest.raises(ValueError, match="`vectors` must be at least 256, .* Received: 255"):
        ProductQuantizer.learn(vectors[:255], 2)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[faiss\]"):
        ProductQuantizer.learn(np.zeros((300, 4), "float32"), 2)


def test_bytes_and_back(quantizer):
    content = quantizer.to_bytes()
    again = ProductQuantizer.from_bytes(content, 3, 6)
    np.testing.assert_array_equal(again.codebooks, quantizer.codebooks)
    with pytest.raises(ValueError, match="must have 6144 bytes. Received: 6143"):
        ProductQuantizer.from_bytes(content[:-1], 3, 6)
