"""Scores of a model on tasks, and of files of predictions.

It answers through the pipelines and measures with `metrics`; it trains and serves nothing.
"""

from glimmer_keras.evaluation.calibrate import Calibration as Calibration
from glimmer_keras.evaluation.calibrate import calibrate as calibrate
from glimmer_keras.evaluation.evaluate import evaluate as evaluate
from glimmer_keras.evaluation.evaluate import score as score
from glimmer_keras.evaluation.evaluate import score_table as score_table
from glimmer_keras.evaluation.evaluate import score_tasks as score_tasks
from glimmer_keras.evaluation.evaluate_by_generation import (
    EvaluateByGeneration as EvaluateByGeneration,
)
from glimmer_keras.evaluation.score_predictions import kilt_table as kilt_table
from glimmer_keras.evaluation.score_predictions import score_predictions as score_predictions
