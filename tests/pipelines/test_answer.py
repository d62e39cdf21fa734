from glimmer_keras.pipelines import Answer, RankedPassage

READ = RankedPassage("p2", "Torvik", "A town.", 1.234, True, 2, 0.5)
LEFT = RankedPassage("p1", "", "A river.", -3.0, False, 1, 0.7)


def test_selected_are_those_read():
    assert Answer("q", "a", (READ, LEFT)).selected == (READ,)


def test_as_text():
    assert str(Answer("q", "Ulm", (READ, LEFT))) == "Ulm\n    1.23  [p2] Torvik: A town."
    unscored = RankedPassage("p1", "", "A river.", None, True, 1, None)
    assert str(Answer("q", "Ulm", (unscored,))) == "Ulm\n  [p1] A river."
