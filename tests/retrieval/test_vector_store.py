import numpy as np
import pytest

from glimmer_keras.retrieval import VectorStore
from glimmer_keras.retrieval.vector_store import CHUNK
from tests import change_manifest

ROWS = CHUNK + 5
MADE_OF = {"fingerprint": "passages", "encoder_fingerprint": "encoder"}


def create(path, rows=ROWS, dtype="float32", **changes):
    return VectorStore.create(path, rows, 2, dtype, **MADE_OF | changes)


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(ROWS, 2)).astype("float32")


@pytest.mark.parametrize("url", [False, True])
def test_goes_on_where_it_was(tmp_path, vectors, url):
    path = "memory://vectors-go-on" if url else tmp_path / "v"
    store = create(path)
    assert store.missing_chunks() == [slice(0, CHUNK), slice(CHUNK, ROWS)]
    store[CHUNK:ROWS] = vectors[CHUNK:]
    with pytest.raises(ValueError, match="Received: rows 0 to 1023 are missing"):
        store.complete()
    with pytest.raises(FileNotFoundError, match="must hold complete vectors. Received: unfinished"):
        VectorStore.open(path)

    store = create(path)
    assert store.missing_chunks() == [slice(0, CHUNK)]
    store[0:CHUNK] = vectors[:CHUNK]
    store.complete()
    opened = VectorStore.open(path)
    assert (opened.shape, opened.dtype, len(opened)) == ((ROWS, 2), np.float32, ROWS)
    np.testing.assert_array_equal(opened[:], vectors)
    np.testing.assert_array_equal(opened[1000:3000], vectors[1000:])
    np.testing.assert_array_equal(opened[::100], vectors[::100])
    assert create(path).is_complete


def test_zeros_are_vectors(tmp_path):
    store = create(tmp_path, rows=3)
    store[0:3] = np.zeros((3, 2))
    store.complete()
    np.testing.assert_array_equal(VectorStore.open(tmp_path)[:], np.zeros((3, 2)))


@pytest.mark.parametrize(
    "change", [{"rows": 9}, {"dtype": "float16"}, {"fingerprint": "x"}, {"encoder_fingerprint": ""}]
)
def test_others_are_not_written_over(tmp_path, files, change):
    create(tmp_path)
    before = files(tmp_path)
    with pytest.raises(FileExistsError, match="must hold no vectors of other passages"):
        create(tmp_path, **change)
    assert files(tmp_path) == before


def test_other_files_are_left_alone(tmp_path, files):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"must be new, or hold vectors.* with note\.txt"):
        create(tmp_path)
    assert files(tmp_path) == {"note.txt": b"mine"}


def test_damage_is_found(tmp_path, vectors):
    store = create(tmp_path, rows=5)
    store[0:5] = vectors[:5]
    store.complete()
    chunk = tmp_path / "vectors" / "c" / "0" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:3] + b"?" + content[4:])
    with pytest.raises(ValueError, match="the vectors are damaged"):
        VectorStore.open(tmp_path)[:]
    chunk.unlink()
    with pytest.raises(ValueError, match="the vectors are damaged"):
        VectorStore.open(tmp_path)[:]
    manifest = tmp_path / "vectors.json"
    change_manifest(manifest, version=0)
    with pytest.raises(ValueError, match=r"`format_version` must be 1\. Received: 0"):
        VectorStore.open(tmp_path)
    manifest.write_text("{")
    with pytest.raises(ValueError, match=r"vectors\.json is damaged"):
        VectorStore.open(tmp_path)


def test_argument_errors(tmp_path, vectors):
    with pytest.raises(ValueError, match="`num_passages` must be at least 1"):
        create(tmp_path, rows=0)
    with pytest.raises(ValueError, match="`dtype` must be one of .*Received: dtype='int8'"):
        create(tmp_path, dtype="int8")
    with pytest.raises(ValueError, match="`path` must be a local path or a URL"):
        create("nothing://here")
    with pytest.raises(FileNotFoundError, match="Received: none at"):
        VectorStore.open(tmp_path / "none")
    store = create(tmp_path, dtype="float16")
    with pytest.raises(
        ValueError, match="`rows` must be whole chunks of 1024. Received: 1 to 1024"
    ):
        store[1:CHUNK] = vectors[1:CHUNK]
    vectors[7] = 1e6
    with pytest.raises(
        ValueError, match="must be finite in float16. Received: other values in row 7"
    ):
        store[0:CHUNK] = vectors[:CHUNK]
    assert len(store.missing_chunks()) == 2
