"""Files of results of any kind: designs, evaluations, assignments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from codesign import assignment_file, design_file, evaluation_file
from codesign.assignment import Assignment
from codesign.design import Design
from codesign.errors import SpecError
from codesign.evaluation import Evaluation
from codesign.text_files import read_json

Result = Design | Evaluation | Assignment


def load_result(path: str | Path) -> Result:
    """Read a design, evaluation or assignment file.

    Raises
    ------
    SpecError
        Unreadable, or none of these.
    """
    path = Path(path)
    data = read_json(path)
    known: dict[str, Callable[[Any, str], Result]] = {
        design_file.FORMAT: design_file.from_dict,
        evaluation_file.FORMAT: evaluation_file.from_dict,
        assignment_file.FORMAT: assignment_file.from_dict,
    }
    found = data.get("format") if isinstance(data, dict) else None
    if not isinstance(found, str) or found not in known:
        raise SpecError(f"{path}: format {found!r} is none of {', '.join(known)}")
    return known[found](data, str(path))


def to_dict(result: Result) -> dict[str, Any]:
    """The content of a result's file."""
    if isinstance(result, Design):
        return design_file.to_dict(result)
    if isinstance(result, Evaluation):
        return evaluation_file.to_dict(result)
    return assignment_file.to_dict(result)
