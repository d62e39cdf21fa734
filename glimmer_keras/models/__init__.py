"""Models, assembled of layers and losses: backbones, tasks, preprocessors, presets, weights.

Nothing here may read a corpus, a memory store or a retriever; pipelines bring those to a model.
"""

from glimmer_keras.models.bert_encoder import BertEncoder as BertEncoder
from glimmer_keras.models.fingerprint import embedder_fingerprint as embedder_fingerprint
from glimmer_keras.models.fingerprint import memory_fingerprint as memory_fingerprint
from glimmer_keras.models.flops import Flops as Flops
from glimmer_keras.models.flops import flops as flops
from glimmer_keras.models.flops import training_flops as training_flops
from glimmer_keras.models.glimmer import Glimmer as Glimmer
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone as GlimmerBackbone
from glimmer_keras.models.glimmer_preprocessor import GlimmerPreprocessor as GlimmerPreprocessor
from glimmer_keras.models.t5_encoder import T5Encoder as T5Encoder
from glimmer_keras.models.text_embedder import TextEmbedder as TextEmbedder
