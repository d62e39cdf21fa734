"""YAML of settings: plain values, each name once, nothing that unfolds to more than is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not read", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := {name for name in names if names.count(name) > 1}:
            message = f"{', '.join(sorted(twice))} must be given once"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return super().construct_mapping(node, deep)


def read_settings(path: str | Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML file of names and values.

    Args:
        path: File.
        changes: `part.name=value` each, put over the file's, the value as YAML.

    Raises:
        ValueError: If it is not YAML, a name is given twice, there is an alias, or a change does
            not fit.
    """
    settings = _parse(Path(path).read_bytes(), str(path)) or {}
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must have names in it. Received: {settings!r}")
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise ValueError(f"Changes must be NAME=VALUE. Received: {change}")
        part = settings
        *outer, last = name.strip().split(".")
        for key in outer:
            part = part.setdefault(key, {})
            if not isinstance(part, dict):
                raise ValueError(f"`{key}` must have names in it. Received: {part!r}")
        part[last] = _parse(value, change)
    return settings


def _parse(text: str | bytes, place: str) -> Any:
    try:
        # A subclass of the safe loader, which makes plain values alone.
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{place} must be a file of settings in YAML: {error}") from error
