"""``codesign pareto``: what each option means, its files, exit codes and errors."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import SMALL, refused, run

from codesign import Design, Front, pareto
from codesign.cli.app import main
from codesign.errors import SpecError
from codesign.problem.problem import Problem

AREA = ("--range", "area=0.002:0.2")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Instead of a front: what would have been looked for, and how."""
    seen: dict[str, Any] = {}

    def record(problem: Problem, objectives: list[str], points: int | None, **how: Any) -> Front:
        seen.update(how, problem=problem, objectives=objectives, points=points)
        raise SpecError("recorded")

    monkeypatch.setattr(import_module(pareto.__module__), "pareto", record)
    return seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"objectives": ["latency_s", "area_mm2"], "points": 20, "ranges": {}}),
        (["--objectives", "dram,noise,bops"], {"objectives": ["dram_bits", "noise", "bops"]}),
        (["--points", "7", "--time-limit-s", "3"], {"points": 7, "time_limit_s": 3.0}),
        (["--all"], {"points": None, "rel_step": 0.0}),
        (["--all", "--rel-step", "1e-3"], {"points": None, "rel_step": 1e-3}),
        (
            ["--range", "area=1:16", "--range", "latency=0.5:2"],
            {"ranges": {"area_mm2": (1.0, 16.0), "latency_s": (0.5e-3, 2e-3)}},
        ),
    ],
)
def test_option_reaches_the_front(
    asked: dict[str, Any], tiny: str, arguments: list[str], expected: dict[str, Any]
) -> None:
    assert main(["pareto", tiny, *arguments]) == 2
    assert {name: asked[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arguments", "quality"),
    [
        ([], "uniform:6"),
        (["--objectives", "latency,noise"], None),
        (["--objectives", "area,latency,noise", "--quality", "uniform:4"], "uniform:4"),
        (["--max-noise", "1"], None),
    ],
)
def test_quality_is_assumed_unless_noise_is_an_objective(
    asked: dict[str, Any], tiny: str, arguments: list[str], quality: str | None
) -> None:
    assert main(["pareto", tiny, *arguments]) == 2
    assert asked["problem"].quality == quality


def test_front_is_printed_and_written(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    table, plot, folder = tmp_path / "front.csv", tmp_path / "front.svg", tmp_path / "designs"
    files = ("--out", str(table), "--plot", str(plot), "--designs", str(folder))
    code, out, err = run(capsys, "pareto", tiny, *SMALL, *AREA, "--points", "4", *files)
    assert (code, err) == (0, "")
    assert out.startswith("tiny on tsmc28: latency, area, noise ≤ ")
    assert "knee" in out
    assert "\x1b" not in out
    points = pd.read_csv(table)
    designs = [Design.load(path) for path in sorted(folder.iterdir())]
    assert len(points) == len(designs) > 2
    assert [d.metrics["latency_s"] for d in designs] == pytest.approx(points["latency_s"].tolist())
    assert points["latency_s"].is_monotonic_increasing
    assert points["area_mm2"].is_monotonic_decreasing
    assert (points["area_mm2"] <= 0.2).all()
    assert plot.read_text().lstrip().startswith("<?xml")


def test_complete_front_says_so(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    words = ("pareto", tiny, *SMALL, "--objectives", "latency,noise", "--max-area-mm2", "0.1")
    code, out, err = run(capsys, *words, "--all", "--quiet")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert "all" not in out
    assert "the complete front" in out
    code, out, err = run(capsys, *words, "--points", "3", "--quiet")
    assert (code, err) == (0, "")
    assert "unknown: " in out


def test_unproven_point_is_told_by_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny: str
) -> None:
    module = import_module(pareto.__module__)

    def unproven(*given: Any, **how: Any) -> Front:
        front = pareto(*given, **how)
        first = front.designs[0]
        proof = replace(
            first.proof, status="feasible", bound=first.proof.bound / 2, gap=0.5, ended=None
        )
        return replace(front, designs=(replace(first, proof=proof), *front.designs[1:]))

    monkeypatch.setattr(module, "pareto", unproven)
    code, out, err = run(capsys, "pareto", tiny, *SMALL, *AREA, "--points", "2")
    assert (code, err) == (4, "")
    assert "feasible" in out
    assert "1 proven" in out


def test_infeasible_low_end_is_noted(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    words = ("pareto", tiny, *SMALL, "--points", "3", "--range", "area=0.0001:0.1")
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "note: infeasible: area ≤ 0.0001 mm²" in out


def test_infeasible_range(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    err = refused(capsys, "pareto", tiny, *SMALL, "--range", "area=0.0001:0.001", code=3)
    assert err.startswith("codesign: infeasible: no design keeps area at most 0.001 mm²")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--objectives", "latency"], "write two or three different ones, as in latency,area"),
        (["--objectives", "latency,latency"], "write two or three different ones"),
        (["--objectives", "latency,area,noise,dram"], "write two or three different ones"),
        (["--objectives", "latency,aera"], "'aera' is none of latency, area, lut, dsp, bram, dram"),
        (["--objectives", "latency,aera"], "(did you mean area?)"),
        (["--points", "1"], "'--points': 1 is not in the range"),
        (["--objectives", "latency,area,noise", "--points", "2"], "points: at least 3"),
        (["--points", "5", "--all"], "--points and --all contradict each other"),
        (["--rel-step", "0.1"], "--rel-step says how far --all goes; give both"),
        (["--all", "--rel-step", "1"], "'1' is not between 0 and 0.999999"),
        (["--range", "area"], "write OBJECTIVE=LOW:HIGH, as in area=1:16"),
        (["--range", "aera=1:2"], "write OBJECTIVE=LOW:HIGH, as in area=1:16"),
        (["--range", "area=2:1"], "the lower end comes first"),
        (["--range", "area=1:x"], "'x' is not a number"),
        (["--range", "noise=1:2"], "--range noise: no objective (latency, area)"),
        (["--range", "area=1:2", "--range", "area=2:3"], "--range area: given twice"),
        (["--minimize", "area"], "No such option"),
        (["--plot", "front.jpeg"], "must end in .png, .pdf, .svg"),
        (["--designs", "NETWORK"], "not a folder"),
        (["--out", "NETWORK"], "given twice, for two different files"),
        (["--out", "no/such/folder.csv"], "cannot be written: no folder"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], tiny: str, arguments: list[str], told: str
) -> None:
    words = [word.replace("NETWORK", tiny) for word in arguments]
    err = refused(capsys, "pareto", tiny, *SMALL, *words)
    assert err.startswith("codesign: error: ")
    assert told in err
