import pytest

from glimmer_keras.data import read_texts

GUIDE = """# The **harp** guide

A harp has [47 strings](https://example.org/strings).
It is *tuned* with a key.

- one `pedal` for each note
- two hands

```
code is no text
```

## Care #

Keep it dry.
"""


def test_files_become_passages_with_titles(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "old_towns.txt").write_text("﻿Torvik grew.\nIt is old.\n\nIsk flows.")
    (tmp_path / "guide.md").write_text(GUIDE)
    (tmp_path / ".hidden.txt").write_text("not read")
    (tmp_path / "image.png").write_bytes(b"\xff\x00")
    found = [(p.id, p.title, p.text) for p in read_texts(tmp_path)]
    assert found == [
        (
            "guide.md#0",
            "The harp guide",
            "A harp has 47 strings. It is tuned with a key. one pedal for each note two hands",
        ),
        ("guide.md#1", "The harp guide, Care", "Keep it dry."),
        ("more/old_towns.txt#0", "old towns", "Torvik grew. It is old. Isk flows."),
    ]


def test_long_texts_are_cut_at_sentence_ends(tmp_path):
    (tmp_path / "a.txt").write_text("One two three. Four five. Six seven eight nine.")
    texts = [p.text for p in read_texts(tmp_path, max_words=5)]
    assert texts == ["One two three. Four five.", "Six seven eight nine."]


def test_errors(tmp_path):
    with pytest.raises(NotADirectoryError, match="`folder` must be a folder. Received: .*nowhere"):
        read_texts(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`folder` must hold .txt or .md files with text"):
        read_texts(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match="a.txt: must be UTF-8"):
        read_texts(tmp_path)
