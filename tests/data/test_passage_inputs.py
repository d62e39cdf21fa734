import numpy as np

from glimmer_keras.data import Example, PassageInputs, Task, TokenSpec, mixture, tokenize_task

SPEC = TokenSpec(lambda texts: [[len(text)] for text in texts], "x", 30)


class Numbers:
    """Passages that are their own row numbers; no class to inherit is needed."""

    spec = SPEC

    def __len__(self):
        return 3

    def inputs(self, rows):
        return {"passage_numbers": rows[..., None].astype("float32")}


def test_anything_of_this_form_goes_into_a_batch():
    rows = np.array([[2, -1], [0, 1]])
    task = Task("t", [Example(str(n), "t", "ab", ("c",)) for n in range(2)], rows)
    corpus: PassageInputs = Numbers()
    batches = mixture([tokenize_task(task, SPEC, 2, 2)], corpus, 2, training=False)
    ((inputs, _, _),) = batches.as_numpy_iterator()
    np.testing.assert_array_equal(inputs["passage_numbers"][..., 0], rows)
