"""Whether what an earlier run left was made by the same settings. Shared by recipes."""

import json
from pathlib import Path
from typing import Any


def as_json(settings: dict[str, Any]) -> dict[str, Any]:
    """As they come back from a file: lists for tuples."""
    return json.loads(json.dumps(settings))


def check_settings(file: Path, kept: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse what `file` has of other settings than those that are asked for."""
    for name, (had, wanted) in differences(kept, asked).items():
        raise ValueError(
            f"`--output` must hold results of the same settings: {file} has {name} {had}. "
            f"Received: {wanted}"
        )


def differences(one: Any, other: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two trees of dictionaries differ, by dotted name."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return {} if one == other else {name: (one, other)}
    found = {}
    for key in sorted({*one, *other}):
        inner = f"{name}.{key}" if name else key
        found |= differences(one.get(key), other.get(key), inner)
    return found
