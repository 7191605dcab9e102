"""Turns classes into closed, checked, frozen descriptions, and their faults into one clear line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from codesign.errors import SpecError

Described = TypeVar("Described")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def described(kind: type[Described]) -> type[Described]:
    """Make a frozen, keyword-only dataclass that checks every field and refuses unknown ones.

    Building one with a wrong value raises `SpecError` naming the field.
    """
    closed = ConfigDict(extra="forbid")
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=closed)(kind)
    initialise = made.__init__

    @wraps(initialise)
    def checked_init(self: Described, **given: Any) -> None:
        try:
            initialise(self, **given)
        except ValidationError as error:
            raise SpecError(f"{kind.__name__}: {_first_fault(error, made, given)}") from None

    made.__init__ = checked_init
    return made  # type: ignore[no-any-return]


def parse(kind: type[Described], data: Any, where: str) -> Described:
    """Turn parsed data (TOML, JSON) into the description ``kind``.

    Raises
    ------
    SpecError
        Naming ``where``, the entry, and what would be right.
    """
    try:
        return TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        raise SpecError(f"{where}: {_first_fault(error, kind, data)}") from None
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A suggestion for a misspelt word, or the empty string."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def _first_fault(error: ValidationError, kind: Any, data: Any) -> str:
    fault = error.errors(include_url=False)[0]
    place = _place(fault["loc"], data, missing=fault["type"] in ("missing", "missing_argument"))
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys_at(kind, fault["loc"][:-1])
        key = str(fault["loc"][-1])
        return f"{place}: unknown key{nearest(key, known)} (known: {', '.join(known)})"
    if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{place or fault['loc'][-1]}: missing"
    return f"{place or 'file'}: {fault['msg']}, got {_shown(fault['input'])}"


def _place(path: tuple[int | str, ...], data: Any, missing: bool) -> str:
    """``layers[3] ('conv1').K``: the entry of ``data`` a fault's path points to."""
    place = ""
    entry = data
    for step in path:
        if isinstance(step, int):
            place += f"[{step}]"
            entry = entry[step] if isinstance(entry, list) and step < len(entry) else None
            if isinstance(entry, Mapping) and "name" in entry:
                place += f" ({entry['name']!r})"
        elif isinstance(entry, Mapping) and (step in entry or missing):
            place += f".{step}" if place else str(step)
            entry = entry.get(step)
    return place


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(kind: Any, path: tuple[int | str, ...]) -> tuple[str, ...]:
    """Names of the fields of the dataclass found by following ``path`` from ``kind``."""
    for step in path:
        if isinstance(step, str) and is_dataclass(kind) and step in get_type_hints(kind):
            kind = get_type_hints(kind)[step]
        found = _dataclass_in(kind)
        kind = found if found is not None else kind
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


def _dataclass_in(hint: Any) -> Any:
    if is_dataclass(hint):
        return hint
    for part in get_args(hint):
        found = _dataclass_in(part)
        if found is not None:
            return found
    return None
