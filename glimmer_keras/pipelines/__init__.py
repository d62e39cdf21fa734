"""Where models, data, memory and retrieval meet: prepare tasks for a model, and answer them."""

from glimmer_keras.pipelines.answer import Answer as Answer
from glimmer_keras.pipelines.memory_inputs import memory_inputs as memory_inputs
from glimmer_keras.pipelines.predict import Predictions as Predictions
from glimmer_keras.pipelines.predict import predict as predict
from glimmer_keras.pipelines.prepare import retrieve as retrieve
from glimmer_keras.pipelines.prepare import token_spec as token_spec
from glimmer_keras.pipelines.prepare import tokenize as tokenize
from glimmer_keras.pipelines.ranked_passage import RankedPassage as RankedPassage
from glimmer_keras.pipelines.reader import Reader as Reader
from glimmer_keras.pipelines.store_retriever import store_retriever as store_retriever
