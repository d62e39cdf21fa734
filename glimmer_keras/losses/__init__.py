"""What a reader is trained with beside cross-entropy, as pure functions on tensors.

Only `keras.ops` may be used here; nothing here knows a layer or a model.
"""

from glimmer_keras.losses.perplexity_distillation import answer_log_prob as answer_log_prob
from glimmer_keras.losses.perplexity_distillation import (
    perplexity_distillation as perplexity_distillation,
)
