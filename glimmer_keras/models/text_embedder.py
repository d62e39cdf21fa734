import keras
import keras_hub
from keras import ops
from keras_hub.src.utils import preset_utils

from glimmer_keras.layers import Projection
from glimmer_keras.models.sentence_encoder import from_hugging_face
from glimmer_keras.models.t5_encoder import T5Encoder
from glimmer_keras.utils.deprecated import warn_renamed

POOLINGS = ("mean", "cls")
SEQUENCE_OUTPUTS = ("encoder_sequence_output", "sequence_output")


@keras.saving.register_keras_serializable(package="glimmer_keras")
class TextEmbedder(keras_hub.models.TextEmbedder):
    """One vector for a text, as sentence encoders such as GTR make it (Ni et al., 2021).

    The mean of the encoder's states over the real tokens, or the first state, projected without
    bias, and normalised. A KerasHub task.

    Args:
        backbone: a `T5Encoder`, a `BertEncoder`, or any KerasHub encoder of token ids. Of a
            `T5Backbone`, the encoder is used.
        preprocessor: a KerasHub preprocessor that gives `token_ids` and `padding_mask`, such as
            `T5Preprocessor` or `BertTextEmbedderPreprocessor`, or `None` to feed token ids.
        projection_dim: int, width of the vector, or `None` for no projection.
        pooling: `"mean"`, or `"cls"` for the first state.
        normalize: bool. Whether vectors have length 1.
        query_prompt: string that `pipelines.dense_index` puts before questions.
        passage_prompt: string that it puts before passages.

    Call arguments, a dictionary:
        token_ids: int `(batch, length)`.
        padding_mask: bool `(batch, length)`.

    Returns: float32 `(batch, projection_dim or the backbone's width)`.

    Example:
    ```python
    embedder = glimmer_keras.models.TextEmbedder.from_hugging_face("all-MiniLM-L6-v2")
    index = glimmer_keras.pipelines.dense_index(corpus, embedder, "corpus.dense")
    ```
    """

    backbone_cls = T5Encoder
    preprocessor_cls = keras_hub.models.T5Preprocessor

    def __init__(
        self,
        backbone,
        preprocessor=None,
        projection_dim=None,
        pooling="mean",
        normalize=True,
        query_prompt="",
        passage_prompt="",
        **kwargs,
    ):
        if pooling not in POOLINGS:
            raise ValueError(f"`pooling` must be one of {POOLINGS}. Received: pooling={pooling!r}")
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
        states = ops.cast(states, "float32")
        if pooling == "mean":
            mask = ops.cast(inputs["padding_mask"], "float32")[:, :, None]
            x = ops.sum(states * mask, axis=1)
            x = x / ops.maximum(ops.sum(mask, axis=1), 1.0)
        else:
            x = states[:, 0]
        if projection_dim is not None:
            x = self.projection(x)
        x = ops.cast(x, "float32")
        super().__init__(inputs, ops.normalize(x, axis=-1) if normalize else x, **kwargs)

        # === Config ===
        self.projection_dim = projection_dim
        self.pooling = pooling
        self.normalize = normalize
        self.query_prompt = query_prompt
        self.passage_prompt = passage_prompt

    from_hugging_face = classmethod(from_hugging_face)

    @classmethod
    def from_gtr(cls, folder, sequence_length=None, dtype=None):
        """`from_hugging_face`, until the next release."""
        warn_renamed("TextEmbedder.from_gtr", "TextEmbedder.from_hugging_face")
        return cls.from_hugging_face(folder, sequence_length, dtype=dtype)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Load what `save_to_preset` kept, whatever the backbone; see KerasHub's.

        Raises:
            ValueError: if the preset is of another task, or of a backbone alone.
        """
        loader = preset_utils.get_preset_loader(preset)
        task = preset_utils.TASK_CONFIG_FILE
        kept = None
        if preset_utils.check_file_exists(preset, task):
            kept = preset_utils.check_config_class(preset_utils.load_json(preset, task))
        if kept is None or not issubclass(kept, cls):
            raise ValueError(
                f"`preset` must be of a {cls.__name__}; a folder of sentence-transformers is for "
                f"`from_hugging_face`. Received: {preset}, of {kept and kept.__name__}"
            )
        # KerasHub's own `from_preset` takes backbones of `backbone_cls` alone.
        return loader.load_task(cls, load_weights, True, **kwargs)

    @property
    def dim(self):
        """Width of a vector."""
        return self.output_shape[-1]

    def get_config(self):
        return {
            **super().get_config(),
            "projection_dim": self.projection_dim,
            "pooling": self.pooling,
            "normalize": self.normalize,
            "query_prompt": self.query_prompt,
            "passage_prompt": self.passage_prompt,
        }


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
