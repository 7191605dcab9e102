"""Files of results of any kind: designs, evaluations, assignments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codesign.errors import SpecError
from codesign.files import expecting, read_json
from codesign.results.assignment import Assignment
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.result_file import ResultFile
from codesign.specs.accelerator import Accelerator

Result = Design | DataflowDesign | Evaluation | Assignment


def load_result(path: str | Path) -> Result:
    """Read a design (of either kind), evaluation or assignment file.

    Raises
    ------
    SpecError
        Unreadable, or none of these.
    """
    found = _load_one_of(Path(path), Design, DataflowDesign, Evaluation, Assignment)
    assert isinstance(found, Result)
    return found


def load_design(path: str | Path) -> Design | DataflowDesign:
    """Read the file of a design of either kind; errors as of `load_result`."""
    found = _load_one_of(Path(path), Design, DataflowDesign)
    assert isinstance(found, Design | DataflowDesign)
    return found


def design_of(content: Mapping[str, Any], where: str) -> Design | DataflowDesign:
    """A design of either kind from the content of its file."""
    kind = DataflowDesign if content.get("format") == DataflowDesign.FORMAT else Design
    return kind.from_dict(content, where)


def load_on_hardware(path: Path) -> Design | Evaluation:
    """Read the file of a result that has an accelerator; errors as of `load_result`."""
    found = _load_one_of(path, Design, Evaluation)
    assert isinstance(found, Design | Evaluation)
    return found


def load_built(path: Path) -> Design | DataflowDesign | Evaluation:
    """Read the file of a result that has hardware of any kind; errors as of `load_result`."""
    found = _load_one_of(path, Design, DataflowDesign, Evaluation)
    assert isinstance(found, Design | DataflowDesign | Evaluation)
    return found


def load_widths(path: Path) -> Design | DataflowDesign | Assignment:
    """Read the file of a result that has chosen widths; errors as of `load_result`."""
    found = _load_one_of(path, Design, DataflowDesign, Assignment)
    assert isinstance(found, Design | DataflowDesign | Assignment)
    return found


def accelerator_of(path: Path) -> Accelerator:
    """The accelerator of the result in a file; errors as of `load_result`."""
    return load_on_hardware(path).accelerator


def _load_one_of(path: Path, *kinds: type[ResultFile]) -> ResultFile:
    with expecting(path, *(kind._kind() for kind in kinds)):
        data = read_json(path)
        known = {kind.FORMAT: kind for kind in kinds}
        found = data.get("format") if isinstance(data, dict) else None
        if not isinstance(found, str) or found not in known:
            raise SpecError(f"{path}: format {found!r} is none of {', '.join(known)}")
        return known[found].from_dict(data, str(path))
