"""KILT's metrics of answers and of retrieval."""

from glimmer_keras.metrics.answers import accuracy as accuracy
from glimmer_keras.metrics.answers import exact_match as exact_match
from glimmer_keras.metrics.answers import f1 as f1
from glimmer_keras.metrics.answers import normalize_answer as normalize_answer
from glimmer_keras.metrics.recall import recall_at as recall_at
from glimmer_keras.metrics.scores import Scores as Scores
