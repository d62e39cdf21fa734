import pytest

from glimmer_keras.data import Corpus, Passage, Provenance

CORPUS = Corpus(
    [
        Passage("a", "", "x", page_id="7", first_paragraph=1, last_paragraph=3),
        Passage("b", "", "y", page_id="7", first_paragraph=4, last_paragraph=6),
        Passage("c", "", "z", page_id="8", first_paragraph=1, last_paragraph=1),
    ]
)


@pytest.mark.parametrize(
    ("provenance", "rows"),
    [
        (Provenance("b"), (1,)),
        (Provenance(page_id="7"), (0, 1)),
        (Provenance(page_id="7", first_paragraph=3, last_paragraph=4), (0, 1)),
        (Provenance(page_id="7", first_paragraph=5), (1,)),
        (Provenance(page_id="7", first_paragraph=9), ()),
        (Provenance("b", page_id="8"), (1,)),
    ],
)
def test_points_at_the_passages_that_overlap(provenance, rows):
    assert tuple(sorted(CORPUS.rows_of(provenance))) == rows
