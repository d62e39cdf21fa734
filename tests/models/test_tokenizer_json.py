import json

import pytest
import sentencepiece
import tokenizers

from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.models.tokenizer_json import from_tokenizer_json, to_tokenizer_json

TEXTS = [
    "Who wrote Fidelio?",
    "  two  blanks ",
    "",
    "a\tb\nc",
    "ﬁ ½ café e\u0301 日本語 😀",
    "Berlin had 3,520,031 inhabitants in 891.82 km².",
]


@pytest.fixture(scope="module", params=["wikipedia_small", "tiny_world"])
def proto(request):
    return bundled_vocabulary(request.param).read_bytes()


def test_tokens_are_those_of_sentencepiece(proto):
    expected = sentencepiece.SentencePieceProcessor(model_proto=proto)
    text = to_tokenizer_json(proto)
    found = tokenizers.Tokenizer.from_str(text)
    again = sentencepiece.SentencePieceProcessor(model_proto=from_tokenizer_json(text))
    for text in TEXTS:
        ids = expected.encode(text)
        assert found.encode(text).ids == [*ids, 1]
        assert again.encode(text) == ids
        if expected.unk_id() not in ids:
            assert found.decode(ids) == expected.decode(ids)
    assert (again.pad_id(), again.eos_id(), again.unk_id()) == (0, 1, expected.unk_id())


def test_sentinels_behind_the_vocabulary_are_left_out(proto):
    content = json.loads(to_tokenizer_json(proto))
    size = len(content["model"]["vocab"])
    content["model"]["vocab"] += [[f"<extra_id_{n}>", 0.0] for n in (2, 1, 0)]
    del content["model"]["type"]  # as in old files
    made = from_tokenizer_json(json.dumps(content))
    assert sentencepiece.SentencePieceProcessor(model_proto=made).vocab_size() == size


def test_other_kinds_are_refused():
    with pytest.raises(ValueError, match="must be Unigram.* WordPiece"):
        from_tokenizer_json('{"model": {"type": "WordPiece", "vocab": {}}}')
    with pytest.raises(ValueError, match="must be Unigram.* None"):
        from_tokenizer_json("{}")
