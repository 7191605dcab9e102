"""The check of assignment files: right ones hold, and no number of one can be altered unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from altered import Path_, at, findings, matches, unnoticed
from command_line import run
from random_assignments import random_case

import codesign
from codesign import Choices, InfeasibleError, Problem, SpecError, load_network
from codesign.checking import check_content
from codesign.results.result_file import DIGEST

BLOCK = 25
COSTLY = 1000  # from here on questions with tables of costs


@cache
def random_file(seed: int) -> str | None:
    """The assignment file of a random question; None where none keeps the budgets."""
    case = random_case(seed % COSTLY, costly=seed >= COSTLY)
    try:
        found = codesign.assign(case.problem, case.table, costs=case.costs, fixed=case.fixed)
    except InfeasibleError:
        return None
    return json.dumps(found.to_dict())


def content_of(seed: int) -> Any:
    """Its content, anew for each use."""
    text = random_file(seed)
    assert text is not None
    return json.loads(text)


TIMED, UNTIMED = (0, 1, 5), (2,)  # questions with and without a table of latency
WITH_COSTS = (COSTLY, COSTLY + 1)


@pytest.mark.parametrize("first", [0, BLOCK, COSTLY])
def test_random_assignments_hold(first: int) -> None:
    seeds = [seed for seed in range(first, first + BLOCK) if random_file(seed)]
    assert len(seeds) > BLOCK / 4
    for seed in seeds:
        report = check_content(content_of(seed), "given.json")
        assert report.findings == report.notes == (), seed
        assert report.figures > 4 * len(content_of(seed)["layers"])


@pytest.mark.parametrize("tied", [False, True])
def test_a_shipped_network_holds(tied: bool) -> None:
    network = load_network("mobilenetv2")
    choices = Choices(tied=tied)
    problem = Problem(network=network, choices=choices, objective="noise", budgets={"bops": 2e10})
    content = json.loads(json.dumps(codesign.assign(problem).to_dict()))
    assert findings(content) == []
    assert unnoticed(content, most=60, ways=2) == []


@pytest.mark.parametrize("seed", [TIMED[0], UNTIMED[0], WITH_COSTS[0]])
def test_no_number_can_be_altered(seed: int) -> None:
    assert unnoticed(content_of(seed), ways=2) == []


# Without the digest, what the question may be while the widths stay an answer to it.
FREE_UNSEALED = (
    r"solver\..*",
    r"problem\.choices\.(weight|activation)_bits\.\d+",  # not the ones chosen
    r"problem\.choices\.output_bits",  # where the results of no layer are the network's alone
    r"problem\.budgets\.[\w:]+",  # looser ones
    r"problem\.sensitivity\..*",  # at widths not chosen
    r"(latency_table|costs)\..*",  # at widths not chosen
    r"problem\.network\.layers\.\d+\.((stride|(input_)?dilation)(\.\d)?|appended)",
    r"problem\.network\.(tensors|layers\.\d+\.parts)\.\w+",  # no figure has traffic
    r"proof\.bound",
)
FREE_OF_MOVEMENTS = r"problem\.network\.layers\.\d+\.[NGKCPQHW]"  # only products


def is_free_unsealed(content: Any, path: Path_) -> bool:
    """Whether a number may be altered where there is no digest."""
    movement = matches(FREE_OF_MOVEMENTS, path) and at(content, path[:-1])["moves"]
    return bool(movement) or any(matches(pattern, path) for pattern in FREE_UNSEALED)


@pytest.mark.parametrize("seed", [*TIMED, *UNTIMED, *WITH_COSTS])
def test_without_the_digest_the_arithmetic_alone_tells(seed: int) -> None:
    content = content_of(seed)
    del content[DIGEST]
    assert unnoticed(content, is_free_unsealed, ways=3) == []


def _other_row(content: Any) -> None:
    """A latency of the table, but of other widths, in a row and in the sum."""
    row = content["layers"][0]
    others = {*content["latency_table"][row["name"]].values()} - {row["latency_s"]}
    content["metrics"]["latency_s"] += (other := max(others)) - row["latency_s"]
    row["latency_s"] = other


FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a latency of other widths": (_other_row, ".latency_s: found"),
    "a latency too few": (
        lambda d: d["latency_table"].pop(d["layers"][0]["name"]),
        "a value at",
    ),
    "a table of an unknown layer": (
        lambda d: d["latency_table"].update(zzz={}),
        "latency_table.zzz: found {}, expected no entry",
    ),
    "no table": (lambda d: d.update(latency_table=None), "expected"),
    "a layer too few": (lambda d: d["layers"].pop(), "one row for each layer"),
    "hardware": (lambda d: d.update(hardware={}), "hardware: found {}, expected no entry"),
    "an array": (lambda d: d["problem"]["choices"].update(rows=[1]), "choices.rows"),
    "an area": (lambda d: d["problem"]["budgets"].update(area_mm2=1.0), "budgets.area_mm2"),
    "a metric missing": (lambda d: d["metrics"].pop("bops"), "metrics.bops: found None"),
    "a status too good": (lambda d: d["proof"].update(bound=0.0, gap=1.0), "proof.status"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_other_faults(case: str) -> None:
    alter, part = FAULTS[case]
    content = content_of(TIMED[0])
    alter(content)
    assert any(part in finding for finding in findings(content)), findings(content)


def test_there_are_no_certificates_of_assignments(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content_of(TIMED[0])))
    with pytest.raises(SpecError, match="this is an assignment file; wanted is a design file"):
        codesign.check(path, path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.json"
    words = ("--max-gbops", "0.9", "--quiet", "--out", str(path))
    assert run(capsys, "assign", "alexnet", "--minimize", "noise", *words)[0] == 3
    words = ("--max-gbops", "40", "--quiet", "--out", str(path))
    assert run(capsys, "assign", "alexnet", "--minimize", "noise", *words)[0] == 0
    figures = codesign.check(path).figures
    assert run(capsys, "check", str(path)) == (0, f"{path}: all {figures} figures hold\n", "")
    content = json.loads(path.read_text())
    assert codesign.Assignment.load(path).widths["weight:features.0"] > 0
    path.write_text(json.dumps(content | {"tensor_bits": {**content["tensor_bits"], "image": 9}}))
    assert run(capsys, "check", str(path))[0] == 1


COST_FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another cost in a row": (
        lambda d: d["layers"][0]["costs"].update(energy=1e9),
        ".costs.energy: found 1000000000, expected",
    ),
    "another cost in all": (
        lambda d: d["metrics"].update({"cost:energy": 1e9}),
        "metrics.cost:energy: found",
    ),
    "a table that lacks a layer": (
        lambda d: d["costs"]["energy"].pop(d["layers"][0]["name"]),
        "a value at",
    ),
    "no table": (lambda d: d.pop("costs"), "expected no entry"),
    "a row without": (lambda d: d["layers"][0].pop("costs"), "costs.energy: found None"),
    "a cost that has no table": (
        lambda d: d["layers"][0]["costs"].update(zzz=1.0),
        ".costs.zzz: found 1.0, expected no entry",
    ),
    "a budget that has none": (
        lambda d: d["problem"]["budgets"].update({"cost:zzz": 1.0}),
        "budgets.cost:zzz: found 1.0, expected no entry",
    ),
    "a budget broken": (
        lambda d: d["problem"]["budgets"].update({"cost:energy": d["metrics"]["cost:energy"] / 2}),
        "metrics.cost:energy",
    ),
}


@pytest.mark.parametrize("case", COST_FAULTS)
def test_faults_of_costs(case: str) -> None:
    alter, part = COST_FAULTS[case]
    content = content_of(WITH_COSTS[0])
    alter(content)
    assert any(part in finding for finding in findings(content)), findings(content)
