"""Readers of one file format each, registered by kind and name.

They give passages, examples and rankings as they stand in a file; what is made of these, and
whether they fit together, is the business of `data.read` and `data.read_results`.
"""

from glimmer_keras.data.formats import fid as fid
from glimmer_keras.data.formats import kilt as kilt
from glimmer_keras.data.formats import knowledge_source as knowledge_source
from glimmer_keras.data.formats import passages as passages
from glimmer_keras.data.formats import questions as questions
from glimmer_keras.data.formats import squad as squad
from glimmer_keras.data.formats import trec as trec
from glimmer_keras.data.formats.registry import Ranking as Ranking
from glimmer_keras.data.formats.registry import Source as Source
from glimmer_keras.data.formats.registry import find_format as find_format
from glimmer_keras.data.formats.registry import formats as formats
from glimmer_keras.data.formats.registry import reader as reader
from glimmer_keras.data.formats.registry import register as register
