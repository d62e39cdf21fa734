from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from glimmer_keras.data import Task
from glimmer_keras.metrics import exact_match
from glimmer_keras.metrics.calibration import (
    calibrated,
    expected_calibration_error,
    fit_calibration,
)
from glimmer_keras.pipelines import Reader

NONE = (1.0, 0.0)


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` found.

    Args:
        calibration: Slope and intercept, fitted on all answers.
        questions: How many there were.
        exact_match: Share of answers that are right.
        error_before: Expected calibration error of the length-normalised probabilities.
        error_after: That of the calibrated ones, each half of the answers by a fit on the other.
    """

    calibration: tuple[float, float]
    questions: int
    exact_match: float
    error_before: float
    error_after: float


def calibrate(reader: Reader, tasks: Iterable[Task]) -> Calibration:
    """Have `Answer.confidence` tell how often answers are right, and how well it does.

    The model of the reader keeps the calibration; presets and exports have it.

    Args:
        reader: Answers the questions, each right if it matches one of its answers exactly.
        tasks: Questions that the model was not trained on. No error is to be told of the same.

    Raises:
        ValueError: If there are fewer than two questions with answers.
    """
    reader.calibration = NONE
    examples = [example for task in tasks for example in task if example.answers]
    if len(examples) < 2:
        raise ValueError(f"There must be two questions with answers. Received: {len(examples)}")
    answers = list(reader.answer_all([example.question for example in examples]))
    p = np.array([answer.confidence or 0.0 for answer in answers])
    right = np.array(
        [
            exact_match(answer.text, example.answers)
            for answer, example in zip(answers, examples, strict=True)
        ]
    )
    halves = np.arange(len(p)) % 2 == 0
    after = np.empty_like(p)
    for half in (halves, ~halves):
        after[~half] = calibrated(p[~half], fit_calibration(p[half], right[half]))
    fitted = fit_calibration(p, right)
    reader.calibration = reader.glimmer.calibration = fitted
    return Calibration(
        fitted,
        len(p),
        float(right.mean()),
        expected_calibration_error(p, right),
        expected_calibration_error(after, right),
    )
