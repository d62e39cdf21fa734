import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from recipes.pretraining.words import word_embeddings, wordpieces

WORDS = {"[UNK]": 0, "tower": 1, "tow": 2, "##er": 3, "##ing": 4, ",": 5, "king": 6}
PIECES = ["▁tower", "▁tower", "▁towering", "ing", ",", "[SEP]", "TRUE", "▁king"]


def folder(path, dim=6, words=WORDS):
    (path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": words}}))
    values = np.random.default_rng(0).normal(size=(len(words), dim)).astype("float32")
    save_file({"embeddings.word_embeddings.weight": values}, path / "model.safetensors")
    return path, values


@pytest.mark.parametrize(
    ("piece", "found"),
    [("▁tower", [1]), ("▁towering", [1, 4]), ("er", [3]), (",", [5]), ("[SEP]", [0]), ("▁", [0])],
)
def test_longest_pieces_from_the_left(piece, found):
    assert wordpieces(piece, WORDS) == found


def test_they_are_means_turned_and_of_deviation_1(tmp_path):
    path, values = folder(tmp_path)
    made = word_embeddings(path, PIECES, 6)
    assert made.shape == (8, 6)
    assert made.std() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_array_equal(made[0], made[1])
    # Turning and scaling keep ratios of distances.
    theirs = values[6] - values[1], values[5] - values[4]
    ours = made[7] - made[0], made[4] - made[3]
    ratio = np.linalg.norm(theirs[0]) / np.linalg.norm(theirs[1])
    assert np.linalg.norm(ours[0]) / np.linalg.norm(ours[1]) == pytest.approx(ratio, rel=1e-4)


def test_unknown_pieces_are_told_apart(tmp_path):
    made = word_embeddings(folder(tmp_path)[0], PIECES, 6)
    assert np.abs(made[5] - made[6]).max() > 0.1


def test_no_word_in_common(tmp_path):
    with pytest.raises(ValueError, match="must have words of the text. Received: none"):
        word_embeddings(folder(tmp_path)[0], ["▁zebra", "▁quux"], 6)


def test_too_narrow(tmp_path):
    with pytest.raises(ValueError, match="at least as wide as the reader, 8. Received: 6"):
        word_embeddings(folder(tmp_path)[0], PIECES, 8)
