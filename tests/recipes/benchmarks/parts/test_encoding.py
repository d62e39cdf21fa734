import numpy as np

from glimmer_keras import GlimmerBackbone
from glimmer_keras.models.matrix_work import Work
from recipes.benchmarks.parts.encoding import real_work


def test_scores_are_counted_at_each_length(small):
    backbone = GlimmerBackbone.from_size("tiny", "glimmer", **{**small, "num_layers": 3})
    work = real_work(backbone, np.array([3, 1, 3]))
    assert work == Work(2 * 7 * (4 * 8 * 6 + 3 * 8 * 12), 2 * 2 * 6 * (9 + 1 + 9))
