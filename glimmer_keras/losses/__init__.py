from glimmer_keras.losses.perplexity_distillation import answer_log_prob as answer_log_prob
from glimmer_keras.losses.perplexity_distillation import (
    perplexity_distillation as perplexity_distillation,
)
