"""FiD, LUMEN and GLIMMER as one Keras model."""

from glimmer_keras import data as data
from glimmer_keras import distribution as distribution
from glimmer_keras import evaluation as evaluation
from glimmer_keras import layers as layers
from glimmer_keras import losses as losses
from glimmer_keras import memory as memory
from glimmer_keras import metrics as metrics
from glimmer_keras import models as models
from glimmer_keras import optimizers as optimizers
from glimmer_keras import pipelines as pipelines
from glimmer_keras import retrieval as retrieval
from glimmer_keras import serving as serving
from glimmer_keras import training as training
from glimmer_keras.models import Glimmer as Glimmer
from glimmer_keras.models import GlimmerBackbone as GlimmerBackbone
from glimmer_keras.models import GlimmerPreprocessor as GlimmerPreprocessor
from glimmer_keras.models import flops as flops
from glimmer_keras.models import training_flops as training_flops
from glimmer_keras.pipelines import Answer as Answer
from glimmer_keras.pipelines import Reader as Reader

__version__ = "0.1.0"
