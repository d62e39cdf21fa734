import pytest

from glimmer_keras.data import Corpus, Passage
from glimmer_keras.pipelines import check_passages as module
from glimmer_keras.pipelines.check_passages import check_passages, in_chunks


def corpus_of(*ids):
    return [Passage(i, "", "x") for i in ids]


def test_counts():
    assert check_passages(corpus_of("a", "b")) == 2
    assert check_passages(Corpus(corpus_of("a"))) == 1


def test_duplicates_are_found_wherever_they_are(monkeypatch, rng):
    monkeypatch.setattr(module, "HASHES_AT_ONCE", 16)
    monkeypatch.setattr(module, "CHUNK", 7)
    ids = [f"p{i}" for i in range(100)]
    assert check_passages(corpus_of(*ids)) == 100
    for _ in range(20):
        first, second = sorted(rng.choice(100, 2, replace=False).tolist())
        repeated = [*ids[:second], ids[first], *ids[second + 1 :]]
        message = (
            rf"distinct ids\. Received: id='p{first}' in passages {first + 1} and {second + 1}"
        )
        with pytest.raises(ValueError, match=message):
            check_passages(corpus_of(*repeated))


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        ([], ValueError, "`corpus` must hold at least one passage. Received: 0 passages"),
        (iter(corpus_of("a")), TypeError, "anew each time .* Received: list_iterator"),
        ("x.jsonl", TypeError, "anew each time .* Received: str"),
        (["x"], TypeError, "`corpus` must hold `Passage`s. Received: str"),
    ],
)
def test_errors(corpus, error, message):
    with pytest.raises(error, match=message):
        check_passages(corpus)


def test_chunks():
    assert list(in_chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_chunks([], 2)) == []
