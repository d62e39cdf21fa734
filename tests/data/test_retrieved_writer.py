import numpy as np
import pytest

from glimmer_keras.data import Corpus, Example, Passage, RetrievedWriter, Task, read_retrieved
from tests import change_manifest

CORPUS = Corpus([Passage(str(n), "", "x" * n) for n in range(9)])
TASK = Task("qa", [Example(str(n), "qa", f"{n}?", ("a",)) for n in range(5)])
ROWS = np.arange(10).reshape(5, 2) % 9
SCORES = np.linspace(1, 0, 10).reshape(5, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "found" / "qa"


def begin(path, **changed):
    return RetrievedWriter(
        **{"path": path, "task": TASK, "corpus": CORPUS, "num_passages": 2, **changed}
    )


def write(path):
    writer = begin(path, settings={"k1": 0.9})
    writer.write(ROWS[:3], SCORES[:3])
    writer.write(ROWS[3:], SCORES[3:])
    writer.finish()
    assert writer.complete


def is_mapped(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return isinstance(array, np.memmap)


def test_what_is_written_is_read(path):
    write(path)
    task = read_retrieved(path, TASK, CORPUS)
    np.testing.assert_array_equal(task.retrieved, ROWS)
    assert task.retrieved.dtype == np.int32
    assert is_mapped(task.retrieved)
    assert [*task] == [*TASK]
    scores = np.load(path / "scores.npy", allow_pickle=False)
    np.testing.assert_array_equal(scores, SCORES.astype("float32"))
    best = read_retrieved(path, TASK, CORPUS, 1).retrieved
    np.testing.assert_array_equal(best, ROWS[:, :1])
    assert is_mapped(best)
    assert sorted(file.name for file in path.parent.iterdir()) == ["qa"]
    assert sorted(file.name for file in path.iterdir()) == [
        "manifest.json",
        "rows.npy",
        "scores.npy",
    ]


def test_an_interrupted_writer_goes_on(path):
    begin(path).write(ROWS[:3], SCORES[:3])
    assert not path.exists()
    writer = begin(path)
    assert (writer.done, writer.complete) == (3, False)
    with pytest.raises(ValueError, match="after all 5 examples. Received: 3 were written"):
        writer.finish()
    writer.write(ROWS[3:], SCORES[3:])
    writer.finish()
    np.testing.assert_array_equal(read_retrieved(path, TASK, CORPUS).retrieved, ROWS)
    again = begin(path)
    assert (again.done, again.complete) == (5, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"k1": 1}},
        {"task": Task("qa", [*TASK][::-1])},
        {"corpus": Corpus(CORPUS[:8])},
        {"num_passages": 3},
    ],
)
def test_unfinished_results_of_something_else_are_kept(path, changed):
    begin(path).write(ROWS[:3], SCORES[:3])
    with pytest.raises(FileExistsError, match="no unfinished results of something else"):
        begin(path, **changed)
    assert begin(path).done == 3


def test_of_a_writer_that_was_killed_at_the_beginning_nothing_is_kept(path):
    work = path.with_name("qa.part")
    work.mkdir(parents=True)
    (work / "manifest.json").write_text('{"format')
    assert begin(path).done == 0
    write(path)


def test_results_of_something_else_are_not_written_over(path):
    write(path)
    with pytest.raises(FileExistsError, match="has settings {'k1': 0.9}. Received: {'k1': 1}"):
        begin(path, settings={"k1": 1})
    with pytest.raises(FileExistsError, match=r"has num_passages 2\. Received: 3"):
        begin(path, num_passages=3)
    with pytest.raises(FileNotFoundError, match="must be a folder of retrieval results"):
        begin(path.parent)


def test_results_of_something_else_are_not_read(path):
    write(path)
    shorter = TASK.take(4)
    with pytest.raises(ValueError, match=f"`task` must be that of .*: {shorter.fingerprint[:16]}"):
        read_retrieved(path, shorter, CORPUS)
    with pytest.raises(ValueError, match="`corpus` must be that of .*fingerprint"):
        read_retrieved(path, TASK, Corpus(CORPUS[:8]))
    with pytest.raises(ValueError, match="from 1 to the 2 that were retrieved. .*num_passages=3"):
        read_retrieved(path, TASK, CORPUS, 3)
    with pytest.raises(FileNotFoundError, match="with a manifest.json"):
        read_retrieved(path.parent, TASK, CORPUS)
    np.save(path / "rows.npy", ROWS)
    with pytest.raises(ValueError, match=r"int32 of shape \(5, 2\)\. Received: int64"):
        read_retrieved(path, TASK, CORPUS)
    change_manifest(path / "manifest.json", version=0)
    with pytest.raises(ValueError, match="`format_version` must be 1. Received: 0"):
        read_retrieved(path, TASK, CORPUS)


def test_num_passages(path):
    with pytest.raises(ValueError, match="`num_passages` must be at least 1. .*num_passages=0"):
        begin(path, num_passages=0)
