"""What a small T5 starts from."""

import keras_hub

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
