import json
import os
from pathlib import Path
from typing import Any

import keras_hub

from glimmer_keras.data import Corpus, Passage, TokenSpec
from glimmer_keras.serving.description import ASSETS, DESCRIPTION, VERSION
from glimmer_keras.serving.version_directory import newest_version
from glimmer_keras.utils.manifest import read_manifest, sha256


class Exported:
    """What a client reads of an export: sizes, tokenizer, and the passages of the table.

    Args:
        path: `DIR`, whose newest version it is, `DIR/<version>`, or a copy of its `assets.extra`.

    Raises:
        FileNotFoundError: If there is no `serving.json`.
        ValueError: If it is of another format, or the vocabulary is another one.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path).absolute()
        if not (folder / DESCRIPTION).is_file():
            version = folder if folder.name.isdecimal() else newest_version(folder)
            folder = (version or folder) / ASSETS
        if not (folder / DESCRIPTION).is_file():
            raise FileNotFoundError(
                f"`export` must be what `serving.export` wrote. Received: export='{path}'"
            )
        self.folder = folder
        self.description: dict[str, Any] = read_manifest(
            folder, "an export", VERSION, name=DESCRIPTION
        )
        proto = (folder / self.description["tokenizer"]).read_bytes()
        digest = sha256(proto)
        if digest != self.description["fingerprint"]["tokenizer"]:
            raise ValueError(f"{folder}: the tokenizer is not that of the model. SHA-256: {digest}")
        self.tokenizer = keras_hub.models.T5Tokenizer(proto)
        self.spec = TokenSpec(
            tokenize=self.tokenizer,
            fingerprint=digest,
            vocabulary_size=self.description["vocabulary_size"],
            pad_id=self.description["pad_id"],
            end_id=self.description["end_id"],
            start_id=self.description["pad_id"],
        )

    @property
    def name(self) -> str:
        """The name of `DIR`, by which a server calls the model unless it has another."""
        return self.folder.parent.parent.name

    @property
    def version(self) -> int | None:
        """The number of the version, `None` in a copy of the assets alone."""
        number = self.folder.parent.name
        return int(number) if number.isdecimal() and self.folder.name == ASSETS else None

    def table(self) -> Corpus:
        """Read the passages of the table, row by row."""
        with (self.folder / self.description["table"]["file"]).open(encoding="utf-8") as lines:
            return Corpus([Passage(**json.loads(line)) for line in lines])
