import json

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import (
    Corpus,
    DiskCorpus,
    Example,
    Passage,
    Task,
    read_corpus,
    read_retrieved,
)
from glimmer_keras.pipelines import bm25_index, encode_corpus, write_predictions, write_retrieved
from glimmer_keras.pipelines.passage_filter import allowed_rows
from glimmer_keras.retrieval import DenseRetriever, FaissIndex, FusedRetriever

LINES = [
    {
        "id": "1",
        "title": "Torvik",
        "text": "Torvik grew from a camp.",
        "fields": {"language": "en"},
    },
    {
        "id": "2",
        "title": "Torvik",
        "text": "Torvik was made in 1863.",
        "fields": {"language": "de"},
    },
    {"id": "3", "text": "A secret camp by Torvik.", "fields": {"language": "en", "secret": True}},
    {"id": "4", "text": "Torvik has no fields.", "metadata": {"year": 1863, "more": [1]}},
]
GERMAN, ENGLISH = {"language": "de"}, {"language": ["en"]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return read_corpus(path)


@pytest.fixture(scope="module")
def glimmer():
    glimmer = gk.Glimmer.from_preset("tiny_world")
    glimmer.preprocessor = gk.GlimmerPreprocessor(glimmer.preprocessor.tokenizer, 8, 16, 4)
    glimmer.compile(run_eagerly=True)
    return glimmer


@pytest.fixture(scope="module")
def store(glimmer, corpus, tmp_path_factory):
    return encode_corpus(glimmer, corpus, tmp_path_factory.mktemp("store") / "store")


def test_fields_are_kept(corpus, store, tmp_path):
    expected = [
        (("language", "en"),),
        (("language", "de"),),
        (("language", "en"), ("secret", "true")),
        (("year", "1863"),),
    ]
    disk = DiskCorpus.write(tmp_path / "disk", corpus)
    for passages in (corpus, disk, disk[:], store.iter_passages()):
        assert [passage.fields for passage in passages] == expected


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        (GERMAN, [1]),
        (ENGLISH, [0, 2]),
        ({"language": {"en", "de"}, "secret": "true"}, [2]),
        ({"language": []}, []),
        ({"place": "Ulm"}, []),
        ({}, [0, 1, 2, 3]),
        (lambda passage: passage.id > "2", [2, 3]),
    ],
)
def test_who_passes(corpus, where, rows):
    assert np.flatnonzero(allowed_rows(corpus, where)).tolist() == rows


def test_what_is_no_filter(corpus):
    for where in ("language", ["language"], {"language": 1}, {"language": [1]}, {1: "en"}):
        with pytest.raises(TypeError, match="`where` must map names of fields to strings"):
            allowed_rows(corpus, where)


def test_retrievers_find_those_alone(corpus):
    vectors = np.eye(4, 3, dtype="float32") + 0.1
    dense = DenseRetriever(vectors, lambda texts: np.ones((len(texts), 3), "float32"))
    bm25 = bm25_index(corpus)
    indexes = []
    if pytest.importorskip("faiss"):
        indexes = [
            DenseRetriever(vectors, dense.encode, FaissIndex.build(vectors, factory))
            for factory in ("Flat", "HNSW8", "IVF1,Flat")
        ]
    allowed = np.array([False, True, False, True])
    for retriever in (bm25, dense, FusedRetriever([bm25, dense]), *indexes):
        rows, scores = retriever.search(["Torvik camp", "Torvik"], 3, allowed)
        assert {*rows.ravel().tolist()} == {1, 3, -1}
        assert (rows[:, 2] == -1).all()
        assert (scores[rows < 0] == 0).all()
        none, _ = retriever.search(["Torvik"], 2, np.zeros(4, bool))
        assert (none == -1).all()
        with pytest.raises(ValueError, match=r"`allowed` must be booleans of shape \(4,\)"):
            retriever.search(["Torvik"], 2, np.ones(3, bool))


@pytest.mark.once_on("tensorflow")
@pytest.mark.parametrize("stored", [True, False])
def test_a_reader_never_reads_the_others(glimmer, corpus, store, stored):
    passages = store if stored else corpus
    reader = gk.Reader(
        glimmer,
        store if stored else None,
        bm25_index(passages, None if not stored else store.path + ".index"),
        corpus=None if stored else corpus,
        num_passages=4,
    )
    where = {"language": ["en"]}
    answers = reader.answer(["When was Torvik made?", "Torvik camp"], where=where)
    assert [{p.id for p in answer.passages} for answer in answers] == [{"1", "3"}] * 2
    where["language"] = ["de"]  # The same object, changed.
    assert [p.id for p in reader.answer("Torvik", where=where).passages] == ["2"]
    assert {p.id for p in reader.answer("Torvik").passages} == {"1", "2", "3", "4"}
    assert reader.answer("Torvik", where={"language": "fr"}).text == ""
    [answer] = reader.answer_all(["Torvik"], [["2"]], GERMAN)
    assert answer.passages[0].fields == (("language", "de"),)
    with pytest.raises(ValueError, match="that `where` lets through. Received: '1'"):
        reader.answer("Torvik", ["1"], GERMAN)
    with pytest.raises(ValueError, match="that `where` lets through. Received: 'x'"):
        reader.ask(["Torvik"], passages=[[Passage("x", "", "Torvik.")]], where=GERMAN)


@pytest.mark.once_on("tensorflow")
def test_a_filter_follows_the_store(glimmer, tmp_path):
    def corpus(*languages):
        fields = [(("language", language),) for language in languages]
        return Corpus([Passage(f"{n}", "", "Torvik.", fields=f) for n, f in enumerate(fields)])

    store = encode_corpus(glimmer, corpus("de", "en", "en"), tmp_path / "store", progress=False)
    retriever = bm25_index(store, tmp_path / "index")
    reader = gk.Reader(glimmer, store, retriever, num_passages=3)
    assert [p.id for p in reader.answer("Torvik", where=GERMAN).passages] == ["0"]
    store.delete(["0"])
    # Rows of the old index count in another store: none of them may be taken for a German one.
    with pytest.raises(ValueError, match=r"`allowed` must be booleans of shape \(3,\)"):
        reader.answer("Torvik", where=GERMAN)


@pytest.mark.once_on("tensorflow")
def test_files_of_retrieval_and_predictions(glimmer, corpus, tmp_path):
    task = Task("qa", [Example("a", "qa", "Torvik camp", ("x",))])
    found = write_retrieved(bm25_index(corpus), task, corpus, tmp_path / "r", 3, where=ENGLISH)
    assert found.rows(slice(None)).tolist() == [[2, 0, -1]]
    with pytest.raises(FileExistsError):
        write_retrieved(bm25_index(corpus), task, corpus, tmp_path / "r", 3, where=GERMAN)
    assert len(read_retrieved(tmp_path / "r", task, corpus)) == 1
    reader = gk.Reader(glimmer, corpus=corpus, num_passages=4)
    given = task.with_retrieved(np.array([[3, 1, 0]], "int32"))
    write_predictions(reader, given, tmp_path / "p.jsonl", corpus=corpus, where=GERMAN)
    [output] = json.loads((tmp_path / "p.jsonl").read_text())["output"]
    assert [piece["passage_id"] for piece in output["provenance"]] == ["2"]


def test_fields_that_are_no_object(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "1", "text": "a", "fields": "en"}\n')
    with pytest.raises(ValueError, match=":1: field `fields` must be an object. Received: 'en'"):
        read_corpus(path)
    assert Corpus([Passage("1", "", "a")])[0].fields == ()
