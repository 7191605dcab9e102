"""The tutorial's notebooks: short, without stale outputs, and of public names alone.

They are executed where the site is built, `test_site.py`.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from sources import ROOT

import codesign

NOTEBOOKS = sorted((ROOT / "studies" / "tutorial").glob("*.ipynb"))
MOST_CELLS = 15
IMPORTED = {"codesign", "pandas", "pathlib", "tempfile"}


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8"))["cells"]


def program(path: Path) -> ast.Module:
    """The code of all cells, magic words left out."""
    code = "".join(
        f"{''.join(cell['source'])}\n" for cell in cells(path) if cell["cell_type"] == "code"
    )
    return ast.parse("\n".join(line for line in code.splitlines() if not line.startswith("%")))


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_holds_no_outputs(path: Path) -> None:
    found = cells(path)
    assert 5 <= len(found) <= MOST_CELLS
    assert found[0]["source"][0].startswith("# ")
    for cell in found:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_public_names_alone(path: Path) -> None:
    nodes = [*ast.walk(program(path))]
    modules = {alias.name for x in nodes if isinstance(x, ast.Import) for alias in x.names}
    modules |= {str(x.module) for x in nodes if isinstance(x, ast.ImportFrom)}
    assert "codesign" in modules <= IMPORTED
    attributes = [x for x in nodes if isinstance(x, ast.Attribute)]
    used = {x.attr for x in attributes if ast.unparse(x.value) == "codesign"}
    assert {"Problem", "solve"} <= used <= {*codesign.__all__}
    assert [x.attr for x in attributes if x.attr.startswith("_")] == []
