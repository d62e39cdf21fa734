from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def warn_renamed(old: str, new: str) -> None:
    """Warn the caller of the function that calls this that `old` is `new` now."""
    warnings.warn(
        f"{old} is {new} now; the old name goes with the next release",
        DeprecationWarning,
        stacklevel=3,
    )


def deprecated_names(module: str, moved: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that keeps names for one release which now live elsewhere.

    Args:
        module: Name of the module that had them.
        moved: For each old name the dotted new one.
    """

    def get(name: str) -> Any:
        if name not in moved:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = moved[name].rpartition(".")
        warn_renamed(f"{module}.{name}", moved[name])
        return getattr(importlib.import_module(home), new)

    return get
