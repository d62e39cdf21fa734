import sys

import pytest

from glimmer_keras.retrieval.words import Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Apollo 8 flew; vitamin C.", ["apollo", "8", "flew", "vitamin", "c"]),
        ("A fruit with vitamin A, not a nut", ["fruit", "vitamin", "a_", "nut"]),
        ("John's dog doesn’t bite", ["john", "dog", "doesn", "bite"]),
        ("Zu\u0308rich STRASSE ﬁne ①", ["zürich", "strasse", "fine", "1"]),
        ("日本の首都", ["日本", "本の", "の首", "首都"]),
        ("東 and Tokyo東京", ["東", "tokyo", "東京"]),
        ("กรุงเทพ", ["กร", "รุ", "ุง", "งเ", "เท", "ทพ"]),
        ("हिन्दी 한국어", ["हिन्दी", "한국어"]),
        ("Who has had what?", ["who", "what"]),
        ("the of", []),
        ("?!", []),
    ],
)
def test_words_of_any_script(text, words):
    assert Words()([text, ""]) == [words, []]


def test_stemming_by_the_name_of_the_language():
    pytest.importorskip("Stemmer")
    assert Words("english")(["running horses"]) == [["run", "hors"]]
    assert Words("german")(["Häusern"]) == [["haus"]]
    with pytest.raises(ValueError, match="`stemming` must be one of arabic, .*Received: 'latin'"):
        Words("latin")


def test_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[stemming\]"):
        Words("english")
