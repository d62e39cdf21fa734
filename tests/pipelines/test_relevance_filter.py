import numpy as np
import pytest

from glimmer_keras.data import Corpus, DiskCorpus, Example, Passage, Provenance, Task
from glimmer_keras.pipelines import relevance_filter

LONG = "Ludwig van Beethoven wrote the opera Fidelio between 1804 and 1805 in Vienna"
CORPUS = Corpus(
    [
        Passage("a", "Fidelio", LONG),
        # The last 9 of the 11 normalised words of `a`, and one more word: 7 of its 8 trigrams.
        Passage("b", "Fidelio", " ".join(LONG.split()[3:]) + " Austria"),
        Passage("c", "Vienna", LONG),  # the same words, of another page
        Passage("d", "Ulm", "A city on the Danube. Its U.S. twin is New Ulm."),
        Passage("e", "Fidelio", "The opera is about a wife who saves her husband."),
        Passage("7-0", "P", "one two three", "7", 0, 2),
        Passage("7-1", "P", "four five six", "7", 3, 4),
    ]
)
ROWS = {passage.id: row for row, passage in enumerate(CORPUS)}


def gold(*sets):
    return tuple(tuple(Provenance(passage_id=name) for name in pieces) for pieces in sets)


def example(answers, evidence=()):
    return Example("1", "t", "q?", answers, evidence)


def reason(found, answers=("none",), evidence=(), **options):
    """For which reason an example is kept; a second example is always kept."""
    rows = np.full((2, 3), -1)
    rows[0, : len(found)] = [ROWS[name] for name in found]
    rows[1, 0] = ROWS["a"]
    task = Task("t", [example(answers, evidence), example(("x",), gold(["a"]))], rows)
    kept, counts = relevance_filter(task, CORPUS, **options)
    assert sum(counts.values()) == 2
    counts["gold"] -= 1
    (why,) = [name for name, count in counts.items() if count]
    assert len(kept) == 2 - (why == "dropped")
    assert kept[-1].answers == ("x",)
    np.testing.assert_array_equal(kept.retrieved, rows[1 if why == "dropped" else 0 :])
    return why


def test_gold_passages():
    assert reason(["d", "a"], evidence=gold(["a"])) == "gold"
    # One piece of one set is enough.
    assert reason(["d"], evidence=gold(["a"], ["e", "d"])) == "gold"
    assert reason(["d"], evidence=gold(["c"])) == "dropped"
    assert reason([], evidence=gold(["a"])) == "dropped"


def test_gold_pages_and_paragraphs():
    def piece(first=-1, last=-1):
        return ((Provenance(page_id="7", first_paragraph=first, last_paragraph=last),),)

    assert reason(["7-1"], evidence=piece()) == "gold"
    assert reason(["7-1"], evidence=piece(2, 3)) == "gold"
    assert reason(["7-1"], evidence=piece(1, 2)) == "dropped"


def test_overlap_with_a_gold_passage_of_the_page():
    assert reason(["b"], evidence=gold(["a"])) == "overlap"
    assert reason(["b"], evidence=gold(["a"]), min_overlap=7 / 8) == "overlap"
    assert reason(["b"], evidence=gold(["a"]), min_overlap=7 / 8 + 1e-9) == "dropped"
    assert reason(["e"], evidence=gold(["a"])) == "dropped"
    assert reason(["c"], evidence=gold(["a"])) == "dropped"


def test_answers_as_whole_words():
    assert reason(["d"], ("the danube!",)) == "answer"
    assert reason(["d"], ("New Ulm",)) == "answer"
    assert reason(["d"], ("Dan",)) == "dropped"
    assert reason(["d"], ("Rhine", "Danube")) == "answer"
    # The title is read too.
    assert reason(["e"], ("Fidelio",)) == "answer"


@pytest.mark.parametrize("answer", ["yes", "No", "SUPPORTS", "REFUTES", "NOT ENOUGH INFO", "true"])
def test_labels_are_no_reason(answer):
    texts = [Passage("x", "", f"It {answer} is."), Passage("y", "", "harp")]
    rows = np.array([[0], [1]])
    task = Task("t", [example((answer,)), example(("harp",))], rows)
    kept, counts = relevance_filter(task, Corpus(texts))
    assert (len(kept), counts["dropped"], counts["answer"]) == (1, 1, 1)


def test_short_answers_are_no_reason():
    assert reason(["d"], ("US",)) == "dropped"
    assert reason(["d"], ("U.S.",), min_answer_length=2) == "answer"
    assert reason(["d"], ("the",), min_answer_length=1) == "dropped"


def test_only_the_first_passages_are_looked_at():
    assert reason(["d", "a"], evidence=gold(["a"]), num_passages=2) == "gold"
    assert reason(["d", "a"], evidence=gold(["a"]), num_passages=1) == "dropped"
    assert reason(["e", "d"], ("Danube",), num_passages=1) == "dropped"


def test_a_corpus_on_disk_gives_the_same(tmp_path):
    rng = np.random.default_rng(0)
    names = [*ROWS]
    examples = [
        example((names[n % 5], "Vienna"), gold([names[n % 7]]) if n % 3 else ()) for n in range(40)
    ]
    task = Task("t", examples, rng.integers(-1, len(CORPUS), (40, 2)))
    kept, counts = relevance_filter(task, CORPUS)
    same, same_counts = relevance_filter(task, DiskCorpus.write(tmp_path / "c", CORPUS))
    assert counts == same_counts
    assert min(counts.values()) > 0
    assert [*kept] == [*same]


def test_errors():
    task = Task("t", [example(("none",))], np.array([[0]]))
    with pytest.raises(ValueError, match="must have an example with .*none of 1 in task 't'"):
        relevance_filter(task, CORPUS)
    with pytest.raises(ValueError, match="retrieved rows set. Received: None in 't'"):
        relevance_filter(Task("t", task), CORPUS)
    with pytest.raises(ValueError, match="of 7 passages. Received: row 7"):
        relevance_filter(task.with_retrieved(np.array([[7]])), CORPUS)
    for name, value in [("num_passages", 0), ("min_overlap", 0.0), ("min_answer_length", 0)]:
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            relevance_filter(task, CORPUS, **{name: value})
