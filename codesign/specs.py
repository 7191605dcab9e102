"""Reads the descriptions in ``models/`` or in a file of the user's, and refuses what is not right.

The schema of a file is the dataclass it becomes; there is no second one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from codesign.errors import SpecError
from codesign.network import Network
from codesign.technology import Memory, Technology

Spec = TypeVar("Spec")

MAX_FILE_BYTES = 64 * 2**20


@cache
def models_folder() -> Path:
    """The folder of shipped descriptions, installed inside the package or beside it."""
    installed = Path(str(files("codesign"))) / "models"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "models"


def shipped(kind: str) -> tuple[str, ...]:
    """Names of the shipped descriptions of a kind: networks, technologies or memories."""
    return tuple(sorted(path.stem for path in (models_folder() / kind).glob("*.toml")))


def load_network(name_or_path: str | Path) -> Network:
    """Read a network: a string is a shipped name, a ``Path`` is a TOML file.

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together.
    """
    return _load("networks", Network, name_or_path)


def load_technology(name_or_path: str | Path, sram: str | None = None) -> Technology:
    """Read a technology, optionally with another of its SRAM kinds (``"dual-port"``).

    Raises
    ------
    SpecError
        Unknown name or SRAM kind, unreadable file, or a description that does not hold together.
    """
    technology = _load("technologies", Technology, name_or_path)
    return technology if sram is None else technology.with_sram(sram)


def load_memory(name_or_path: str | Path) -> Memory:
    """Read a DRAM interface: a string is a shipped name, a ``Path`` is a TOML file.

    Raises
    ------
    SpecError
        Unknown name, unreadable file, or a description that does not hold together.
    """
    return _load("memories", Memory, name_or_path)


def nearest(word: str, known: tuple[str, ...]) -> str:
    """A suggestion for a misspelt word, or the empty string."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def checked(kind: type[Spec], data: Mapping[str, Any], where: str) -> Spec:
    """Turn parsed data into the dataclass ``kind``.

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


def read_text(path: Path) -> str:
    """The text of a file of sensible size.

    Raises
    ------
    SpecError
        Missing, unreadable, not UTF-8, or over 64 MiB.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SpecError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecError(f"{path}: cannot be read: {reason}") from None


def _load(kind: str, spec: type[Spec], name_or_path: str | Path) -> Spec:
    if isinstance(name_or_path, Path):
        path = name_or_path
    else:
        known = shipped(kind)
        if name_or_path not in known:
            raise SpecError(
                f"{kind}: no {name_or_path!r}{nearest(name_or_path, known)} "
                f"(shipped: {', '.join(known)})"
            )
        path = models_folder() / kind / f"{name_or_path}.toml"
    try:
        data = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a description: nested too deeply") from None
    return checked(spec, data, str(path))


def _first_fault(error: ValidationError, kind: type[Any], data: Mapping[str, Any]) -> str:
    fault = error.errors(include_url=False)[0]
    place = ""
    entry: Any = data
    for step in fault["loc"]:
        if isinstance(step, int):
            place += f"[{step}]"
            entry = entry[step] if isinstance(entry, list) and step < len(entry) else None
            if isinstance(entry, dict) and "name" in entry:
                place += f" ({entry['name']!r})"
        elif isinstance(entry, dict) and (step in entry or fault["type"] == "missing"):
            place += f".{step}" if place else str(step)
            entry = entry.get(step)
    if fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys_at(kind, fault["loc"][:-1])
        key = str(fault["loc"][-1])
        return f"{place}: unknown key{nearest(key, known)} (known: {', '.join(known)})"
    if fault["type"] in ("missing", "missing_argument"):
        return f"{place}: missing"
    return f"{place or 'file'}: {fault['msg']}, got {_shown(fault['input'])}"


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
