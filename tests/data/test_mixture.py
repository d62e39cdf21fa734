import numpy as np
import pytest
import tensorflow as tf

from glimmer_keras.data import (
    Corpus,
    Example,
    MixtureSampler,
    Passage,
    Task,
    TokenSpec,
    mixture,
    tokenize_corpus,
    tokenize_task,
)


def letters(texts):
    return [[ord(character) for character in text] for text in texts]


SPEC = TokenSpec(letters, "letters", 256)
CORPUS = Corpus([Passage(f"p{i}", f"T{i}" if i % 2 else "", "x" * i) for i in range(6)])


def make_task(name, size, passages=2):
    examples = [
        Example(
            f"{name}{i}", name, f"{name}{i}?", tuple(f"{name}{i}.{a}" for a in range(i % 3 + 1))
        )
        for i in range(size)
    ]
    rows = (np.arange(size)[:, None] + np.arange(passages)) % 7 - 1  # -1 is a missing passage
    return Task(name, examples, rows)


TASKS = [make_task("a", 4), make_task("b", 7), make_task("c", 3)]
TOKENS = tokenize_corpus(CORPUS, SPEC, 9)
TOKENIZED = [tokenize_task(task, SPEC, 5, 6) for task in TASKS]


def strings(dataset, steps):
    return [
        {name: np.char.decode(array.astype(bytes)).tolist() for name, array in batch.items()}
        for batch in dataset.take(steps).as_numpy_iterator()
    ]


def assert_same(one, other):
    tf.nest.map_structure(np.testing.assert_array_equal, one, other)


def test_training_strings_follow_the_sampler():
    dataset = mixture(TASKS, CORPUS, 5, seed=4)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    sampler = MixtureSampler([task.answer_counts for task in TASKS], 5, seed=4)
    for step, batch in enumerate(strings(dataset, 6)):
        for slot, (task, example, answer) in enumerate(zip(*sampler.batch(step), strict=True)):
            expected = TASKS[task][example]
            rows = TASKS[task].retrieved[example]
            assert batch["questions"][slot] == expected.question
            assert batch["answers"][slot] == expected.answers[answer]
            assert batch["passages"][slot] == [
                CORPUS[row].content if row >= 0 else "" for row in rows
            ]


@pytest.mark.parametrize("training", [True, False])
def test_strings_and_tokens_agree(training):
    options = {"training": training, "seed": 2}
    texts = strings(mixture(TASKS, CORPUS, 4, **options), 4)
    tokens = mixture(TOKENIZED, TOKENS, 4, **options).take(4).as_numpy_iterator()
    for text, (x, y, weights) in zip(texts, tokens, strict=True):
        for row, question in enumerate(text["questions"]):
            ids = x["question_token_ids"][row][x["question_padding_mask"][row]]
            assert ids.tolist() == letters([question])[0][:5]
            assert y[row][weights[row] == 1].tolist() == [
                *letters([text["answers"][row]])[0][:5],
                1,
            ]
            for column, passage in enumerate(text["passages"][row]):
                mask = x["passage_padding_mask"][row, column]
                ids = x["passage_token_ids"][row, column][mask].tolist()
                assert ids == ([*letters([passage])[0][:8], 1] if mask.any() else [])
                assert mask.any() or passage == ""


def test_start_step_goes_on_with_the_unbroken_stream():
    for tasks, corpus in ((TASKS, CORPUS), (TOKENIZED, TOKENS)):
        unbroken = [*mixture(tasks, corpus, 3, seed=1).take(9).as_numpy_iterator()]
        resumed = mixture(tasks, corpus, 3, seed=1, start_step=5).take(4).as_numpy_iterator()
        for one, other in zip(unbroken[5:], resumed, strict=True):
            assert_same(one, other)


def test_hosts_share_one_stream():
    options = {"seed": 3, "weights": [3, 1, 2]}
    for tasks, corpus in ((TASKS, CORPUS), (TOKENIZED, TOKENS)):
        whole = [*mixture(tasks, corpus, 6, **options).take(4).as_numpy_iterator()]
        for hosts in (1, 2, 3):
            # Another number of hosts goes on after the second step.
            parts = [
                mixture(tasks, corpus, 6, shard=(host, hosts), start_step=2, **options)
                .take(2)
                .as_numpy_iterator()
                for host in range(hosts)
            ]
            for batch, *shares in zip(whole[2:], *parts, strict=True):
                joined = tf.nest.map_structure(lambda *rows: np.concatenate(rows), *shares)
                assert_same(joined, batch)
                assert len(tf.nest.flatten(shares[0])[0]) == 6 // hosts


def test_iterating_twice_gives_the_same():
    dataset = mixture(TOKENIZED, TOKENS, 3).take(3)
    for one, other in zip(dataset.as_numpy_iterator(), dataset.as_numpy_iterator(), strict=True):
        assert_same(one, other)


def test_evaluation_gives_every_example_once_in_order():
    dataset = mixture(TASKS, CORPUS, 4, training=False)
    assert dataset.cardinality() == 4
    batches = strings(dataset, -1)
    assert [len(batch["questions"]) for batch in batches] == [4, 4, 4, 2]
    examples = [example for task in TASKS for example in task]
    assert [q for batch in batches for q in batch["questions"]] == [e.question for e in examples]
    assert [a for batch in batches for a in batch["answers"]] == [e.answers[0] for e in examples]
    rest = mixture(TASKS, CORPUS, 4, training=False, start_step=3)
    assert rest.cardinality() == 1
    assert strings(rest, -1) == batches[3:]


def test_shapes_are_static_but_for_the_batch():
    x, y, weights = mixture(TOKENIZED, TOKENS, 4).element_spec
    assert {name: spec.shape.as_list() for name, spec in x.items()} == {
        "question_token_ids": [None, 5],
        "question_padding_mask": [None, 5],
        "passage_token_ids": [None, 2, 9],
        "passage_padding_mask": [None, 2, 9],
        "decoder_token_ids": [None, 6],
        "decoder_padding_mask": [None, 6],
    }
    assert x["passage_padding_mask"].dtype == tf.bool
    assert (y.shape.as_list(), y.dtype) == ([None, 6], tf.int32)
    assert (weights.shape.as_list(), weights.dtype) == ([None, 6], tf.float32)
    spec = mixture(TASKS, CORPUS, 4).element_spec
    assert spec["passages"] == tf.TensorSpec((None, 2), tf.string)


def test_num_passages_cuts_and_fills():
    tasks = [make_task("a", 3, passages=1), make_task("b", 3, passages=4)]
    for count in (1, 3):
        batch = next(
            iter(strings(mixture(tasks, CORPUS, 6, training=False, num_passages=count), 1))
        )
        expected = [
            [CORPUS[row].content if row >= 0 else "" for row in rows[:count]]
            + [""] * (count - len(rows))
            for task in tasks
            for rows in task.retrieved
        ]
        assert batch["passages"] == expected


def test_unknown_answers_are_for_evaluation_only():
    task = Task("t", [Example("1", "t", "who?")], np.array([[0]]))
    batch = strings(mixture([task], CORPUS, 2, training=False), -1)
    assert batch == [{"questions": ["who?"], "passages": [[""]], "answers": [""]}]
    with pytest.raises(ValueError, match=r"an answer for every example .*1 without in task 't'"):
        mixture([task], CORPUS, 2)


OTHER_SPEC = TokenSpec(letters, "other", 256)


@pytest.mark.parametrize(
    ("tasks", "corpus", "options", "message"),
    [
        (TASKS, CORPUS, {"batch_size": 0}, r"`batch_size` must be .*batch_size=0"),
        (TASKS, CORPUS, {"start_step": -1}, r"`start_step` must be at least 0\. .*start_step=-1"),
        (TASKS, CORPUS, {"num_passages": 0}, r"`num_passages` must be .*num_passages=0"),
        (TASKS, CORPUS, {"weights": [1, 2]}, r"`weights` must have one for each of the 3 tasks"),
        (
            TASKS,
            CORPUS,
            {"weights": [1, 2, 3], "training": False},
            r"`weights` must be left out with `training=False`",
        ),
        (
            TASKS,
            CORPUS,
            {"start_step": 5, "training": False},
            r"`start_step` must be at most .*start_step=5, 4 batches",
        ),
        (TASKS, CORPUS, {"shard": (2, 2)}, r"`shard` must be a host .*shard=\(2, 2\)"),
        (TASKS, CORPUS, {"shard": (-1, 2)}, r"Received: shard=\(-1, 2\)"),
        (TASKS, CORPUS, {"shard": (0, 0)}, r"Received: shard=\(0, 0\)"),
        (
            TASKS,
            CORPUS,
            {"shard": (0, 3)},
            r"multiple of the number of hosts\. Received: batch_size=4, shard=\(0, 3\)",
        ),
        (
            TASKS,
            CORPUS,
            {"shard": (0, 2), "training": False},
            r"`shard` must be left out with `training=False`",
        ),
        ([], CORPUS, {}, r"`tasks` must hold at least one task\. Received: 0 tasks"),
        ([TASKS[0], TASKS[0]], CORPUS, {}, r"distinct names\. Received: \['a', 'a'\]"),
        ([Task("a", TASKS[0])], CORPUS, {}, r"retrieved rows set\. Received: None in task 'a'"),
        (TASKS, Corpus(CORPUS[:3]), {}, r"`corpus`, of 3 passages\. Received: row 3 in task 'a'"),
        (
            [TASKS[0], make_task("d", 2, passages=3)],
            CORPUS,
            {},
            r"equal numbers of passages\. Received: \{'a': 2, 'd': 3\}",
        ),
        (
            [TOKENIZED[0], tokenize_task(TASKS[1], SPEC, 6, 6)],
            TOKENS,
            {},
            r"equal question lengths\. Received: \{'a': 5, 'b': 6\}",
        ),
        (
            [TOKENIZED[0], tokenize_task(TASKS[1], SPEC, 5, 7)],
            TOKENS,
            {},
            r"equal answer lengths\. Received: \{'a': 6, 'b': 7\}",
        ),
        (TOKENIZED, tokenize_corpus(CORPUS, OTHER_SPEC, 9), {}, r"equal tokenizers\. .*'other'"),
    ],
)
def test_errors(tasks, corpus, options, message):
    with pytest.raises(ValueError, match=message):
        mixture(tasks, corpus, **{"batch_size": 4, **options})


def test_strings_and_tokens_are_not_mixed():
    with pytest.raises(TypeError, match=r"must be Task with a Corpus\. Received: TokenizedTask"):
        mixture(TOKENIZED, CORPUS, 4)
    with pytest.raises(TypeError, match=r"TokenizedTask with a TokenizedCorpus\. Received: Task"):
        mixture(TASKS, TOKENS, 4)
