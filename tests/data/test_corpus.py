import pytest

from glimmer_keras.data import Corpus, Example, Passage, Provenance


@pytest.fixture
def corpus():
    return Corpus(
        [
            Passage("7-0", "Bonn", "One.", "7", 0, 2),
            Passage("7-1", "Bonn", "Two.", "7", 2, 5),
            Passage("8-0", "Ulm", "Three.", "8", 0, 1),
        ]
    )


def test_is_a_sequence(corpus):
    assert len(corpus) == 3
    assert corpus[1].id == "7-1"
    assert [passage.title for passage in corpus] == ["Bonn", "Bonn", "Ulm"]
    assert repr(corpus) == "Corpus(3 passages, first: '7-0' 'Bonn')"


def test_row(corpus):
    assert corpus.row("8-0") == 2
    with pytest.raises(ValueError, match=r"`passage_id` must be.*Received: passage_id='9-0'"):
        corpus.row("9-0")


@pytest.mark.parametrize(
    ("provenance", "rows"),
    [
        (Provenance(passage_id="7-1"), (1,)),
        (Provenance(passage_id="9-9"), ()),
        (Provenance(page_id="7"), (0, 1)),
        (Provenance(page_id="7", first_paragraph=2), (0, 1)),
        (Provenance(page_id="7", first_paragraph=3, last_paragraph=9), (1,)),
        (Provenance(page_id="7", first_paragraph=0, last_paragraph=1), (0,)),
        (Provenance(page_id="7", first_paragraph=6, last_paragraph=9), ()),
        (Provenance(page_id="9"), ()),
        (Provenance(), ()),
    ],
)
def test_rows_of(corpus, provenance, rows):
    assert corpus.rows_of(provenance) == rows


def test_evidence_rows_drops_incomplete_and_repeated_sets(corpus):
    one, two = Provenance(passage_id="7-0"), Provenance(page_id="8")
    evidence = ((one, two), (one,), (one, Provenance(passage_id="gone")), (two, one), ())
    example = Example("1", "nq", "who?", ("a",), evidence)
    assert corpus.evidence_rows(example) == (frozenset({0, 2}), frozenset({0}))


def test_fingerprint_tells_texts_and_order(corpus):
    passages = list(corpus)
    assert Corpus(passages).fingerprint == corpus.fingerprint
    assert len(corpus.fingerprint) == 64
    assert Corpus(passages[::-1]).fingerprint != corpus.fingerprint
    joined = Corpus([Passage("a", "b c", "d")]).fingerprint
    assert joined != Corpus([Passage("a", "b", "c d")]).fingerprint


def test_errors():
    with pytest.raises(ValueError, match=r"`passages` must hold at least one.*Received: 0"):
        Corpus([])
    with pytest.raises(ValueError, match=r"distinct ids\. Received: id='a' at rows 0 and 1"):
        Corpus([Passage("a", "", "x"), Passage("a", "", "y")])
