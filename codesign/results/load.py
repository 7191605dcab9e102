"""Files of results of any kind: designs, evaluations, assignments."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from codesign.errors import SpecError
from codesign.files import expecting, read_json, write_json
from codesign.results import assignment, design, evaluation
from codesign.results.assignment import Assignment
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.stored import Stored
from codesign.specs.accelerator import Accelerator

Result = Design | Evaluation | Assignment
Kind = TypeVar("Kind", bound=Stored)

NAMES: dict[type[Stored], str] = {
    Design: "design",
    Evaluation: "evaluation",
    Assignment: "assignment",
}
FORMATS: dict[type[Stored], ModuleType] = {
    Design: design,
    Evaluation: evaluation,
    Assignment: assignment,
}


def save(result: Stored, path: str | Path) -> None:
    """Write a result's file, whole or not at all."""
    write_json(Path(path), to_dict(result))


def load(kind: type[Kind], path: str | Path) -> Kind:
    """Read the file of a result of one kind."""
    path = Path(path)
    with expecting(path, NAMES[kind]):
        return FORMATS[kind].from_dict(read_json(path), str(path))  # type: ignore[no-any-return]


def load_result(path: str | Path) -> Result:
    """Read a design, evaluation or assignment file.

    Raises
    ------
    SpecError
        Unreadable, or none of these.
    """
    return _load_one_of(Path(path), (Design, Evaluation, Assignment))


def load_on_hardware(path: Path) -> Design | Evaluation:
    """Read the file of a result that has an accelerator.

    Raises
    ------
    SpecError
        Unreadable, or no design or evaluation file.
    """
    found = _load_one_of(path, (Design, Evaluation))
    assert not isinstance(found, Assignment)
    return found


def accelerator_of(path: Path) -> Accelerator:
    """The accelerator of the result in a file; errors are those of `load_on_hardware`."""
    return load_on_hardware(path).accelerator


def load_widths(path: Path) -> Design | Assignment:
    """Read the file of a result that has chosen widths.

    Raises
    ------
    SpecError
        Unreadable, or no design or assignment file.
    """
    found = _load_one_of(path, (Design, Assignment))
    assert not isinstance(found, Evaluation)
    return found


def _load_one_of(path: Path, kinds: tuple[type[Stored], ...]) -> Result:
    with expecting(path, *(NAMES[kind] for kind in kinds)):
        data = read_json(path)
        known = {str(FORMATS[kind].FORMAT): FORMATS[kind] for kind in kinds}
        found = data.get("format") if isinstance(data, dict) else None
        if not isinstance(found, str) or found not in known:
            raise SpecError(f"{path}: format {found!r} is none of {', '.join(known)}")
        return known[found].from_dict(data, str(path))  # type: ignore[no-any-return]


def to_dict(result: Stored) -> dict[str, Any]:
    """The content of a result's file."""
    return FORMATS[type(result)].to_dict(result)  # type: ignore[no-any-return]
