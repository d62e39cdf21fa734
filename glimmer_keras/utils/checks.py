from __future__ import annotations

import operator
from typing import Any


def check_integer(name: str, value: Any, least: int = 1) -> int:
    """Give an argument as an int.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is less than `least`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}") from None
    if number < least:
        raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
    return number
