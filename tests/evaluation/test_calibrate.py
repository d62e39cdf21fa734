import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.evaluation import calibrate
from glimmer_keras.metrics import exact_match, expected_calibration_error, fit_calibration
from glimmer_keras.metrics.calibration import calibrated
from glimmer_keras.retrieval import BM25Retriever

TEXTS = {
    "Torvik": "Torvik grew from a camp that was made in 1863.",
    "Mirelda Voss": "Mirelda Voss would play the harp. Voss later settled in Torvik.",
    "Arvel": "The river Arvel flows by Torvik.",
}
ASKED = [
    ("Where does Mirelda Voss live?", "Torvik"),
    ("Torvik [SEP] founding year", "1863"),
    ("Where is the Arvel?", "nowhere"),
    ("What does Voss play?", "the harp"),
]


def test_a_reader_learns_how_sure_it_may_be(tmp_path):
    corpus = Corpus([Passage(str(n), *text) for n, text in enumerate(TEXTS.items())])
    glimmer = gk.Glimmer.from_preset("tiny_world")
    reader = gk.Reader(glimmer, retriever=BM25Retriever.build(corpus), corpus=corpus)
    task = Task("qa", [Example(str(n), "qa", q, (a,)) for n, (q, a) in enumerate(ASKED)])
    before = reader.answer([question for question, _ in ASKED])
    right = [exact_match(answer.text, [a]) for answer, (_, a) in zip(before, ASKED, strict=True)]
    p = [answer.confidence for answer in before]
    found = calibrate(reader, [task])
    assert found.calibration == pytest.approx(fit_calibration(p, right), rel=1e-3)
    assert found.error_before == pytest.approx(expected_calibration_error(p, right), abs=1e-3)
    assert (found.questions, found.exact_match) == (4, np.mean(right))
    after = [answer.confidence for answer in reader.answer([q for q, _ in ASKED])]
    np.testing.assert_allclose(after, calibrated(p, found.calibration), rtol=1e-3)
    glimmer.export_to_transformers(tmp_path / "hf")
    glimmer.save_to_preset(str(tmp_path / "keras"))
    for folder in ("hf", "keras"):
        again = gk.Glimmer.from_preset(str(tmp_path / folder))
        assert again.calibration == pytest.approx(found.calibration)
    with pytest.raises(ValueError, match="two questions with answers. Received: 1"):
        calibrate(reader, [Task("qa", list(task)[:1])])
