import numpy as np
import sentencepiece

from glimmer_keras.data import Passage
from recipes.pretraining.text import pieces_of, tokenized


def test_spans_are_names_and_numbers_of_their_sentences(text, examples):
    told = []
    tokens = text.passage(0)
    for start, end in text.spans(0).tolist():
        first, last = text.sentence(0, start)
        sentence = examples.processor.decode(tokens[first:last])
        told.append((sentence[:7], examples.processor.decode(tokens[start:end])))
    assert told == [
        ("the tow", "torvik"),
        ("the tow", "mirelda voss"),
        ("the tow", "1863"),
        ("it has ", "12"),
    ]
    assert examples.processor.decode(tokens[: text.title_lengths[0]]) == "torvik:"


def test_what_recurs_in_an_article_is_found_in_both_passages(text, examples):
    told = set()
    for row, span, other, there in text.recurring.tolist():
        words = [
            examples.processor.decode(text.passage(r)[slice(*text.spans(r)[s].tolist())])
            for r, s in ((row, span), (other, there))
        ]
        assert words[0] == words[1]
        told.add((row, other, words[0]))
    expected = {("mirelda voss"), ("1863")}
    assert told == {(a, b, word) for a, b in ((0, 1), (1, 0)) for word in expected}


def test_characters_of_pieces_are_those_of_the_text(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    content = "Café of Torvik: × Mirelda, 1863."
    ids, begins, ends = pieces_of(processor, content)
    assert len(ids) == len(begins) == len(ends)
    place = content.index("Mirelda")
    first, last = begins.index(place), ends.index(place + len("Mirelda"))
    assert processor.decode(ids[first : last + 1]) == "mirelda"


def test_a_lone_first_word_is_no_span_and_an_empty_title_no_title(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    found = tokenized(processor, Passage("1", "", "Almere burned. Torvik saw Isk."))
    assert found.words == ["isk"]
    assert found.title_length == 0
    assert len(found.sentences) == 2


def test_it_is_in_files_of_small_numbers(text):
    assert len(text) == 3
    assert text.about == {"files": ["some"], "passages": 3}
    assert isinstance(text.tokens, np.memmap)
    assert text.tokens.dtype == "uint16"
