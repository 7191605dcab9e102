"""The command line: what each option means, and every exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command_line import BUDGET, SMALL, TINY, run

from codesign.cli import solve_options
from codesign.cli.app import main
from codesign.errors import SolverError
from codesign.problem.choices import DEFAULT_BITS, DEFAULT_SIDES
from codesign.problem.metrics import INTERVAL, SEARCHED, WORDS
from codesign.problem.problem import Problem
from codesign.problem.words import LIMITS
from codesign.results.design import Design
from codesign.results.records import ProofRecord
from codesign.specs import load
from codesign.specs.load import load_network, load_technology
from codesign.units import conflict_texts

pytestmark = pytest.mark.smoke


def problem_of(asked: dict[str, Any], *arguments: str) -> Problem:
    assert main(["solve", *arguments]) == 2
    problem = asked.pop("problem")
    assert isinstance(problem, Problem)
    return problem


def test_defaults_shown_are_those_of_the_library(asked: dict[str, Any], tiny: str) -> None:
    assert ",".join(map(str, DEFAULT_BITS)) == solve_options.BITS
    assert ",".join(map(str, DEFAULT_SIDES)) == solve_options.SIDES
    assert sorted(WORDS.values()) == sorted(SEARCHED)
    assert sorted(metric for metric, _ in LIMITS.values()) == sorted([*SEARCHED, INTERVAL])
    network = load_network(Path(tiny))
    assert problem_of(asked, tiny) == Problem(network=network, quality="uniform:6")
    assert asked["method"] == "search"
    assert asked["time_limit_s"] is None
    assert asked["rel_gap"] == 1e-6
    assert callable(asked["on_progress"])


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--clock-mhz", "100"], "clock_hz", 1e8),
        (["--dram-gbit-per-s", "10"], "dram_bits_per_s", 1e10),
        (["--memory", "hbm2"], "dram_bits_per_s", 2.048e12),
        (["--area-overhead", "1.5"], "area_overhead", 1.5),
        (["--technology", "tsmc28"], "technology", load_technology("tsmc28")),
        (["--sram", "dual-port"], "technology", load_technology("tsmc28", "dual-port")),
        (["--minimize", "area"], "objective", "area_mm2"),
        (["--minimize", "interval"], "objective", "latency_s"),
        (
            ["--max-noise", "1", "--max-interval-ms", "2"],
            "budgets",
            {"noise": 1, "latency_s": 2e-3},
        ),
        (["--quality", "uniform:5"], "quality", "uniform:5"),
        (["--quality", "none"], "quality", None),
        (["--max-noise", "0.5"], "quality", None),
        (["--max-noise", "0.5"], "budgets", {"noise": 0.5}),
        (["--quality", "none", "--max-noise", "0.5"], "budgets", {"noise": 0.5}),
        (["--minimize", "noise"], "quality", None),
        (["--minimize", "noise", "--quality", "uniform:5"], "quality", "uniform:5"),
        (
            [
                *("--quality", "none", "--max-area-mm2", "6", "--max-latency-ms", "2"),
                *("--max-dram-mbit", "3", "--max-model-mbit", "4", "--max-gbops", "5"),
            ],
            "budgets",
            {
                "area_mm2": 6,
                "latency_s": 2e-3,
                "dram_bits": 3e6,
                "model_bits": 4e6,
                "bops": 5e9,
            },
        ),
    ],
)
def test_option_reaches_the_problem(
    asked: dict[str, Any], tiny: str, arguments: list[str], name: str, value: object
) -> None:
    assert getattr(problem_of(asked, tiny, *arguments), name) == value


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--bits", "8,4,4"], {"weight_bits": (4, 8), "activation_bits": (4, 8)}),
        (["--weight-bits", "4"], {"weight_bits": (4,), "activation_bits": DEFAULT_BITS}),
        (["--activation-bits", "4"], {"weight_bits": DEFAULT_BITS, "activation_bits": (4,)}),
        (["--pe-bits", "8"], {"pe_weight_bits": (8,), "pe_activation_bits": (8,)}),
        (
            ["--pe-weight-bits", "9", "--bits", "4, 6"],
            {"pe_weight_bits": (9,), "pe_activation_bits": (4, 6)},
        ),
        (
            ["--pin", "weight:conv1=10", "--pin", "tensor:a=7", "--bits", "4"],
            {"pinned": {"weight:conv1": 10, "tensor:a": 7}, "pe_weight_bits": (4, 10)},
        ),
        (["--rows", "3", "--cols", "4,5"], {"rows": (3,), "cols": (4, 5), "square": False}),
        (["--rows", "3,5", "--square"], {"rows": (3, 5), "cols": (3, 5), "square": True}),
        (["--rows", "3,5", "--cols", "5,6", "--square"], {"rows": (3, 5), "cols": (5, 6)}),
        (["--output-bits", "5", "--precision", "multi-pass"], {"output_bits": 5}),
        (["--precision", "multi-pass"], {"precision": "multi-pass"}),
    ],
)
def test_option_reaches_the_choices(
    asked: dict[str, Any], tiny: str, arguments: list[str], expected: dict[str, object]
) -> None:
    choices = problem_of(asked, tiny, *arguments).choices
    assert {name: getattr(choices, name) for name in expected} == expected


def test_search_options_reach_the_solve(asked: dict[str, Any], tiny: str) -> None:
    words = ("--method", "whole", "--time-limit-s", "9", "--rel-gap", "0.1", "--quiet")
    problem_of(asked, tiny, *words)
    assert asked == {
        "method": "whole",
        "solver": "highs",
        "time_limit_s": 9.0,
        "rel_gap": 0.1,
        "ties": "break",
        "on_progress": None,  # --quiet
    }


def test_paths_for_technology_and_memory(
    asked: dict[str, Any], tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.toml").write_text(
        'name = "slow"\ntransfer_rate_gt_per_s = 0.5\nbus_width_bits = 8\n'
    )
    (tmp_path / "process").write_text(
        (load.models_folder() / "technologies" / "tsmc28.toml").read_text()
    )
    monkeypatch.chdir(tmp_path)
    problem = problem_of(asked, tiny, "--memory", "slow.toml", "--technology", "./process")
    assert problem.dram_bits_per_s == 4e9
    assert problem.technology.name == "tsmc28"


def test_proven_design_is_printed(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, err = run(capsys, "solve", tiny, *SMALL, *BUDGET)
    assert (code, err) == (0, "")
    assert "tiny on tsmc28: least latency with area ≤ 0.1 mm²" in out
    assert "\noptimal: latency" in out
    for line in ("PE array", "SRAM", "conv1", "fc", "model size", "bit operations"):
        assert f"\n{line}" in out
    assert "\x1b" not in out


def test_quiet_prints_one_line(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--quiet")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert out.startswith("optimal, gap ")
    assert ": latency " in out


def test_json_is_the_design_file(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    path = tmp_path / "design.json"
    assert run(capsys, "solve", tiny, *SMALL, *BUDGET, "--out", str(path))[0] == 0
    code, out, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--json")
    assert (code, err) == (0, "")
    printed, written = json.loads(out), json.loads(path.read_text())
    for design in (printed, written):
        design["solver"].pop("seconds")
    assert printed == written
    assert Design.load(path).problem.network.name == "tiny"


@pytest.mark.slow
def test_plot_is_written(capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "design.svg"
    assert run(capsys, "solve", tiny, *SMALL, "--quiet", "--plot", str(path))[0] == 0
    assert path.read_text().lstrip().startswith("<?xml")


def test_unproven_design_is_never_called_optimal(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("codesign.tasks.solve")
    true_solve = module.solve

    def unproven(problem: Problem, **how: Any) -> Design:
        design = true_solve(problem, **how)
        best = design.proof.objective
        record = ProofRecord(status="feasible", objective=best, bound=best / 2, gap=0.5)
        return replace(design, proof=record)

    monkeypatch.setattr(module, "solve", unproven)
    for extra in ([], ["--quiet"]):
        code, out, err = run(capsys, "solve", tiny, *SMALL, *extra)
        assert (code, err) == (4, "")
        assert "feasible" in out
        assert "gap 50 %" in out
        assert "optimal" not in out


def test_no_design_in_time(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(problem: Problem, **how: Any) -> Design:
        raise SolverError("no design found")

    monkeypatch.setattr(import_module("codesign.tasks.solve"), "solve", too_slow)
    assert run(capsys, "solve", tiny) == (5, "", "codesign: error: no design found\n")


def test_interrupt(
    capsys: pytest.CaptureFixture[str], tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(problem: Problem, **how: Any) -> Design:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("codesign.tasks.solve"), "solve", interrupted)
    assert run(capsys, "solve", tiny) == (130, "", "codesign: interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (["--quality", "none", "--max-area-mm2", "0.0001"], "area at most 0.0001 mm²", False),
        (["--bits", "2,3"], "noise at most", True),
        (["--bits", "2,3", "--quality", "uniform:6"], "noise at most", False),
        (["--max-area-mm2", "0.01", "--max-latency-ms", "5e-4"], "these budgets clash", True),
    ],
)
def test_infeasible_is_one_line(
    capsys: pytest.CaptureFixture[str], tiny: str, arguments: list[str], told: str, hint: bool
) -> None:
    """One line, and below it the same as a table where several budgets take part."""
    asked = ("solve", tiny, "--rows", "1,2", "--cols", "1,2", *arguments)
    code, out, err = run(capsys, *asked)
    assert (code, out) == (3, "")
    line, *table = err.splitlines()
    assert line.startswith("codesign: infeasible: ")
    assert told in line
    assert ("the limit on noise is the default --quality uniform:6" in line) == hint
    if not told.startswith("these"):
        assert not table
        return
    headings = " ".join(" ".join(table[:3]).split())
    assert headings == "least least with budget asked alone the others"
    rows = {cells[0]: cells[1:] for cells in map(str.split, table[4:])}
    assert [*rows] == ["area", "latency", "noise"]
    for name, cells in rows.items():
        sign, limit, _, alone, _, least, *unit = cells
        assert (sign, cells[2], cells[4]) == ("≤", "≥", "≥")
        shown = (
            f"{name} at most {' '.join([limit, *unit])} (alone at least {' '.join([alone, *unit])}"
        )
        assert f"{shown}, with the other budgets at least {' '.join([least, *unit])})" in line
        assert float(least) > float(limit)
    for quiet in ("--quiet", "--json"):
        assert run(capsys, *asked, quiet)[2] == f"{line}\n"


@pytest.mark.parametrize("excess", [10.0**-n for n in range(2, 11)])
def test_a_needed_value_never_looks_like_its_budget(excess: float) -> None:
    for limit in (0.7, 6.0, 1234.5678, 18_432.0, 1e-7, 3e11):
        for metric in ("area_mm2", "dram_bits", "noise"):
            clash = limit, limit * (1 - 1e-3), limit * (1 + excess)
            asked, _, least = conflict_texts(metric, clash)
            assert float(least) > float(asked.replace(",", "")), (limit, metric)


def test_infeasible_as_json(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    impossible = ("--max-area-mm2", "0.001")
    code, out, err = run(capsys, "solve", tiny, *SMALL, *impossible, "--json")
    told = json.loads(out)
    assert code == 3
    assert told["format"] == "codesign-infeasible/1"
    assert err == f"codesign: {told['message']}\n"
    clash = told["clashing"]["area_mm2"]
    assert clash["limit"] == 0.001
    enough = ("--max-area-mm2", repr(clash["needed"] * (1 + 1e-9)), "--quiet")
    assert run(capsys, "solve", tiny, *SMALL, *enough)[0] == 0


def test_names_are_printed_literally(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    odd = "[red]bold[/red]:smile:[/]"
    text = TINY.replace('"conv1"', f'"{odd}"').replace('"tiny"', r'"t\u001b[31m\nx"')
    path.write_text(text)
    solved = ["solve", str(path), *SMALL, "--on-chip", "none"]
    for command in (solved, ["show", "networks", str(path)]):
        code, out, err = run(capsys, *command)
        assert (code, err) == (0, "")
        assert f"\n{odd}" in out
        assert r"t\x1b[31m\nx" in out
        assert "\x1b" not in out
    code, _, err = run(capsys, "solve", str(path), "--pin", "weight:\x1b[31m=8")
    assert code == 2
    assert "\x1b" not in err


def test_only_names_are_cut_when_piped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = "a_very_long_name_of_a_layer." * 7
    path = tmp_path / "long.toml"
    path.write_text(TINY.replace('"conv1"', f'"{name}"'))
    solved = ["solve", str(path), *SMALL, "--on-chip", "none"]
    for command in (solved, ["show", "networks", str(path)]):
        _, out, _ = run(capsys, *command)
        row = next(line for line in out.splitlines() if line.startswith(name[:19]))
        assert row.split()[0] == f"{name[:19]}…{name[-20:]}"
        assert len(row.split()) >= 8
        assert out.count("…") == 1
        assert all(line == line.rstrip() for line in out.splitlines())


@pytest.mark.parametrize(("batch", "latency_s"), [("1", 1 / 300), ("4", 4 / 300)])
def test_images_per_second_are_a_latency_of_the_batch(
    asked: dict[str, Any], tiny: str, batch: str, latency_s: float
) -> None:
    problem = problem_of(asked, tiny, "--batch", batch, "--min-fps", "300")
    assert problem.budgets["latency_s"] == latency_s
    assert problem.network.images == int(batch)


def test_batch_reaches_the_problem(asked: dict[str, Any], tiny: str) -> None:
    network = load_network(Path(tiny))
    assert problem_of(asked, tiny, "--batch", "4").network == network.batched(4)
