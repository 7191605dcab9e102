"""Certificates that no design keeps every budget: proven where so, else refused."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from certified import bands_problem_of, chip_problem_of, machine_problem_of, problem_of, written
from command_line import run
from random_dataflow import dataflow_case
from random_energy import drawn
from random_hybrids import hybrid_case

from codesign import Choices, InfeasibleError, Problem, certify_infeasible, load_network, solve
from codesign.checking import Report, check_content
from codesign.errors import SpecError

KINDS: dict[str, Callable[[int], Problem]] = {
    "plain": lambda seed: problem_of(seed).problem,
    "tensors": lambda seed: chip_problem_of(seed).problem,
    "bands": lambda seed: bands_problem_of(seed).problem,
    "machines": lambda seed: machine_problem_of(seed).problem,
    "pipelines": lambda seed: dataflow_case(seed).problem,
    "energy": lambda seed: drawn(seed, "none")[0],
}
SEEDS: dict[str, Iterable[int]] = {
    "plain": range(6),
    "tensors": range(3),
    "bands": range(6),
    "machines": range(4),
    "pipelines": (1, 4, 5, 7, 11, 12),
    "energy": (4, 6, 21, 22),
}
LESS = 1 - 1e-5  # times the least there is: what no design keeps
MORE = 1 + 1e-5


def checked(content: Any) -> Report:
    return check_content(content, "given.json")


def certified(problem: Problem) -> Any:
    """A certificate of a problem without a design."""
    with pytest.raises(InfeasibleError) as found:
        solve(problem)
    return written(certify_infeasible(problem, found.value).to_dict())


def without_design(problem: Problem) -> tuple[Problem, dict[str, float]]:
    """A problem made infeasible by a limit below the least, and looser budgets that some keep."""
    best = solve(problem)
    least = best.metrics[problem.objective]
    limit = min(problem.budgets.get(problem.objective, least), least)
    kept = {**problem.budgets, problem.objective: limit * MORE}
    quality = None if problem.objective == "noise" else problem.quality
    budgets = {**problem.budgets, problem.objective: limit * LESS}
    other = next(x for x in ("model_bits", "bops") if x != problem.objective)
    return replace(problem, objective=other, budgets=budgets, quality=quality), kept


def hold(kind: str, seeds: Iterable[int]) -> Counter[str]:
    """Certify random infeasible problems, and alter the certificates to claim too much."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            problem, kept = without_design(KINDS[kind](seed))
        except InfeasibleError:
            problem, kept = KINDS[kind](seed), {}
        except SpecError:  # a least of nothing, which is no limit
            continue
        try:
            content = certified(problem)
        except SpecError:  # what certificates do not count
            continue
        report = checked(content)
        assert report.findings == (), (kind, seed)
        seen["proven" if report.proven else "left"] += 1
        if kept:
            content["problem"]["budgets"] = kept
            report = checked(content)
            assert not report.proven, (kind, seed)
            seen["refused" if report.findings else "left"] += 1
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_design_is_proven_and_nothing_else(kind: str) -> None:
    seen = hold(kind, SEEDS[kind])
    assert seen["proven"] > 1
    assert seen["refused"] > 1
    assert kind == "pipelines" or not seen["left"]


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_design_is_proven_and_nothing_else_long(kind: str) -> None:
    seen = hold(kind, range(1000, 1100))
    assert seen["refused"] > 30


@cache
def clashing() -> Problem:
    """A problem whose latency and area clash."""
    choices = Choices(rows=(8, 16), cols=(8, 16), weight_bits=(4, 8), activation_bits=(8,))
    best = solve(Problem(network=load_network("alexnet"), choices=choices, budgets={"area": 1}))
    budgets = {"area": 1, "latency": best.metrics["latency_s"] * LESS}
    return Problem(network=load_network("alexnet"), choices=choices, budgets=budgets)


@cache
def clashing_text() -> str:
    return json.dumps(certified(clashing()))


def content_of_clash() -> Any:
    """Its certificate, anew for each use."""
    return json.loads(clashing_text())


@pytest.mark.slow
def test_every_argument_is_needed() -> None:
    content = content_of_clash()
    assert content["arrays"]["clash"] == ["latency_s", "area_mm2"]
    assert checked(content).proven
    groups = content["arrays"]["reasons"]["groups"]
    for n, group in enumerate(groups):
        altered = copy.deepcopy(content)
        altered["arrays"]["reasons"]["groups"][n]["prices"] = dict.fromkeys(group["prices"], 0.0)
        assert not checked(altered).proven
        altered = copy.deepcopy(content)
        del altered["arrays"]["reasons"]["groups"][n]
        assert "no argument for" in str(checked(altered).findings[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "clash", [[], ["area_mm2"], ["latency_s"], ["latency_s", "latency_s"], ["noise"], "latency_s"]
)
def test_another_clash_is_refused(clash: Any) -> None:
    content = content_of_clash()
    content["arrays"]["clash"] = clash
    assert not checked(content).holds


@pytest.mark.slow
def test_what_is_altered_or_missing_is_named() -> None:
    for change in (
        lambda x: x["problem"]["budgets"].pop("area_mm2"),
        lambda x: x["problem"]["budgets"].update(area_mm2=2.0),
        lambda x: x["problem"].pop("network"),
        lambda x: x["problem"]["choices"].update(rows=[8, 16, 32]),
        lambda x: x.pop("arrays"),
        lambda x: x["arrays"].pop("reasons"),
        lambda x: x["arrays"]["reasons"].update(more=1),
        lambda x: x.update(bound=1.0),
    ):
        content = content_of_clash()
        change(content)
        report = checked(content)
        assert report.findings
        assert not report.proven
    content = content_of_clash()
    group = content["arrays"]["reasons"]["groups"].pop()
    each = [[*a, *b] for a in group["arrays"] for b in group["pe_bits"]]
    content["arrays"]["reasons"]["trusted"] = each
    report = checked(content)
    assert report.holds
    assert report.proven is False
    assert "solver's word" in report.notes[0]


@pytest.mark.slow
def test_what_runs_nowhere_is_proven_without_multipliers() -> None:
    choices = Choices(rows=(2, 4), cols=(2,), pe_weight_bits=(2, 4), weight_bits=(8,))
    problem = Problem(network=load_network("alexnet"), choices=choices)
    content = certified(problem)
    assert content["arrays"]["clash"] == []
    assert checked(content).proven
    content["arrays"]["reasons"]["groups"][0]["prices"] = {"latency_s": 1e9}
    assert not checked(content).holds
    wider = certified(problem)
    wider["problem"]["choices"]["pe_weight_bits"] = [2, 8]
    wider["arrays"]["reasons"]["groups"][0]["pe_bits"] = [[2, 8], [8, 8]]
    assert not checked(wider).holds


def test_of_arrays_and_pipelines_each_has_its_own_clash() -> None:
    found = dataflow_case(1).problem
    offered = replace(found.choices, architecture=("array", "dataflow"))
    content = certified(without_design(replace(found, choices=offered))[0])
    assert checked(content).proven
    assert {"arrays", "pipelines"} < {*content}
    for key in ("arrays", "pipelines"):
        altered = copy.deepcopy(content)
        del altered[key]
        assert not checked(altered).holds


@pytest.mark.long
def test_of_hybrids_each_segment_is_ruled_out() -> None:
    content = certified(without_design(hybrid_case(6).problem)[0])
    assert checked(content).proven
    altered = copy.deepcopy(content)
    altered["hybrids"]["reasons"]["segments"].pop()
    assert not checked(altered).holds
    loose = copy.deepcopy(content)
    loose["problem"]["budgets"] = dict.fromkeys(loose["problem"]["budgets"], 1e12)
    assert not checked(loose).holds


@pytest.mark.slow
def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proof = tmp_path / "c.json"
    words = ["alexnet", "--rows", "8,16", "--cols", "8", "--max-latency-ms", "1", "--json"]
    code, _, _ = run(capsys, "solve", *words, "--max-area-mm2", "1", "--certificate", str(proof))
    assert code == 3
    code, out, _ = run(capsys, "check", str(proof))
    assert code == 0
    assert "proven in exact arithmetic: none of " in out
    code, out, _ = run(capsys, "show", str(proof))
    assert (code, "no design of alexnet keeps every budget" in out) == (0, True)
    loose = json.loads(proof.read_text())
    loose["problem"]["budgets"]["latency_s"] = 1.0
    proof.write_text(json.dumps(loose))
    assert run(capsys, "check", str(proof))[0] == 1
    of_design = tmp_path / "d.json"
    of_design.write_text(json.dumps({"format": loose["format"], "bound": 1.0}))
    code, _, err = run(capsys, "check", str(of_design))
    assert (code, "certificate" in err) == (2, True)
    batches = ["--batch", "1,2", "--max-area-mm2", "1"]
    code, _, err = run(capsys, "solve", *words, *batches, "--certificate", str(tmp_path / "n.json"))
    assert (code, "certify each by itself" in err) == (3, True)
    assert not (tmp_path / "n.json").exists()
