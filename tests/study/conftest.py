"""Stores of studies."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_work import grid, mixed

from codesign.study import Serial


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


@pytest.fixture
def store(path: Path) -> Path:
    """Twelve cells of every status."""
    study = grid(6, quality=["uniform:5", "uniform:6"], square=True)
    study.run(path, executor=Serial(), work=mixed)
    return path
