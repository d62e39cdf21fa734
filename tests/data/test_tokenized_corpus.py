import logging

import numpy as np
import pytest

from glimmer_keras.data import Corpus, Passage, TokenSpec, tokenize_corpus


class Tokenizer:
    """Gives each character its distance from `a`, plus 2."""

    def __init__(self):
        self.calls = 0

    def __call__(self, texts):
        self.calls += 1
        return [[ord(character) - ord("a") + 2 for character in text] for text in texts]


CORPUS = Corpus([Passage("1", "", "abc"), Passage("2", "", "fedcba"), Passage("3", "", "a")])


def test_tokens_and_gather(caplog):
    with caplog.at_level(logging.INFO, "glimmer_keras"):
        tokens = tokenize_corpus(CORPUS, TokenSpec(Tokenizer(), "x", 30), 5, progress=False)
    np.testing.assert_array_equal(
        tokens.token_ids, [[2, 3, 4, 1, 0], [7, 6, 5, 4, 1], [2, 1, 0, 0, 0]]
    )
    np.testing.assert_array_equal(tokens.lengths, [4, 5, 2])
    assert tokens.token_ids.dtype == np.uint16
    assert tokens.truncated == 1
    assert caplog.messages == ["1 of 3 passages were truncated to 5 tokens"]
    assert repr(tokens) == "TokenizedCorpus(3 passages of 5 tokens, 1 truncated)"

    ids, mask = tokens.gather(np.array([[2, -1], [0, 1]]))
    np.testing.assert_array_equal(ids[0], [[2, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(ids[1], tokens.token_ids[:2])
    np.testing.assert_array_equal(mask.sum(-1), [[2, 0], [4, 5]])
    assert (ids.dtype, mask.dtype) == (np.int32, np.bool_)


def test_large_vocabularies_take_int32():
    tokens = tokenize_corpus(CORPUS, TokenSpec(Tokenizer(), "x", 250_000), 9, progress=False)
    assert tokens.token_ids.dtype == np.int32


def test_disk_and_memory_agree(tmp_path):
    tokenizer = Tokenizer()
    spec = TokenSpec(tokenizer, "x", 30)
    fresh = tokenize_corpus(CORPUS, spec, 5)
    first = tokenize_corpus(CORPUS, spec, 5, tmp_path)
    again = tokenize_corpus(CORPUS, spec, 5, tmp_path)
    assert tokenizer.calls == 2
    for tokens in (first, again):
        np.testing.assert_array_equal(tokens.token_ids, fresh.token_ids)
        np.testing.assert_array_equal(tokens.lengths, fresh.lengths)
        assert tokens.fingerprint == fresh.fingerprint
        assert tokens.truncated == 1
    assert isinstance(again.token_ids, np.memmap)


def test_fingerprint_tells_what_tokens_depend_on():
    spec = TokenSpec(Tokenizer(), "x", 30)
    others = [
        (CORPUS, spec, 6),
        (CORPUS, TokenSpec(Tokenizer(), "y", 30), 5),
        (CORPUS, TokenSpec(Tokenizer(), "x", 30, end_id=2), 5),
        (Corpus(CORPUS[:2]), spec, 5),
    ]
    found = {tokenize_corpus(*arguments).fingerprint for arguments in others}
    assert len(found) == 4
    assert tokenize_corpus(CORPUS, spec, 5).fingerprint not in found


def test_ids_beyond_the_vocabulary():
    with pytest.raises(ValueError, match=r"`tokenize` must give token ids from 0 to 5\. .*0 to 7"):
        tokenize_corpus(CORPUS, TokenSpec(Tokenizer(), "x", 6), 5)
