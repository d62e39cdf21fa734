from types import SimpleNamespace

import numpy as np
import pytest

from glimmer_keras.serving.exported_reader import ExportedReader

INPUTS = {"question_token_ids": {"dtype": "int32"}, "passage_prior": {"dtype": "float32"}}
QUESTIONS = {"question_token_ids": np.zeros((2, 4), "int64")}


@pytest.fixture
def reader():
    """One whose server gives back what it is sent."""
    reader = object.__new__(ExportedReader)
    reader.signature, reader.num_passages = "answer", 3
    description = {"signatures": {"answer": {"inputs": INPUTS}}}
    reader._exported = SimpleNamespace(description=description)
    reader._predict = lambda signature, inputs: inputs
    return reader


def test_the_prior_is_the_order_unless_it_is_given(reader):
    sent = reader.run(QUESTIONS)
    np.testing.assert_allclose(sent["passage_prior"], [[0, -1, -np.log2(3)]] * 2, rtol=1e-6)
    assert sent["question_token_ids"].dtype == "int32"
    given = np.arange(6, dtype="float64").reshape(2, 3)
    sent = reader.run(QUESTIONS | {"passage_prior": given})
    np.testing.assert_array_equal(sent["passage_prior"], given)
