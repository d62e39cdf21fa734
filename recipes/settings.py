"""Whether what an earlier run left was made with the same settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glimmer_keras.utils.manifest import differences


def check_settings(file: Path, kept: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse to go on with an `--output` whose `file` was made with other settings."""
    changed = differences(_flat(kept), _flat(json.loads(json.dumps(asked))))
    if changed:
        raise ValueError(f"`--output` must hold results of the same settings: {file} has {changed}")


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings by dotted name."""
    return dict(_named(settings, ""))


def _named(settings: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _named(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
