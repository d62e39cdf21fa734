"""The file of a store that holds the codebooks of its product quantisation."""

from __future__ import annotations

import os

from glimmer_keras.memory.manifest import Settings
from glimmer_keras.memory.product_quantizer import ProductQuantizer
from glimmer_keras.utils.location import Location
from glimmer_keras.utils.manifest import CorruptFileError

CODEBOOKS = "codebooks"


def has_codebooks(path: str | os.PathLike[str]) -> bool:
    """Tell whether there is a store, unfinished or not, with codebooks."""
    return Location(path).exists(CODEBOOKS)


def read_quantizer(location: Location, settings: Settings) -> ProductQuantizer | None:
    """Read the codebooks of a store; `None` where it needs none.

    Raises:
        CorruptFileError: If there are none, or of another size, where they must be.
    """
    if not settings.is_product:
        return None
    content, _ = location.read(CODEBOOKS)
    try:
        return ProductQuantizer.from_bytes(content or b"", settings.stored[1], settings.hidden_dim)
    except ValueError as error:
        raise CorruptFileError(f"{location.name(CODEBOOKS)} is damaged: {error}") from error


def write_codebooks(
    location: Location, settings: Settings, quantizer: ProductQuantizer | None
) -> None:
    """Write the codebooks of an unfinished store, or compare with those it has.

    Raises:
        ValueError: If there are none, or they are not of the store's width and bytes a token, or
            the store has others.
    """
    existing, _ = location.read(CODEBOOKS)
    if quantizer is None:
        if existing is None:
            raise ValueError(
                f"`quantizer` must be given for a new store of dtype={settings.dtype!r}. "
                "Received: None"
            )
        return
    expected = settings.stored[1], settings.hidden_dim
    received = len(quantizer.codebooks), quantizer.dim
    if received != expected:
        raise ValueError(
            f"`quantizer` must have {expected[0]} codes for {expected[1]} numbers. "
            f"Received: {received[0]} for {received[1]}"
        )
    content = quantizer.to_bytes()
    if existing not in (None, content):
        raise ValueError(
            f"`quantizer` must be the one that the unfinished store {location.path} has. "
            "Received: other codebooks"
        )
    location.write(CODEBOOKS, content)
