"""Leaves the sweeps marked ``long`` out of a run that does not ask for them; a tiny network."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import TINY


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
