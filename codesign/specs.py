"""Reads the descriptions in ``models/`` or in a file of the user's, and refuses what is not right.

The schema of a file is the dataclass it becomes; there is no second one.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from codesign.errors import SpecError
from codesign.network import Network
from codesign.schema import nearest, parse
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
    elif not isinstance(name_or_path, str):
        raise SpecError(f"{kind}: give a shipped name or a Path, not {name_or_path!r}")
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
    except ValueError as error:  # malformed, or a number of thousands of digits
        raise SpecError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: not a description: nested too deeply") from None
    return parse(spec, data, str(path))
