"""Where models, data and retrieval meet: prepare tasks for a model, and answer them."""

from glimmer_keras.pipelines.predict import Predictions as Predictions
from glimmer_keras.pipelines.predict import predict as predict
from glimmer_keras.pipelines.prepare import retrieve as retrieve
from glimmer_keras.pipelines.prepare import token_spec as token_spec
from glimmer_keras.pipelines.prepare import tokenize as tokenize
