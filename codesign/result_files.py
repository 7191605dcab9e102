"""Files of results of any kind: designs, evaluations, assignments."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from codesign import assignment_file, design_file, evaluation_file
from codesign.assignment import Assignment
from codesign.design import Design
from codesign.errors import SpecError
from codesign.evaluation import Evaluation
from codesign.stored import Stored
from codesign.text_files import read_json, write_json

Result = Design | Evaluation | Assignment
Kind = TypeVar("Kind", bound=Stored)

ROOMS: dict[type[Stored], ModuleType] = {
    Design: design_file,
    Evaluation: evaluation_file,
    Assignment: assignment_file,
}


def save(result: Stored, path: Path) -> None:
    """Write a result's file, whole or not at all."""
    write_json(path, to_dict(result))


def load(kind: type[Kind], path: Path) -> Kind:
    """Read the file of a result of one kind."""
    return ROOMS[kind].from_dict(read_json(path), str(path))  # type: ignore[no-any-return]


def load_result(path: str | Path) -> Result:
    """Read a design, evaluation or assignment file.

    Raises
    ------
    SpecError
        Unreadable, or none of these.
    """
    path = Path(path)
    data = read_json(path)
    known = {str(room.FORMAT): room for room in ROOMS.values()}
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(found, str) or found not in known:
        raise SpecError(f"{path}: format {found!r} is none of {', '.join(known)}")
    return known[found].from_dict(data, str(path))  # type: ignore[no-any-return]


def to_dict(result: Stored) -> dict[str, Any]:
    """The content of a result's file."""
    return ROOMS[type(result)].to_dict(result)  # type: ignore[no-any-return]
