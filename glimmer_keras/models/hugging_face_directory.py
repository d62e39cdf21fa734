import logging
from pathlib import Path
from typing import Any

import keras_hub

from glimmer_keras.models.tensor_files import read_json
from glimmer_keras.models.tokenizer_json import from_tokenizer_json
from glimmer_keras.utils.checksums import CHECKSUMS
from glimmer_keras.utils.manifest import read_manifest

logger = logging.getLogger("glimmer_keras")

CONFIG = "config.json"
SETTINGS = "glimmer.json"
TOKENIZER = "spiece.model"
TOKENIZER_JSON = "tokenizer.json"
GENERATION = "generation_config.json"
HUB = "hf://"
GLIMMER = "glimmer"  # model_type of a reader that no T5 is
VERSION = 1  # of SETTINGS
READ = (
    *(CONFIG, SETTINGS, TOKENIZER, TOKENIZER_JSON, GENERATION),
    *("*.safetensors", "*.safetensors.index.json", CHECKSUMS),
)


def is_hugging_face(path: str) -> bool:
    """Whether `path` is a directory or an `"hf://org/name"` of a model in Hugging Face's form."""
    config = _download(path, CONFIG) if path.startswith(HUB) else Path(path) / CONFIG
    return config.is_file() and "model_type" in read_json(config)


def local_directory(path: str) -> Path:
    """Where the files are on this machine: those of `"hf://org/name"` are downloaded first.

    Raises:
        OSError: If they cannot be had.
        ValueError: If Hugging Face has no addresses of this form.
    """
    return _download(path) if path.startswith(HUB) else Path(path)


def read_settings(directory: Path) -> dict[str, Any]:
    """What `export_to_transformers` kept of a reader's settings."""
    return read_manifest(directory, "a Glimmer", VERSION, ("backbone",), SETTINGS)


def load_tokenizer(directory: Path, vocabulary_size: int) -> Any:
    """The directory's `keras_hub.models.T5Tokenizer`, or `None` without one.

    It is `spiece.model`, or made of `tokenizer.json`, which alone transformers 5 writes.

    Raises:
        ValueError: If it has more pieces than `vocabulary_size`, or is no such model.
    """
    path = directory / TOKENIZER
    if path.is_file():
        proto = path.read_bytes()
    else:
        path = directory / TOKENIZER_JSON
        if not path.is_file():
            logger.warning(
                "%s has no %s and no %s: without `preprocessor`, no texts",
                *(directory, TOKENIZER, TOKENIZER_JSON),
            )
            return None
        try:
            proto = from_tokenizer_json(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} must be of SentencePiece's Unigram: {error}") from error
    tokenizer = keras_hub.models.T5Tokenizer(proto)
    if tokenizer.vocabulary_size() > vocabulary_size:
        raise ValueError(
            f"{path} must have at most the {vocabulary_size} pieces that the token embedding has. "
            f"Received: {tokenizer.vocabulary_size()}"
        )
    return tokenizer


def _download(address, file=None):
    """One file of `"hf://org/name"`, or a directory with all that is read of it."""
    import huggingface_hub

    name = address.removeprefix(HUB)
    try:
        if file:
            return Path(huggingface_hub.hf_hub_download(name, file))
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(READ)))
    except huggingface_hub.errors.HFValidationError as error:
        raise ValueError(f"Must be `{HUB}org/name`. Received: {address!r} ({error})") from error
    except OSError as error:
        raise OSError(f"{address} cannot be had from Hugging Face: {error}") from error
