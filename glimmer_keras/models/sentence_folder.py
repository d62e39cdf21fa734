"""A folder as sentence-transformers keeps an encoder of texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glimmer_keras.models.tensor_files import read_json

TRANSFORMER, POOLING, PROJECTION, NORMALIZE = "Transformer", "Pooling", "Dense", "Normalize"
MODES = {"mean_tokens": "mean", "cls_token": "cls"}
LONGEST = 10**6
# Names of the prompt of passages, as sentence-transformers looks for them.
PASSAGE_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True)
class SentenceFolder:
    """What a folder says of an encoder.

    Args:
        root: Where the transformer is.
        config: What its `config.json` says.
        pooling: `"mean"` of the tokens, or `"cls"`, the first.
        projection: Where the projection is, if there is one, without bias and activation.
        normalize: Whether vectors have length 1: if it says so, or compares by cosine.
        query_prompt, passage_prompt: What is put before texts.
        sequence_length: The most tokens of a text, if it says so.
        lowercase: Whether texts are put in small letters.
    """

    root: Path
    config: dict[str, Any]
    pooling: str
    projection: Path | None
    normalize: bool
    query_prompt: str
    passage_prompt: str
    sequence_length: int | None
    lowercase: bool

    @classmethod
    def read(cls, folder: str | Path) -> SentenceFolder:
        """Read a folder.

        Raises:
            FileNotFoundError: If a file is absent.
            ValueError: If it has other modules, or pools in another way.
        """
        folder = Path(folder)
        modules = read_file(folder / "modules.json", list)
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        paths = {kind: folder / module["path"] for kind, module in zip(kinds, modules, strict=True)}
        if kinds[:2] != [TRANSFORMER, POOLING] or kinds[2:] not in (
            *([], [NORMALIZE]),
            *([PROJECTION], [PROJECTION, NORMALIZE]),
        ):
            raise ValueError(
                f"{folder / 'modules.json'}: modules must be Transformer, Pooling, Dense (or none) "
                f"and Normalize (or none). Received: {', '.join(kinds)}"
            )
        settings = _read_optional(folder / "config_sentence_transformers.json")
        prompts = settings.get("prompts") or {}
        usual = prompts.get(settings.get("default_prompt_name"), "")
        passage = [prompts[name] for name in PASSAGE_PROMPTS if name in prompts]
        pooling = read_file(paths[POOLING] / "config.json")
        if any(prompts.values()) and not pooling.get("include_prompt", True):
            raise ValueError(
                f"{paths[POOLING]}: pooling must include prompts. Received: include_prompt=False"
            )
        root = paths[TRANSFORMER]
        limits = _read_optional(root / "sentence_bert_config.json")
        length = int(_read_optional(root / "tokenizer_config.json").get("model_max_length") or 0)
        return cls(
            root,
            read_file(root / "config.json"),
            _pooling(paths[POOLING], pooling),
            paths.get(PROJECTION),
            NORMALIZE in kinds or settings.get("similarity_fn_name") in (None, "cosine"),
            prompts.get("query", usual),
            passage[0] if passage else usual,
            # Since 6 the tokenizer's limit, which is huge where there is none.
            limits.get("max_seq_length") or (length if 0 < length < LONGEST else None),
            bool(limits.get("do_lower_case", False)),
        )

    def projection_dim(self, hidden_dim: int) -> int | None:
        """Width of the projection; `None` if there is none.

        Raises:
            ValueError: If it is not a matrix from `hidden_dim` alone.
        """
        if self.projection is None:
            return None
        config = read_file(self.projection / "config.json")
        activation = config.get("activation_function", "Identity").rpartition(".")[2]
        received = config.get("bias", True), activation, config.get("in_features")
        if received != (False, "Identity", hidden_dim):
            raise ValueError(
                f"{self.projection}: the projection must be from {hidden_dim} features, without "
                f"bias and activation. Received: {config}"
            )
        return int(config["out_features"])


def _pooling(folder: Path, config: dict[str, Any]) -> str:
    start = "pooling_mode_"
    modes = {name.removeprefix(start) for name, on in config.items() if on and start in name}
    if isinstance(mode := config.get("pooling_mode"), str):  # the form since 5
        modes = {f"{mode}_token" if mode == "cls" else f"{mode}_tokens"}
    if len(modes) != 1 or not modes <= set(MODES):
        raise ValueError(
            f"{folder}: pooling must be the mean of tokens or the first. Received: {sorted(modes)}"
        )
    return MODES[modes.pop()]


def read_file(path: Path, kind: type = dict) -> Any:
    """Read the JSON of a file that must be there."""
    return read_json(needed(path), kind)


def needed(path: Path) -> Path:
    """The path of a file that must be there."""
    if not path.is_file():
        raise FileNotFoundError(
            f"`folder` must be of sentence-transformers, with weights in safetensors and the file "
            f"{path.name}. Received: no {path}"
        )
    return path


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
