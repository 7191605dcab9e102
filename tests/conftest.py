"""Leaves out sweeps marked ``long`` that are not asked for; a tiny network, and no solve."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY

from codesign.design import Design
from codesign.errors import SpecError
from codesign.problem import Problem


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect ``long`` tests unless ``-m`` names them."""
    if "long" in config.getoption("markexpr"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    """Path of a network of two small layers."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Instead of a solve: what would have been solved, and how."""
    seen: dict[str, Any] = {}

    def record(problem: Problem, **how: Any) -> Design:
        seen.update(how, problem=problem)
        raise SpecError("recorded")

    monkeypatch.setattr(import_module("codesign.optimum"), "solve", record)
    return seen
