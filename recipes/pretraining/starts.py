"""What a small T5 starts from: fresh weights, or the layers of one with another vocabulary."""

import keras
import keras_hub
import numpy as np

import glimmer_keras as gk
from glimmer_keras.models.t5_weights import quiet_masks, to_t5


def t5_of_sizes(sizes: dict[str, int], vocabulary_size: int) -> keras_hub.models.T5Backbone:
    """Fresh weights, with sharper position biases than T5's: of a few layers each has to serve."""
    with quiet_masks():
        return to_t5(
            gk.Glimmer.from_size(
                "tiny",
                "fid",
                vocabulary_size=vocabulary_size,
                activation="gelu",
                dropout=0.0,
                tie_embedding_weights=True,
                position_bias_stddev=2.0,
                **sizes,
            ).backbone
        )


def t5_of_other_words(
    t5: keras_hub.models.T5Backbone,
    known: keras_hub.models.T5Tokenizer,
    tokenizer: keras_hub.models.T5Tokenizer,
    seed: int,
) -> keras_hub.models.T5Backbone:
    """A T5 with the layers of one that has learned to find and to copy, for another vocabulary.

    Pieces that both vocabularies have keep their embeddings; those of the others are drawn from a
    normal distribution with the mean and covariance of the ones learned.
    """
    size = tokenizer.vocabulary_size()
    with quiet_masks():
        new = keras_hub.models.T5Backbone(**t5.get_config() | {"vocabulary_size": size})
    learned = keras.ops.convert_to_numpy(t5.token_embedding.embeddings)
    rng = np.random.default_rng(seed)
    embeddings = rng.multivariate_normal(learned.mean(0), np.cov(learned.T), size)
    rows = {known.id_to_token(row): row for row in range(known.vocabulary_size())}
    for row in range(size):
        if (piece := tokenizer.id_to_token(row)) in rows:
            embeddings[row] = learned[rows[piece]]
    for ours, theirs in zip(new.weights, t5.weights, strict=True):
        ours.assign(embeddings if ours is new.token_embedding.embeddings else theirs)
    return new
