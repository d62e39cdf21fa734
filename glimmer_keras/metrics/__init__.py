"""KILT's metrics of answers and of retrieval, and their means.

Pure functions on strings, ids and records; they know neither files nor models.
"""

from glimmer_keras.metrics.answers import accuracy as accuracy
from glimmer_keras.metrics.answers import exact_match as exact_match
from glimmer_keras.metrics.answers import f1 as f1
from glimmer_keras.metrics.answers import normalize_answer as normalize_answer
from glimmer_keras.metrics.calibration import (
    expected_calibration_error as expected_calibration_error,
)
from glimmer_keras.metrics.calibration import fit_calibration as fit_calibration
from glimmer_keras.metrics.kilt import kilt_scores as kilt_scores
from glimmer_keras.metrics.retrieval import found_evidence_at as found_evidence_at
from glimmer_keras.metrics.retrieval import precision_at as precision_at
from glimmer_keras.metrics.retrieval import r_precision as r_precision
from glimmer_keras.metrics.retrieval import recall_at as recall_at
from glimmer_keras.metrics.retrieval import success_rate_at as success_rate_at
from glimmer_keras.metrics.rouge import rouge_l as rouge_l
from glimmer_keras.metrics.scores import Scores as Scores
