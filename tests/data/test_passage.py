from glimmer_keras.data import Passage


def test_content_is_title_and_text():
    assert Passage("1", "Fidelio", "An opera.").content == "Fidelio: An opera."


def test_content_without_title_is_text():
    assert Passage("1", "", "An opera.").content == "An opera."
