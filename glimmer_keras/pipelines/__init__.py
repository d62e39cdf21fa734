"""Models, data, memory and retrieval together: encode a corpus, retrieve, prepare tasks, answer.

Nothing here trains, scores or serves: `training`, `evaluation` and `serving` stand on it.
"""

from glimmer_keras.pipelines.answer import Answer as Answer
from glimmer_keras.pipelines.answer import RankedPassage as RankedPassage
from glimmer_keras.pipelines.answerer import Answerer as Answerer
from glimmer_keras.pipelines.beam_encode import beam_encode_corpus as beam_encode_corpus
from glimmer_keras.pipelines.corpus_memory import CorpusMemory as CorpusMemory
from glimmer_keras.pipelines.encode_corpus import append_corpus as append_corpus
from glimmer_keras.pipelines.encode_corpus import encode_corpus as encode_corpus
from glimmer_keras.pipelines.kilt_files import write_kilt_retrieval as write_kilt_retrieval
from glimmer_keras.pipelines.likelihoods import answer_likelihoods as answer_likelihoods
from glimmer_keras.pipelines.memory_inputs import memory_inputs as memory_inputs
from glimmer_keras.pipelines.predictions import Predictions as Predictions
from glimmer_keras.pipelines.predictions import predict as predict
from glimmer_keras.pipelines.predictions import write_predictions as write_predictions
from glimmer_keras.pipelines.prepare import TrainingData as TrainingData
from glimmer_keras.pipelines.prepare import token_spec as token_spec
from glimmer_keras.pipelines.prepare import tokenize as tokenize
from glimmer_keras.pipelines.prepare import training_data as training_data
from glimmer_keras.pipelines.reader import Reader as Reader
from glimmer_keras.pipelines.relevance_filter import relevance_filter as relevance_filter
from glimmer_keras.pipelines.replace_preset import recover_preset as recover_preset
from glimmer_keras.pipelines.replace_preset import replace_preset as replace_preset
from glimmer_keras.pipelines.retrieve import bm25_index as bm25_index
from glimmer_keras.pipelines.retrieve import dense_index as dense_index
from glimmer_keras.pipelines.retrieve import retrieve as retrieve
from glimmer_keras.pipelines.retrieve import write_retrieved as write_retrieved
from glimmer_keras.pipelines.text_vectors import TextVectors as TextVectors
from glimmer_keras.utils.deprecated import deprecated_names

__getattr__ = deprecated_names(__name__, {"StoredPassages": "glimmer_keras.pipelines.CorpusMemory"})
