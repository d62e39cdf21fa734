from recipes.pretraining.answer_spans import answer_spans


def test_answers_stand_in_a_text_as_words():
    text = "By two networks: TWO, 12 or 2. 東京都"
    ends = [*range(1, len(text) + 1)]
    found = {
        answer: [start for _, start, _ in answer_spans(text, ends, [answer])]
        for answer in ("y", "two", "2", "12", "東京", "")
    }
    # With the blank before it, a token of its own.
    assert found == {"y": [], "two": [2, 16], "2": [27], "12": [21], "東京": [30], "": []}
