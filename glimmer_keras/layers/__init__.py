"""T5.1.1 blocks and the parts of a reader, each a Keras layer that can be used alone.

Only `keras` and `keras.ops` may be used here; nothing here knows a model, a file or a text.
"""

from glimmer_keras.layers.attention import Attention as Attention
from glimmer_keras.layers.feed_forward import FeedForward as FeedForward
from glimmer_keras.layers.fid_decoder import FiDDecoder as FiDDecoder
from glimmer_keras.layers.join_question import JoinQuestion as JoinQuestion
from glimmer_keras.layers.live_encoder_stage import LiveEncoderStage as LiveEncoderStage
from glimmer_keras.layers.memory_encoder import MemoryEncoder as MemoryEncoder
from glimmer_keras.layers.passage_scorer import PassageScorer as PassageScorer
from glimmer_keras.layers.projection import Projection as Projection
from glimmer_keras.layers.relative_position_bias import (
    RelativePositionBias as RelativePositionBias,
)
from glimmer_keras.layers.reversible_embedding import ReversibleEmbedding as ReversibleEmbedding
from glimmer_keras.layers.t5_norm import T5Norm as T5Norm
from glimmer_keras.layers.top_m_select import TopMSelect as TopMSelect
