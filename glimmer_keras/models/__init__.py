from glimmer_keras.models.fingerprint import memory_fingerprint as memory_fingerprint
from glimmer_keras.models.flops import Flops as Flops
from glimmer_keras.models.flops import flops as flops
from glimmer_keras.models.flops import training_flops as training_flops
from glimmer_keras.models.glimmer import Glimmer as Glimmer
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone as GlimmerBackbone
from glimmer_keras.models.glimmer_preprocessor import GlimmerPreprocessor as GlimmerPreprocessor
