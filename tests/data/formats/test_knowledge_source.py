import json

import pytest

from glimmer_keras.data import Passage, read_knowledge_source
from glimmer_keras.data.formats.knowledge_source import split_page, split_sentences


def test_split_sentences():
    text = 'He said "Go." Then J. Smith left. The U.S. Army came! 3 men fell? yes'
    assert split_sentences(text) == [
        'He said "Go."',
        "Then J. Smith left.",
        "The U.S. Army came!",
        "3 men fell? yes",
    ]


def test_passages_end_at_sentences_and_remember_their_paragraphs():
    paragraphs = [
        "Bonn\n",  # 0: the title
        "One two three. Four five.\n",  # 1
        "Section::::History.:Early.\n",  # 2
        "BULLET::::- Six seven. Eight nine ten.\n",  # 3
        "Section::::Links.\n",  # 4
        "Eleven twelve thirteen fourteen.\n",  # 5
        "Section::::Notes.\n",  # 6
    ]
    assert split_page(paragraphs, "Bonn", max_words=5) == [
        ("One two three. Four five.", 0, 1),
        ("Six seven. Eight nine ten.", 2, 3),
        ("Eleven twelve thirteen fourteen.", 4, 6),
    ]


def test_a_passage_may_run_over_paragraphs_and_share_one():
    paragraphs = ["One two.", "Three. Four five six.", "Seven."]
    assert split_page(paragraphs, "Title", max_words=4) == [
        ("One two. Three.", 0, 1),
        ("Four five six. Seven.", 1, 2),
    ]


def test_a_long_sentence_is_cut_at_words():
    assert split_page(["a b c d e f g", "H."], max_words=3) == [
        ("a b c", 0, 0),
        ("d e f", 0, 0),
        ("g H.", 0, 1),
    ]


def test_nothing_is_lost_or_doubled():
    sentences = [" ".join([f"W{i}"] * (i % 7 + 1)) + "." for i in range(60)]
    paragraphs = [" ".join(sentences[i : i + 4]) for i in range(0, 60, 4)]
    passages = split_page(paragraphs, max_words=11)
    assert " ".join(text for text, _, _ in passages) == " ".join(paragraphs)
    assert all(len(text.split()) <= 11 for text, _, _ in passages)


def test_a_page_without_text_gives_no_passage():
    assert split_page(["Bonn", "Section::::Notes.", " "], "Bonn") == []


def test_max_words():
    with pytest.raises(ValueError, match=r"`max_words` must be at least 1\. Received: max_words=0"):
        split_page(["a"], max_words=0)


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_read_knowledge_source(tmp_path):
    path = write(
        tmp_path / "ks.jsonl",
        {
            "_id": "7",
            "wikipedia_id": "7",
            "wikipedia_title": "Bonn",
            "text": ["Bonn\n", "One two.\n", "Section::::Past.\n", "Three four.\n"],
        },
        {"_id": "8", "wikipedia_title": "Empty", "text": ["Empty\n"]},
        {"_id": 9, "wikipedia_title": "Ulm", "text": ["Ulm\n", "Five."]},
    )
    assert [*read_knowledge_source(path, max_words=3)] == [
        Passage("7-0", "Bonn", "One two.", "7", 0, 1),
        Passage("7-1", "Bonn", "Three four.", "7", 2, 3),
        Passage("9-0", "Ulm", "Five.", "9", 0, 1),
    ]


def test_read_knowledge_source_errors(tmp_path):
    page = {"wikipedia_id": "7", "wikipedia_title": "T", "text": ["T"]}
    path = write(tmp_path / "ks.jsonl", {**page, "text": "T"})
    with pytest.raises(ValueError, match=r"ks\.jsonl:1: field `text` must be list\. Received: 'T'"):
        read_knowledge_source(path)
    path = write(tmp_path / "ks.jsonl", {**page, "text": [3]})
    with pytest.raises(ValueError, match=r"ks\.jsonl:1: field `text` must be a list of strings"):
        read_knowledge_source(path)
    path = write(tmp_path / "ks.jsonl", page)
    with pytest.raises(ValueError, match=r"at least one passage with text\. Received: 0 passages"):
        read_knowledge_source(path)
