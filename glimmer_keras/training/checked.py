"""Frozen dataclasses of settings that check themselves however they are made, by pydantic."""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

T = TypeVar("T")


def as_number(value: Any) -> Any:
    """`1/3` and `1e-4`, which YAML takes for texts, as numbers; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value)) if "/" in value else float(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        return value


def _folder(path: str) -> str:
    if not Path(path).is_dir():
        raise ValueError(f"must be a folder. Received: {path!r}")
    return path


def _as_text(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _setting(value: Any) -> Any:
    value = as_number(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be finite. Received: {value}")
    return value


Count = Annotated[int, Field(ge=1)]
Number = Annotated[float, BeforeValidator(as_number), Field(allow_inf_nan=False)]
Weight = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Folder = Annotated[str, BeforeValidator(_as_text), AfterValidator(_folder)]
Setting = Annotated[Any, BeforeValidator(_setting)]


@dataclass_transform(frozen_default=True)
def checked(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass that raises ValueError in the house's words.

    A value must be of its field's type: no text for a number, no `1` for `True`. Names that are
    not known are errors that tell the nearest one.
    """
    config = ConfigDict(extra="forbid", strict=True)
    made: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=config)(cls)
    initialize = made.__init__
    names = [field.name for field in dataclasses.fields(made)]

    def __init__(self: Any, *args: Any, **values: Any) -> None:
        try:
            initialize(self, **dict(zip(names, args, strict=False)), **values)
        except ValidationError as error:
            sentences = {str(e["loc"][:1]): _sentence(e, names) for e in reversed(error.errors())}
            raise ValueError("; ".join(reversed(sentences.values()))) from None

    made.__init__ = __init__
    return made


def unknown_name(place: str, name: str, names: Iterable[str]) -> str:
    """The sentence about a name that is none of some."""
    near = difflib.get_close_matches(name, list(names), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(names))}."
    return f"`{place}` is not a setting. {hint}"


def _sentence(error: Any, names: list[str]) -> str:
    """One of pydantic's errors in our words."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    place = ".".join(str(part) for part in error["loc"][:1])
    hint = ""
    if kind == "unexpected_keyword_argument":
        return unknown_name(place, place, names)
    if kind == "missing":
        return f"`{place}` must be given."
    if kind == "value_error":
        text = str(context["error"])
        return text if text.startswith("`") else f"`{place}` {text}"
    if kind == "greater_than_equal":
        expected = f"at least {context['ge']:g}"
    elif kind == "greater_than":
        expected = f"over {context['gt']:g}"
    elif kind == "literal_error":
        expected = f"one of {context['expected']}"
        near = difflib.get_close_matches(str(value), context["expected"].split("'")[1::2], n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
    elif kind.endswith("_type"):
        expected = {"string": "str"}.get(kind.removesuffix("_type"), kind.removesuffix("_type"))
    else:
        expected = error["msg"].removeprefix("Input should be ")
    return f"`{place}` must be {expected}. Received: {value!r}{hint}"
