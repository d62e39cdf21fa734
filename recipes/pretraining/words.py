"""Word embeddings of a pretrained encoder, for another vocabulary and width."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open

NAME = "embeddings.word_embeddings.weight"
SUFFIX, UNKNOWN = "##", "[UNK]"


def word_embeddings(folder: Path, pieces: Sequence[str], dim: int) -> np.ndarray:
    """What a vocabulary starts from: for each piece the mean of an encoder's own pieces of it.

    Args:
        folder: A BERT in Hugging Face's form: `tokenizer.json` and `model.safetensors`.
        pieces: A SentencePiece vocabulary, uncased as BERT's.
        dim: Width, at most the encoder's, to whose main directions the embeddings are turned.

    Returns:
        float32 `(pieces, dim)`, centred, of deviation 1.

    Raises:
        ValueError: If the folder has no word embeddings, or they are too narrow.
    """
    mine, centre = _means(folder, pieces)
    if mine.shape[1] < dim:
        raise ValueError(
            f"The word embeddings of {folder} must be at least as wide as the reader, {dim}. "
            f"Received: {mine.shape[1]}"
        )
    mine -= centre
    directions = np.linalg.svd(mine, full_matrices=False)[2][:dim]
    turned = mine @ directions.T
    return (turned / turned.std()).astype("float32")


def piece_embeddings(folder: Path, pieces: Sequence[str]) -> np.ndarray:
    """The same in the encoder's own space and width, float32 `(pieces, width)`."""
    return _means(folder, pieces)[0]


def _means(folder: Path, pieces: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings `(pieces, width)` of pieces, and the mean of those that the encoder knows."""
    numbers = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    with safe_open(folder / "model.safetensors", "numpy") as file:
        names = [name for name in file.keys() if name.endswith(NAME)]  # noqa: SIM118
        if not names:
            raise ValueError(f"{folder} must hold a tensor {NAME}. Received: {sorted(file.keys())}")
        theirs = file.get_tensor(names[0]).astype("float32")
    rows = [wordpieces(piece, numbers) for piece in pieces]
    known = np.array([numbers[UNKNOWN] not in row for row in rows])
    if not known.any():
        raise ValueError(f"{folder} must have words of the text. Received: none of its vocabulary")
    mine = np.stack([theirs[row].mean(0) for row in rows])
    centre = mine[known].mean(0)
    # Symbols and bytes have none, and are not to be taken for each other.
    drawn = np.random.default_rng(0).normal(size=mine.shape).astype("float32")
    mine[~known] = centre + mine[known].std(0) * drawn[~known]
    return mine, centre


def wordpieces(piece: str, numbers: dict[str, int]) -> list[int]:
    """The longest pieces of WordPiece, from the left; the unknown one for what has none."""
    prefix = "" if piece.startswith("▁") else SUFFIX
    rest, found = piece.lstrip("▁"), []
    while rest:
        for end in range(len(rest), 0, -1):
            if (number := numbers.get(prefix + rest[:end])) is not None:
                found.append(number)
                rest, prefix = rest[end:], SUFFIX
                break
        else:
            if prefix and not found and rest in numbers:
                return [numbers[rest]]
            return [numbers[UNKNOWN]]
    return found or [numbers[UNKNOWN]]
