"""Which tests run, in how many processes; a tiny network, and no solve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY
from study_work import LOG

from codesign.errors import SpecError
from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.specs.load import load_network

pytest.register_assert_rewrite(
    *("compare_designs", "compare_explanations", "compare_fronts", "compare_fused")
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each processor where the whole suite runs; named files need no other."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return (os.cpu_count() or 1) if everything else 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Run what is marked ``alone`` in a process that is no worker of pytest-xdist."""
    if "PYTEST_XDIST_WORKER" not in os.environ or not item.get_closest_marker("alone"):
        return None
    place = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**place)
    call = pytest.CallInfo.from_call(lambda: run_alone(item), "call")
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(**place)
    return True


def run_alone(item: pytest.Item) -> None:
    """Run one test by a pytest of its own; what that prints is told if it fails."""
    words = ("-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", item.nodeid)
    usual = {name: x for name, x in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        [sys.executable, *words],
        cwd=item.config.rootpath,
        env=usual,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


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

    monkeypatch.setattr(import_module("codesign.tasks.solve"), "solve", record)
    return seen


@pytest.fixture(scope="session")
def few_arrays() -> Problem:
    """ResNet-18 on a few arrays: a second at most, with several options in contention."""
    return Problem(
        network=load_network("resnet18"),
        choices=Choices(rows=(8, 16, 32), cols=(32, 64), pe_weight_bits=(7, 8)),
        quality="uniform:6",
        budgets={"area_mm2": 6.0},
    )


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a study's made-up work notes what it begins."""
    path = tmp_path / "begun.txt"
    path.touch()
    monkeypatch.setenv(LOG, str(path))
    return path


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, even by what a shell runs in the background."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, usual) is signal.default_int_handler
