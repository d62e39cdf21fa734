import logging
import threading

import numpy as np
import pytest
from keras import ops

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import memory_fingerprint
from glimmer_keras.pipelines.reader import fixed_lengths
from glimmer_keras.retrieval import BM25Retriever

LENGTH, K = 32, 3
TEXTS = {
    "Torvik": "Torvik grew from a camp that was made in 1863.",
    "Mirelda Voss": "Mirelda Voss would play the harp. Voss later settled in Torvik.",
    "The Marble Palace": "Critics often call The Marble Palace a fine romance. "
    "A note in the front of The Marble Palace thanks Mirelda Voss. The book is wrapped in green.",
    "Arvel": "The river.",
}
QUESTIONS = [
    "Where by the river does Mirelda Voss live?",
    "What genre is The Marble Palace?",
    "Torvik year",
]
ASKED = [f"{letter}?" for letter in "abcdefg"]
IDS = [["1", "0", "2"], ["2"], ["3", "0"]]


@pytest.fixture(scope="module")
def corpus():
    return data.Corpus([data.Passage(str(i), *text) for i, text in enumerate(TEXTS.items())])


@pytest.fixture(scope="module")
def glimmer(make_glimmer):
    return make_glimmer(12, LENGTH, 3, K)


@pytest.fixture(scope="module")
def retriever(corpus):
    return BM25Retriever.build(corpus)


def write_store(path, glimmer, corpus, dtype, **fingerprint):
    _, tokens = pipelines.tokenize([], corpus, glimmer.preprocessor)
    token_ids, mask = tokens.gather(np.arange(len(corpus)))
    memory = ops.convert_to_numpy(glimmer.backbone.encode_memory(token_ids, mask))
    made_with = memory_fingerprint(glimmer) | fingerprint
    writer = MemoryStore.create(
        path,
        hidden_dim=memory.shape[-1],
        passage_length=LENGTH,
        dtype=dtype,
        fingerprint=made_with,
    )
    writer.write_shard(0, memory, tokens.lengths, list(corpus))
    writer.complete(1)
    return MemoryStore.open(path)


@pytest.fixture(scope="module")
def stores(tmp_path_factory, glimmer, corpus):
    folder = tmp_path_factory.mktemp("stores")
    dtypes = ("float32", "bfloat16", "int8")
    return {dtype: write_store(folder / dtype, glimmer, corpus, dtype) for dtype in dtypes}


@pytest.fixture(scope="module")
def readers(glimmer, corpus, retriever, stores):
    """One for each dtype of memory, and one without memory."""
    without = gk.Reader(glimmer, retriever=retriever, corpus=corpus, batch_size=3)
    return {None: without} | {
        dtype: gk.Reader(glimmer, store, retriever, batch_size=3) for dtype, store in stores.items()
    }


def scores(answer):
    return {passage.id: passage.score for passage in answer.passages}


@pytest.mark.smoke
def test_without_a_store_it_is_generate_on_the_strings(readers, glimmer, corpus):
    answers = readers[None].answer(QUESTIONS, IDS)
    texts = [[corpus[int(i)].content for i in ids] for ids in IDS]
    expected = glimmer.generate({"questions": QUESTIONS, "passages": texts})
    for number, (answer, ids) in enumerate(zip(answers, IDS, strict=True)):
        assert answer.question == QUESTIONS[number]
        assert answer.text == expected["answers"][number]
        relevance = expected["passage_scores"][number][: len(ids)]
        order = np.argsort(-relevance)
        assert [passage.id for passage in answer.passages] == [ids[column] for column in order]
        assert [p.retrieval_rank for p in answer.passages] == (order + 1).tolist()
        np.testing.assert_allclose(
            [p.score for p in answer.passages], relevance[order], rtol=1e-4, atol=1e-4
        )
        kept = [c for c in expected["selected_passages"][number] if c < len(ids)]
        assert [p.id for p in answer.selected] == [ids[column] for column in kept]
        passage = corpus[corpus.row(answer.passages[0].id)]
        assert answer.passages[0].content == passage.content
        assert answer.passages[0].retrieval_score is None


@pytest.mark.parametrize(
    ("dtype", "error"), [("float32", 1e-4), ("bfloat16", 3e-3), ("int8", 3e-3)]
)
def test_stored_memory_gives_what_encoding_gives(readers, dtype, error):
    for answer, expected in zip(
        readers[dtype].answer(QUESTIONS), readers[None].answer(QUESTIONS), strict=True
    ):
        assert answer.text == expected.text
        assert {p.id for p in answer.selected} == {p.id for p in expected.selected}
        assert scores(answer) == pytest.approx(scores(expected), abs=error)
        retrieved = {(p.id, p.retrieval_rank, p.retrieval_score) for p in expected.passages}
        assert {(p.id, p.retrieval_rank, p.retrieval_score) for p in answer.passages} == retrieved


def test_one_question_is_as_several(readers):
    reader = readers["int8"]
    several = reader.answer(QUESTIONS)
    for question, expected in zip(QUESTIONS, several, strict=True):
        answer = reader.answer(question)
        assert answer.text == expected.text
        assert scores(answer) == pytest.approx(scores(expected), abs=1e-4)


def test_the_retriever_is_as_its_ids_given(readers, retriever):
    rows, found = retriever.search(QUESTIONS[:1], K)
    given = readers["int8"].answer(QUESTIONS[0], [str(row) for row in rows[0]])
    retrieved = readers["int8"].answer(QUESTIONS[0])
    assert scores(given) == scores(retrieved)
    assert [p.retrieval_score for p in retrieved.passages] == [
        found[0, p.retrieval_rank - 1] for p in retrieved.passages
    ]


def test_permuted_ids_permute_scores(readers):
    expected = readers["int8"].answer(QUESTIONS[0], IDS[0])
    answer = readers["int8"].answer(QUESTIONS[0], IDS[0][::-1])
    assert answer.text == expected.text
    assert scores(answer) == pytest.approx(scores(expected), abs=1e-4)


def test_rows_count_what_is_left_of_a_store(tmp_path, glimmer, corpus):
    store = write_store(tmp_path / "s", glimmer, corpus, "int8")
    store.delete(["0"])
    left = list(store.iter_passages())
    reader = gk.Reader(glimmer, store, BM25Retriever.build(left), num_passages=2)
    answer = reader.answer(QUESTIONS[1])
    assert min(answer.passages, key=lambda p: p.retrieval_rank).id == "2"
    assert [p.id for p in answer.passages] == ["2"]
    with pytest.raises(ValueError, match="over the 3 passages there are. Received: one over 4"):
        gk.Reader(glimmer, store, BM25Retriever.build(corpus))


def test_nothing_is_compiled_again(stores, glimmer, retriever, monkeypatch):
    traced = []
    step = glimmer.generate_step
    monkeypatch.setattr(
        glimmer, "generate_step", lambda *args: traced.append(len(traced)) or step(*args)
    )
    monkeypatch.setattr(glimmer, "generate_function", None)
    reader = gk.Reader(glimmer, stores["int8"], retriever, batch_size=3)
    reader.lengths = 20, LENGTH
    list(reader.answer_all(QUESTIONS))
    for question, ids in zip(QUESTIONS, IDS, strict=True):
        reader.answer(question, ids)
    warm = len(traced)
    assert 3 <= warm <= 2 * len(reader.lengths)
    questions = ["Voss", "What is the colour of the cover of The Marble Palace now?", "1863"]
    list(reader.answer_all(questions * 2))
    for question, ids in zip(questions, IDS, strict=True):
        reader.answer(question, ids[::-1])
    assert len(traced) == warm


def test_a_batch_is_fetched_while_the_one_before_is_computed(readers, monkeypatch):
    reader, fetching, taken = readers["int8"], threading.Semaphore(0), []
    find, run, batches = reader.find, reader.run, []
    monkeypatch.setattr(reader, "find", lambda *a: fetching.release() or find(*a))

    def run_when_the_next_is_fetched(inputs):
        batches.append(inputs)
        if len(batches) < 3:  # the last has no next
            for _ in range(2 if len(batches) == 1 else 1):  # its own, and the next
                assert fetching.acquire(timeout=30)
        return run(inputs)

    monkeypatch.setattr(reader, "run", run_when_the_next_is_fetched)
    answers = reader.answer_all(taken.append(q) or q for q in ASKED)
    assert next(answers).question == "a?"
    assert taken == ASKED[:6]
    assert [answer.question for answer in answers] == ASKED[1:]


def test_without_a_scorer_the_order_is_that_of_retrieval(readers, glimmer, monkeypatch):
    outputs = {"answers": ["Torvik"], "answer_lengths": [2], "log_probability": [-2.0]}
    monkeypatch.setattr(glimmer, "generate", lambda inputs: outputs)
    answer = readers["int8"].answer(QUESTIONS[0])
    assert answer.confidence == pytest.approx(np.exp(-1.0))
    assert [p.retrieval_rank for p in answer.passages] == [1, 2, 3]
    assert [p.score for p in answer.passages] == [None] * 3
    assert answer.selected == answer.passages


def test_a_long_question_is_cut_and_said_so(glimmer, stores, retriever, caplog):
    reader = gk.Reader(glimmer, stores["int8"], retriever, batch_size=1)
    with caplog.at_level(logging.WARNING, logger="glimmer_keras"):
        [cut, _, _] = reader.answer_all(["Voss " * 30, QUESTIONS[0], "Voss " * 30])
    assert caplog.text.count("Questions are cut to 12 tokens where longer") == 1
    assert reader.questions_cut == 2
    longer = gk.Reader(glimmer, stores["int8"], retriever, batch_size=1, question_length=200)
    whole = longer.answer("Voss " * 30)
    assert longer.questions_cut == 0
    assert scores(whole) != pytest.approx(scores(cut), abs=1e-6)
    with pytest.raises(ValueError, match="`question_length` must be at least 1"):
        gk.Reader(glimmer, stores["int8"], retriever, question_length=0)


@pytest.mark.parametrize("memory", ["int8", None])
def test_passages_themselves_in_place_of_their_ids(readers, corpus, memory):
    passages = [[corpus[int(i)] for i in ids] for ids in IDS]
    passages[2][1] = data.Passage("new", "", "Not in any corpus.")
    answers = readers[memory].ask(QUESTIONS, passages=passages)
    expected = readers[None].ask(QUESTIONS[:2], IDS[:2])
    for answer, other in zip(answers[:2], expected, strict=True):
        assert (answer.question, answer.text) == (other.question, other.text)
        assert scores(answer) == pytest.approx(scores(other), abs=1e-4)
    assert {(p.id, p.retrieval_rank) for p in answers[2].passages} == {("3", 1), ("new", 2)}
    assert len(readers[memory].ask([])) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"passage_ids": IDS, "passages": [[]] * 3}, "At most one of `passage_ids` and `passages`"),
        ({"passages": [[]]}, "`passages` must be a sequence of passages for each .* 1 for 3"),
        (
            {"passages": [[data.Passage("x", "", "x")] * 4] * 3},
            "`passages` must be at most num_passages=3 passages",
        ),
    ],
)
def test_passages_that_do_not_fit(readers, given, message):
    with pytest.raises(ValueError, match=message):
        readers["int8"].ask(QUESTIONS, **given)


@pytest.fixture(scope="module")
def prior_reader(make_glimmer, corpus):
    return gk.Reader(make_glimmer(12, LENGTH, 3, K, passage_prior=True), corpus=corpus)


def test_priors_stand_in_place_of_the_order(prior_reader):
    order = [-np.log2(1 + np.arange(len(ids))) for ids in IDS]
    by_order = prior_reader.ask(QUESTIONS, IDS)
    for answer, other in zip(prior_reader.ask(QUESTIONS, IDS, priors=order), by_order, strict=True):
        assert scores(answer) == pytest.approx(scores(other), abs=1e-5)
    priors = [order[0] + [0, 0, 9], order[1], order[2]]
    raised = prior_reader.ask(QUESTIONS, IDS, priors=priors)
    assert scores(raised[0])["2"] == pytest.approx(scores(by_order[0])["2"] + 9, abs=1e-5)
    assert raised[0].passages[0].id == "2"
    assert scores(raised[2]) == pytest.approx(scores(by_order[2]), abs=1e-5)


@pytest.mark.parametrize(
    ("ids", "priors", "message"),
    [
        (IDS, [[0.0]] * 3, r"`priors` must have .*\[3, 1, 2\]. Received: \[1, 1, 1\]"),
        (None, [[0.0]] * 3, r"`priors` must have .*, none. Received: \[1, 1, 1\]"),
        (IDS, [[0.0, float("nan"), 0.0], [0.0], [0.0, 0.0]], "`priors` must be finite"),
        (IDS, IDS, "`priors` must be finite numbers. Received: '1'"),
    ],
)
def test_priors_that_do_not_fit(prior_reader, ids, priors, message):
    with pytest.raises(ValueError, match=message):
        prior_reader.ask(QUESTIONS, ids, priors=priors)


def test_a_model_without_prior_takes_none(readers):
    with pytest.raises(ValueError, match="the model has no `passage_prior`"):
        readers["int8"].ask(QUESTIONS, IDS, priors=IDS)


@pytest.mark.parametrize(
    ("question", "ids", "message"),
    [
        (" ", None, r"`question` must not be blank\. Received: question=' '"),
        (QUESTIONS[0], ["1", "nine"], "Received: 'nine'"),
        (QUESTIONS[0], ["1"] * 4, "at most num_passages=3 ids. Received: 4 ids"),
        (QUESTIONS, ["1", "2", "3"], "sequence of ids for each question"),
        (QUESTIONS, [["1"]], r"sequence of ids for each question\..* for 3 questions"),
    ],
)
def test_bad_questions(readers, question, ids, message):
    with pytest.raises(ValueError, match=message):
        readers["int8"].answer(question, ids)


def test_an_unknown_id_without_a_store(readers):
    with pytest.raises(ValueError, match="passage_id='nine'"):
        readers[None].answer(QUESTIONS[0], ["nine"])
    with pytest.raises(TypeError, match="one string"):
        next(readers[None].answer_all(QUESTIONS[0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Either `store` or `corpus` must be given. Received: neither"),
        ({"store": 1, "corpus": 1}, "Received: both"),
        ({"corpus": 1, "num_passages": 1}, "at least 2, as many as the model selects"),
        ({"corpus": 1, "num_passages": 0}, "Received: num_passages=0"),
        ({"corpus": 1, "batch_size": 0}, "`batch_size` must be at least 1"),
    ],
)
def test_bad_readers(glimmer, corpus, stores, arguments, message):
    given = {"corpus": corpus, "store": stores["int8"]}
    arguments = {name: given.get(name, value) for name, value in arguments.items()}
    with pytest.raises(ValueError, match=message):
        gk.Reader(glimmer, **arguments)


def test_memory_of_another_model_is_refused(tmp_path, glimmer, corpus, stores):
    other = write_store(tmp_path / "s", glimmer, corpus, "int8", memory_encoder="abc")
    message = "must be made with memory_encoder='[0-9a-f]{64}'. Received: memory_encoder='abc'$"
    with pytest.raises(ValueError, match=message):
        gk.Reader(glimmer, other)
    with pytest.raises(ValueError, match="`passage_ids` must be given where there is no retriever"):
        gk.Reader(glimmer, stores["int8"]).answer("Who?")


@pytest.mark.parametrize(
    ("given", "preset", "there", "expected"),
    [(3, 4, 9, 3), (None, 4, 9, 4), (None, None, 30, 25), (None, None, 9, 9), (None, None, 1, 2)],
)
def test_number_of_passages(make_glimmer, given, preset, there, expected):
    corpus = data.Corpus(data.Passage(str(i), "", "x") for i in range(there))
    glimmer = make_glimmer(12, LENGTH, 3, preset)
    assert gk.Reader(glimmer, corpus=corpus, num_passages=given).num_passages == expected


def test_fixed_lengths():
    assert fixed_lengths(304) == (128, 192, 256, 304)
    assert fixed_lengths(128) == (64, 128)
    assert fixed_lengths(10) == (10,)


def test_what_is_no_question_or_id(readers):
    reader = readers["int8"]
    with pytest.raises(TypeError, match="`question` must be a string. Received: 1"):
        reader.answer([1])
    with pytest.raises(ValueError, match="`question` must be valid Unicode"):
        reader.answer("half \ud83d")
    with pytest.raises(TypeError, match="`passage_ids` must be strings. Received: 1"):
        reader.answer(QUESTIONS[0], [1])


def test_confidence_is_the_probability_of_a_token(readers, glimmer):
    """By one pass of the model over question, passages and the answer that it gave."""
    reader = readers["float32"]
    answer = reader.answer(QUESTIONS[0])
    passages = sorted(answer.passages, key=lambda passage: passage.retrieval_rank)
    texts = {"questions": [QUESTIONS[0]], "passages": [[p.content for p in passages]]}
    inputs = glimmer.preprocessor.generate_preprocess(texts)
    given = glimmer.generate_step(inputs, [1])
    tokens, mask = (np.asarray(given[f"decoder_{name}"]) for name in ("token_ids", "padding_mask"))
    inputs |= {"decoder_token_ids": tokens[:, :-1], "decoder_padding_mask": mask[:, :-1]}
    logits = np.asarray(glimmer(inputs)["logits"], "float64")[0]
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    picked = log_probs[np.arange(len(logits)), tokens[0, 1:]][mask[0, 1:]]
    assert answer.confidence == pytest.approx(np.exp(picked.mean()), rel=1e-3)


def test_an_answer_of_little_confidence_is_left_empty(readers, glimmer, stores, retriever):
    sure = [answer.confidence for answer in readers["float32"].answer(QUESTIONS)]
    least = float(np.mean([min(sure), max(sure)]))
    reader = gk.Reader(glimmer, stores["float32"], retriever, batch_size=3, min_confidence=least)
    answers = reader.answer(QUESTIONS)
    assert [bool(answer.text) for answer in answers] == [c >= least for c in sure]
    assert [answer.confidence for answer in answers] == pytest.approx(sure, rel=1e-3)
    with pytest.raises(ValueError, match="`min_confidence` must be from 0 to 1"):
        gk.Reader(glimmer, stores["float32"], min_confidence=2.0)
