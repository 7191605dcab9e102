"""Turns classes into closed, checked, frozen descriptions, and their faults into one clear line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, TypeVar, dataclass_transform, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from codesign.errors import SpecError, printable
from codesign.specs.seam import done_by

Described = TypeVar("Described")
UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")
MAX_FAULT = 400  # characters of a message that repeats what a file holds


class Displayed:
    """What shows itself in one line, and in a notebook as tables."""

    @done_by("results.text.displays:line")
    def __repr__(self) -> str:
        """One line."""

    @done_by("results.text.displays:html")
    def _repr_html_(self) -> str:
        """Tables and paragraphs."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def spec_dataclass(kind: type[Described]) -> type[Described]:
    """Make a frozen, keyword-only dataclass that checks every field and refuses unknown ones.

    Building one with a wrong value raises `SpecError` naming the field.
    """
    closed, plain = ConfigDict(extra="forbid"), kind.__repr__ is object.__repr__
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, repr=plain, config=closed)(kind)
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


def require_keys(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Refuse a file's table that lacks one of its keys; none of these has a default there.

    Raises
    ------
    SpecError
        ``<where>.<key>: missing``.
    """
    for key in keys:
        if key not in table:
            raise SpecError(f"{where}.{key}: missing")


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A suggestion for a misspelt word, or the empty string."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def _first_fault(error: ValidationError, kind: Any, data: Any) -> str:
    """The first fault in one line, control characters in names spelled out."""
    text = _fault_text(error, kind, data)
    text = text if len(text) <= MAX_FAULT else f"{text[: MAX_FAULT // 2]} … {text[-100:]}"
    return printable(text)


def _fault_text(error: ValidationError, kind: Any, data: Any) -> str:
    faults = error.errors(include_url=False)
    unknown = [fault for fault in faults if fault["type"] in UNKNOWN_KEY]
    fault = (unknown or faults)[0]  # a misspelt key is also a missing one
    place = _place(fault["loc"], data, missing=fault["type"] in ("missing", "missing_argument"))
    if fault["type"] in UNKNOWN_KEY:
        known = _keys_at(kind, fault["loc"][:-1])
        key = str(fault["loc"][-1])
        return f"{place}: unknown key{nearest(key, known)} (known: {', '.join(known)})"
    if fault["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{place or fault['loc'][-1]}: missing"
    wrong = fault["msg"].removeprefix("Value error, ")
    return f"{place or 'file'}: {wrong}, got {_shown(fault['input'])}"


def _place(path: tuple[int | str, ...], data: Any, missing: bool) -> str:
    """``layers[3] ('conv1').K``: the entry of ``data`` a fault's path points to."""
    place = ""
    entry = data
    for position, step in enumerate(path, 1):
        if isinstance(step, int):
            place += f"[{step}]"
            entry = entry[step] if isinstance(entry, list) and step < len(entry) else None
            if isinstance(entry, Mapping) and "name" in entry:
                place += f" ({entry['name']!r})"
        elif isinstance(entry, Mapping) and (step in entry or (missing and position == len(path))):
            place += f".{step}" if place else str(step)
            entry = entry.get(step)
    return place


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(kind: Any, path: tuple[int | str, ...]) -> tuple[str, ...]:
    """Names of the fields of the dataclass found by following ``path`` from ``kind``.

    Where a field may be one of several dataclasses, the path has the name of the one tried.
    """
    found = _dataclasses_in(kind)
    for step in path:
        named = [part for part in found if part.__name__ == step]
        hints = get_type_hints(found[0]) if found else {}
        found = named or (_dataclasses_in(hints[step]) if step in hints else found)
    return tuple(field.name for field in fields(found[0])) if found else ()


def _dataclasses_in(hint: Any) -> list[Any]:
    if is_dataclass(hint):
        return [hint]
    return [found for part in get_args(hint) for found in _dataclasses_in(part)]


def renamed(content: dict[str, Any], theirs: str, ours: str, where: str) -> Any:
    """Take out what the file calls ``theirs`` and we call ``ours``.

    Raises
    ------
    SpecError
        It is called ``ours``, or missing.
    """
    if ours in content:
        raise SpecError(f"{where}: {ours}: unknown key")
    if theirs not in content:
        raise SpecError(f"{where}: {theirs}: missing")
    return content.pop(theirs)
