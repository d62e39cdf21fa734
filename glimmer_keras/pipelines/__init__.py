"""Where models, data, memory and retrieval meet: encode a corpus, prepare tasks, answer them."""

from glimmer_keras.pipelines.append_corpus import append_corpus as append_corpus
from glimmer_keras.pipelines.encode_corpus import encode_corpus as encode_corpus
from glimmer_keras.pipelines.predict import Predictions as Predictions
from glimmer_keras.pipelines.predict import predict as predict
from glimmer_keras.pipelines.prepare import retrieve as retrieve
from glimmer_keras.pipelines.prepare import token_spec as token_spec
from glimmer_keras.pipelines.prepare import tokenize as tokenize
