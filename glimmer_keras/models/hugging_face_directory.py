import logging
from pathlib import Path
from typing import Any

import keras_hub

from glimmer_keras.models.tensor_files import read_json

logger = logging.getLogger("glimmer_keras")

CONFIG = "config.json"
SETTINGS = "glimmer.json"
TOKENIZER = "spiece.model"
HUB = "hf://"
READ = (CONFIG, SETTINGS, TOKENIZER, "*.safetensors", "*.safetensors.index.json")


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


def load_tokenizer(directory: Path, vocabulary_size: int) -> Any:
    """The directory's `keras_hub.models.T5Tokenizer`, or `None` without one.

    Raises:
        ValueError: If it has more pieces than `vocabulary_size`.
    """
    path = directory / TOKENIZER
    if not path.is_file():
        logger.warning("%s has no %s: without `preprocessor`, no texts", directory, TOKENIZER)
        return None
    tokenizer = keras_hub.models.T5Tokenizer(path.read_bytes())
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
