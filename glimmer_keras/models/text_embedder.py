import keras
import keras_hub
from keras import ops

from glimmer_keras.layers import Projection
from glimmer_keras.models.gtr import from_gtr
from glimmer_keras.models.t5_encoder import T5Encoder

SEQUENCE_OUTPUTS = ("encoder_sequence_output", "sequence_output")


@keras.saving.register_keras_serializable(package="glimmer_keras")
class TextEmbedder(keras_hub.models.TextEmbedder):
    """One vector of length 1 for a text, as GTR makes it (Ni et al., 2021).

    The mean of the encoder's states over the real tokens, projected without bias, and
    normalised. A KerasHub task; `from_preset` is for encoders that are a `T5Encoder`.

    Args:
        backbone: a `T5Encoder`, or any KerasHub encoder of token ids. Of a `T5Backbone`, the
            encoder is used.
        preprocessor: a KerasHub preprocessor that gives `token_ids` and `padding_mask`, such as
            `T5Preprocessor` or `BertTextEmbedderPreprocessor`, or `None` to feed token ids.
        projection_dim: int, width of the vector, or `None` for no projection.

    Call arguments, a dictionary:
        token_ids: int `(batch, length)`.
        padding_mask: bool `(batch, length)`.

    Returns: float32 `(batch, projection_dim or the backbone's width)`.

    Example:
    ```python
    embedder = glimmer_keras.models.TextEmbedder.from_gtr("gtr-t5-base")
    index = glimmer_keras.pipelines.dense_index(corpus, embedder, "corpus.dense")
    ```
    """

    backbone_cls = T5Encoder
    preprocessor_cls = keras_hub.models.T5Preprocessor

    def __init__(self, backbone, preprocessor=None, projection_dim=None, **kwargs):
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        dtype = backbone.dtype_policy
        if projection_dim is not None:
            self.projection = Projection(projection_dim, dtype=dtype, name="projection")

        # === Functional model ===
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
        }
        states = _sequence_output(backbone(_backbone_inputs(backbone, **inputs)))
        mask = ops.cast(inputs["padding_mask"], "float32")[:, :, None]
        x = ops.sum(ops.cast(states, "float32") * mask, axis=1)
        x = x / ops.maximum(ops.sum(mask, axis=1), 1.0)
        if projection_dim is not None:
            x = self.projection(x)
        super().__init__(inputs, ops.normalize(ops.cast(x, "float32"), axis=-1), **kwargs)

        # === Config ===
        self.projection_dim = projection_dim

    from_gtr = classmethod(from_gtr)

    @property
    def dim(self):
        """Width of a vector."""
        return self.output_shape[-1]

    def get_config(self):
        return {**super().get_config(), "projection_dim": self.projection_dim}


def _backbone_inputs(backbone, token_ids, padding_mask):
    """What a backbone is given; a decoder, which is not looked at, gets two tokens."""
    known = {
        "token_ids": token_ids,
        "padding_mask": padding_mask,
        "segment_ids": ops.zeros_like(token_ids),
    }
    names = backbone.input if isinstance(backbone.input, dict) else {}
    kinds = {name: name.removeprefix("encoder_").removeprefix("decoder_") for name in names}
    if "token_ids" not in kinds.values() or not set(kinds.values()) <= set(known):
        raise ValueError(
            "`backbone` must be an encoder of token ids. "
            f"Received: {type(backbone).__name__} with inputs {sorted(names)}"
        )
    inputs = {}
    for name, kind in kinds.items():
        value = known[kind][:, :2] if name.startswith("decoder_") else known[kind]
        inputs[name] = ops.cast(value, backbone.input[name].dtype)
    return inputs


def _sequence_output(outputs):
    if not isinstance(outputs, dict):
        return outputs
    for name in SEQUENCE_OUTPUTS:
        if name in outputs:
            return outputs[name]
    raise ValueError(
        f"`backbone` must have one of the outputs {SEQUENCE_OUTPUTS}. Received: {sorted(outputs)}"
    )
