from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


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
        warnings.warn(
            f"{module}.{name} is {moved[name]} now; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(home), new)

    return get
