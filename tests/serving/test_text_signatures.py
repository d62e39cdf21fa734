import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  a model with its ops is loaded

from glimmer_keras.serving import export
from glimmer_keras.serving.signatures import Signature
from glimmer_keras.serving.text_signatures import text_signatures

QUESTIONS = ["who wrote fidelio", "moonlight"]
PASSAGES = [
    ["fidelio: the opera", "", "beethoven wrote a sonata first given in vienna", "a"],
    ["moonlight sonata", "the moonlight", "", ""],
]
ANSWER = [[9, 5, 1, 0, 0, 0], [7, 2, 3, 4, 5, 6]]


def test_strings_become_the_tokens_of_the_preprocessor(glimmer):
    preprocessor = glimmer.preprocessor
    preprocessor.tokenizer.set_proto(preprocessor.tokenizer.proto)
    expected = preprocessor.generate_preprocess({"questions": QUESTIONS, "passages": PASSAGES})
    names = [name for name in expected if not name.startswith("decoder")]
    inputs = {name: tf.TensorSpec((None, *expected[name].shape[1:])) for name in names}

    def answer(inputs):
        return inputs | {"answer_token_ids": tf.constant(ANSWER)}

    found = text_signatures(preprocessor, {"answer_from_tokens": Signature(inputs, answer)})
    signature = found.pop("answer_from_text")
    assert not found
    assert {name: spec.shape.as_list() for name, spec in signature.inputs.items()} == {
        "questions": [None],
        "passages": [None, 4],
    }
    reply = tf.function(signature.run, [signature.inputs], autograph=False)(
        {"questions": tf.constant(QUESTIONS), "passages": tf.constant(PASSAGES)}
    )
    for name in names:
        np.testing.assert_array_equal(reply[name], expected[name])
    said = preprocessor.generate_postprocess(
        {"decoder_token_ids": np.array(ANSWER), "decoder_padding_mask": np.ones((2, 6), bool)}
    )
    assert [text.decode() for text in reply["answers"].numpy()] == said["answers"]


@pytest.mark.slow
def test_text_is_exported_beside_the_tokens(glimmer, store, tmp_path, caplog):
    path = export(glimmer, tmp_path / "m", store, text=True)
    assert "needs the SentencePiece ops of tensorflow-text" in caplog.text or (
        keras.backend.backend() != "tensorflow"  # said by another process
    )
    assert sorted(child.name for child in tmp_path.iterdir()) == ["m", "m-text"]
    assert not tf.saved_model.contains_saved_model(str(tmp_path / "m-text"))
    loaded = tf.saved_model.load(str(tmp_path / "m-text" / path.name))
    asked = {"questions": QUESTIONS, "passages": PASSAGES}
    reply = loaded.signatures["answer_from_text"](
        **{name: tf.constant(value) for name, value in asked.items()}
    )
    expected = glimmer.generate(asked)
    assert [text.decode() for text in reply["answers"].numpy()] == expected["answers"]
    np.testing.assert_array_equal(reply["selected_passages"], expected["selected_passages"])
    memory = loaded.signatures["encode_memory"](passages=tf.constant(PASSAGES[0]))
    assert memory["passage_padding_mask"].numpy().any(axis=1).tolist() == [True, False, True, True]
