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
from random_batches import questions
from random_dataflow import dataflow_case
from random_energy import drawn
from random_hybrids import hybrid_case

from codesign import (
    Choices,
    InfeasibleError,
    Problem,
    certify_infeasible,
    load_network,
    solve,
    solve_batches,
)
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
BATCHES = 4  # seed of batches that have designs, but for the limit below the least


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
    proof = tmp_path / "batches.json"
    words = [*words, "--batch", "2,1", "--max-area-mm2", "1"]
    code, _, err = run(capsys, "solve", *words, "--certificate", str(proof))
    assert (code, "word" in err) == (3, False)
    code, out, _ = run(capsys, "check", str(proof))
    assert (code, "on 2 images at once" in out) == (0, True)
    code, out, _ = run(capsys, "show", str(proof))
    assert (code, "of 2 images at once clashes: latency_s" in out) == (0, True)


# Several batches ------------------------------------------------------------------------------


def batches_without_design(seed: int) -> tuple[list[Problem], dict[int, dict[str, float]]]:
    """Random batches, each with a limit below its own least; by images: budgets that some keep."""
    found, kept = [], {}
    for problem in questions(seed):
        one, loose = without_design(problem)
        found.append(one)
        kept[one.network.images] = loose
    return found, kept


def certified_batches(problems: list[Problem]) -> Any:
    with pytest.raises(InfeasibleError) as found:
        solve_batches(problems)
    first, *others = problems
    return written(certify_infeasible(first, found.value, others=others).to_dict())


def hold_batches(seeds: Iterable[int]) -> Counter[str]:
    """Certify random batches without a design, and claim too much of each in turn."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            problems, kept = batches_without_design(seed)
        except (InfeasibleError, SpecError):
            continue
        content = certified_batches(problems)
        report = checked(content)
        assert report.proven, seed
        assert [row["images"] for row in content["batches"]] == [*kept][1:]
        for n, row in enumerate(content["batches"]):
            told = f"on {row['images']} images at once"
            assert told in report.notes[0]
            altered = copy.deepcopy(content)
            altered["batches"][n]["budgets"] = kept[row["images"]]
            assert not checked(altered).proven, (seed, row["images"])
            altered = copy.deepcopy(content)
            del altered["batches"][n]
            assert told not in checked(altered).notes[0]
            seen["refused"] += 1
    return seen


@pytest.mark.slow
def test_every_batch_without_a_design_is_proven() -> None:
    assert hold_batches((4, 6, 10, 11))["refused"] > 5


@pytest.mark.long
def test_every_batch_without_a_design_is_proven_long() -> None:
    assert hold_batches(range(100, 180))["refused"] > 60


@pytest.mark.slow
def test_an_altered_batch_is_refused() -> None:
    problems, _ = batches_without_design(BATCHES)
    content = certified_batches(problems)
    assert checked(content).proven
    for change in (
        lambda x: x.update(images=problems[0].network.images),
        lambda x: x.update(images="2"),
        lambda x: x.update(images=0),
        lambda x: x.update(clash=[]),
        lambda x: x.update(clash=x["clash"] * 2),
        lambda x: x.update(more=1),
        lambda x: x.pop("clash"),
        lambda x: x["reasons"].update(groups=[]),
        lambda x: x["reasons"].pop("groups"),
    ):
        altered = copy.deepcopy(content)
        change(altered["batches"][0])
        assert not checked(altered).proven
    twice = copy.deepcopy(content)
    twice["batches"] *= 2
    assert not checked(twice).holds
    silent = copy.deepcopy(content)
    silent["batches"][0] = {"images": content["batches"][0]["images"]}
    report = checked(silent)
    assert (report.holds, report.proven) == (True, False)
    assert "images at once" in report.notes[0]


def test_a_batch_with_a_design_is_no_other_to_certify() -> None:
    problems, kept = batches_without_design(BATCHES)
    with pytest.raises(InfeasibleError) as found:
        solve_batches(problems)
    feasible = replace(problems[1], budgets=kept[problems[1].network.images], quality=None)
    with pytest.raises(SpecError, match="there is a design"):
        certify_infeasible(problems[0], found.value, others=[feasible])
