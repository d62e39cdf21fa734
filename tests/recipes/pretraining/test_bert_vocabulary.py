import keras_hub
import pytest
import sentencepiece
import tokenizers

from recipes.pretraining.bert_vocabulary import bert_vocabulary
from tests.models.test_bert_encoder import write_folder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cafe", "born", "well", "known", "row", "##ling"]
WORDS += ["row", "j", "k", "u", "s", "3", "000", *".,()-", "unused"]
LINES = ["J. K. Rowling (born well-known) in a Café: 3,000 U.S."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert")
    write_folder(path, "bert", words=list(dict.fromkeys(WORDS)))
    tokenizer = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.save(str(path / "tokenizer.json"))
    return path


@pytest.fixture(scope="module")
def proto(folder):
    return bert_vocabulary(folder, LINES, 1000, ["_"])


def test_text_is_cut_as_by_bert(folder, proto):
    cut = sentencepiece.SentencePieceProcessor(model_proto=proto)
    bert = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in ("J.K. Rowling", "(born well-known)", "café, 3,000 U.S.", "CAFE\u0301\tborn"):
        pieces = cut.encode(text, out_type=str)
        words = [p[1:] if p.startswith("▁") else f"##{p}" for p in pieces]
        assert words == bert.encode(text, add_special_tokens=False).tokens
    assert cut.encode("well [SEP] _ known", out_type=str) == [
        *("▁well", "▁", "[SEP]", "▁", "_", "▁known")
    ]


def test_decoding_takes_blanks_round_marks_away(proto):
    tokenizer = keras_hub.models.T5Tokenizer(proto)
    text = "j. k. rowling (born well-known) 3,000"
    assert tokenizer.detokenize([tokenizer(text)]) == [text]
    # What BERT has no word for is bytes.
    assert tokenizer.detokenize([tokenizer("日 z")]) == ["日 z"]


def test_only_words_of_the_text_and_no_more_than_asked(folder, proto):
    cut = sentencepiece.SentencePieceProcessor(model_proto=proto)
    pieces = [cut.id_to_piece(number) for number in range(cut.vocab_size())]
    assert {"▁cafe", "ling"} <= set(pieces)
    assert "▁unused" not in pieces
    size = cut.vocab_size() - 1
    fewer = sentencepiece.SentencePieceProcessor(
        model_proto=bert_vocabulary(folder, LINES, size, ["_"])
    )
    assert fewer.vocab_size() == size
    assert bert_vocabulary(folder, LINES, 1000, ["_"]) == proto
