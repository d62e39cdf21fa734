import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

import glimmer_keras as gk

TEXTS = {
    "questions": ["who wrote fidelio", "the sonata"],
    "passages": [["beethoven wrote the opera", "vienna"], ["moonlight sonata", ""]],
    "answers": ["beethoven", "moonlight"],
}


@pytest.fixture(scope="module")
def preprocessor(tokenizer):
    return gk.GlimmerPreprocessor(tokenizer, 12, 20, 10, num_passages=3)


def test_fixed_shapes_by_hand(preprocessor, tokenizer):
    x, y, weights = preprocessor(TEXTS)
    question = tokenizer("who wrote fidelio")
    np.testing.assert_array_equal(x["question_token_ids"][0, : len(question)], question)
    assert x["question_padding_mask"][0].sum() == len(question)  # no end token
    passage = [*tokenizer("vienna"), 1]
    np.testing.assert_array_equal(x["passage_token_ids"][0, 1, : len(passage)], passage)
    assert x["passage_padding_mask"].sum(-1)[0, 1] == len(passage)
    assert x["passage_padding_mask"].any(-1).tolist() == [[True, True, False], [True, False, False]]
    answer = [*tokenizer("beethoven"), 1]
    np.testing.assert_array_equal(y[0, : len(answer)], answer)
    assert weights[0].tolist() == [1.0] * len(answer) + [0.0] * (10 - len(answer))
    np.testing.assert_array_equal(x["decoder_token_ids"][0, : len(answer)], [0, *answer[:-1]])
    np.testing.assert_array_equal(x["decoder_padding_mask"], weights > 0)


def test_truncation_keeps_the_end_token_and_is_counted(tokenizer, caplog):
    short = gk.GlimmerPreprocessor(tokenizer, 2, 4, 3)
    with caplog.at_level(logging.WARNING, "glimmer_keras"):
        x, y, _ = short(TEXTS | {"answers": ["moonlight sonata opera", "the opera was first"]})
    assert x["passage_token_ids"][0, 0, -1] == 1
    assert y[0, -1] == 1
    assert "1 of 2 questions cut to 2 tokens" in caplog.text
    assert "2 of 2 answers cut to 3 tokens" in caplog.text


def test_tf_data_gives_the_same_with_static_shapes(preprocessor):
    data = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(preprocessor)
    inputs = data.element_spec[0]
    assert inputs["passage_token_ids"].shape.as_list() == [None, 3, 20]
    for one, other in zip(
        keras.tree.flatten(preprocessor(TEXTS)), keras.tree.flatten(next(iter(data))), strict=True
    ):
        np.testing.assert_array_equal(one, np.asarray(other))


def test_tokens_go_through(preprocessor):
    x, y, weights = preprocessor(TEXTS)
    again = preprocessor(x, y=y, sample_weight=weights)
    for one, other in zip(
        keras.tree.flatten(again), keras.tree.flatten((x, y, weights)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_postprocess_drops_what_is_not_text(preprocessor, tokenizer):
    answer = tokenizer("moonlight sonata")
    ids = np.array([[0, *answer, 1, 7, 7]])
    mask = np.arange(ids.shape[1])[None] < len(answer) + 2
    out = preprocessor.generate_postprocess(
        {"decoder_token_ids": ids, "decoder_padding_mask": mask, "passage_scores": "as it is"}
    )
    assert out == {"answers": ["moonlight sonata"], "passage_scores": "as it is"}


def test_pipeline_tokens_are_the_same(preprocessor, tmp_path):
    """Two roads: strings through the preprocessor, and tasks tokenised once."""
    from glimmer_keras import data, pipelines

    passages = [data.Passage(str(i), "", text) for i, text in enumerate(TEXTS["passages"][0])]
    corpus = data.Corpus(passages)
    examples = [
        data.Example(str(i), "t", question, (answer,))
        for i, (question, answer) in enumerate(
            zip(TEXTS["questions"], TEXTS["answers"], strict=True)
        )
    ]
    task = data.Task("t", examples).with_retrieved(np.array([[0, 1, -1], [1, 0, -1]], "int32"))
    tokens, tokenized = pipelines.tokenize([task], corpus, preprocessor, tmp_path)
    texts = task.batch(np.arange(2), np.zeros(2, int), corpus)
    texts = {name: value.tolist() for name, value in texts.items()}
    for one, other in zip(
        keras.tree.flatten(preprocessor(texts)),
        keras.tree.flatten(tokens[0].batch(np.arange(2), np.zeros(2, int), tokenized)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"questions": ["a"], "passages": ["b"]}, '`"passages"` must be a list of strings for'),
        ({"questions": ["a"], "passages": [[]]}, "at least one passage"),
        ({"questions": ["a"]}, "Expected a dictionary with .*'passages'.*Received: .'questions'"),
        (["a"], "Expected a dictionary.*Received: list"),
        ({"questions": ["a"], "passages": [["b"], ["c"]]}, "passages and answers for each.*: 2"),
        (
            {"questions": ["half \ud83d"], "passages": [["b"]]},
            '`"questions"` must be valid Unicode',
        ),
        ({"questions": ["a"], "passages": [["half \ud83d"]]}, '`"passages"` must be valid Unicode'),
    ],
)
def test_bad_texts(tokenizer, texts, message):
    with pytest.raises(ValueError, match=message):
        gk.GlimmerPreprocessor(tokenizer, 6, 8, 5).generate_preprocess(texts)


def test_an_empty_answer_is_an_error(preprocessor):
    texts = {"questions": ["a", "b"], "passages": [["c"], ["d"]], "answers": ["e", " "]}
    with pytest.raises(ValueError, match='`"answers"` must not be empty. Received:.*at .1.'):
        preprocessor(texts)
    dataset = tf.data.Dataset.from_tensors(texts).map(preprocessor)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must not be empty"):
        next(iter(dataset))


def test_bad_lengths_and_config(preprocessor, tokenizer):
    with pytest.raises(ValueError, match="`answer_length` must be at least 2. Received.*=1"):
        gk.GlimmerPreprocessor(tokenizer, 6, 8, 1)
    with pytest.raises(ValueError, match="`num_passages` must be at least 1. Received.*=0"):
        gk.GlimmerPreprocessor(tokenizer, 6, 8, 5, num_passages=0)
    config = keras.saving.serialize_keras_object(preprocessor)
    loaded = keras.saving.deserialize_keras_object(config)
    assert loaded.passage_length == 20
    assert loaded.num_passages == 3
