"""A reader that is no T5, to start another from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glimmer_keras.models.hugging_face_directory import (
    CONFIG,
    GLIMMER,
    SETTINGS,
    load_tokenizer,
    read_settings,
)
from glimmer_keras.models.t5_names import is_transposed
from glimmer_keras.models.tensor_files import Part, TensorFiles, read_json
from glimmer_keras.utils.checksums import check_checksums

# Of a backbone's settings those that its weights have.
SIZES = (
    *("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim"),
    *("key_value_dim", "num_decoder_layers", "activation", "use_gated_activation"),
    *("layer_norm_epsilon", "tie_embedding_weights", "encoder_block", "num_positions"),
    *(
        "question_position",
        "carried_dim",
        "relative_attention_num_buckets",
        "relative_attention_max_distance",
    ),
)


def is_reader(directory: Path) -> bool:
    """Whether a directory is of `export_to_transformers`, of a reader that no T5 can be."""
    there = (directory / SETTINGS).is_file()
    if not there or read_json(directory / CONFIG).get("model_type") != GLIMMER:
        return False
    backbone = read_settings(directory)["backbone"]
    return backbone.get("encoder_block", "t5") != "t5" or bool(backbone.get("carried_dim"))


class ReaderCheckpoint:
    """The encoder and the decoder of such a reader, its weights read one by one.

    Args:
        directory: where it is.

    Attributes:
        sizes: dictionary of arguments of `GlimmerBackbone`.
        start_token_id: With what the decoder starts.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        check_checksums(directory)
        settings = read_settings(self.directory)
        backbone = settings["backbone"]
        self.sizes = {name: backbone[name] for name in SIZES if name in backbone}
        self.start_token_id = settings.get("preprocessor", {}).get("start_token_id")
        self._files = TensorFiles(self.directory, GLIMMER)

    def tokenizer(self) -> Any:
        """A `keras_hub.models.T5Tokenizer`, or `None` without a vocabulary."""
        return load_tokenizer(self.directory, self.sizes["vocabulary_size"])

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a `ValueError` unless it has tensors of these names and Keras's shapes."""
        self._files.check(
            {name: shape[::-1] if is_transposed(name) else shape for name, shape in shapes.items()}
        )

    def parts(self, name: str) -> Iterator[Part]:
        """Read a weight in Keras's orientation some rows at a time, each part with its place."""
        yield from self._files.parts(name, is_transposed(name))
