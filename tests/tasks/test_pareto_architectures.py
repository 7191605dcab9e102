"""Fronts over several architectures: each point the best of all, in files and pictures too."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import dataflow_oracle
import numpy as np
import pytest
from pipelines import tiny
from random_dataflow import dataflow_case

from codesign import Choices, InfeasibleError, Problem, check, pareto, solve
from codesign.cli.explore.answers import of_front
from codesign.cli.explore.page import chart_of
from codesign.problem.choices import Architecture
from codesign.results.front import Front
from codesign.results.html.front_charts import front_charts
from codesign.results.load import load_design
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text

BOTH: tuple[Architecture, ...] = ("array", "dataflow")


@pytest.fixture(scope="module")
def front() -> Front:
    """A front with points of either kind."""
    return pareto(tiny(BOTH, objective="interval_s"), ("interval_s", "area_mm2"), 8)


def of(problem: Problem, *architecture: Architecture) -> Problem:
    """The same of other architectures."""
    choices: Choices = replace(problem.choices, architecture=architecture)
    return replace(problem, choices=choices)


def best_values(problem: Problem, objectives: tuple[str, str]) -> np.ndarray:
    """All points of a front."""
    return pareto(problem, objectives, None).values


@pytest.mark.slow
@pytest.mark.parametrize(
    "objectives", [("interval_s", "area_mm2"), ("latency_s", "area_mm2"), ("noise", "interval_s")]
)
def test_a_front_is_the_best_of_the_fronts_of_each(objectives: tuple[str, str]) -> None:
    problem = replace(tiny(BOTH, objective="interval_s"), quality=None, budgets={"noise": 0.1})
    asked = tuple("latency_s" if x == "interval_s" else x for x in objectives)
    alone = best_values(of(problem, "dataflow"), objectives)
    every = np.concatenate([alone, best_values(of(problem, "array"), asked)])  # type: ignore[arg-type]
    kept = {
        tuple(np.round(np.log(row), 5))
        for row in every
        if not any((x <= row * (1 + 1e-7)).all() and (x < row * (1 - 1e-7)).any() for x in every)
    }
    found = pareto(problem, objectives, None)
    assert found.complete
    assert {tuple(np.round(np.log(row), 5)) for row in found.values} == kept


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [3, *(pytest.param(x, marks=pytest.mark.long) for x in range(6, 26))]
)
def test_every_point_is_the_better_of_pipelines_and_arrays(seed: int) -> None:
    case = dataflow_case(seed)
    hardware = case.problem.technology.hardware_metrics[-1]
    problem = of(replace(case.problem, objective="interval_s"), *BOTH)
    try:
        found = pareto(problem, ("interval_s", hardware), 3)
    except InfeasibleError:
        assert dataflow_oracle.best(problem, case.groups) is None
        return
    rng = random.Random(seed)
    for design in found.designs:
        assert design.proof.status == "optimal"
    for limit in [*found.values[:, 1], float(rng.uniform(*sorted(found.values[[0, -1], 1])))]:
        budgets = {**problem.budgets, hardware: float(limit)}
        within = replace(problem, budgets=budgets, quality=None)
        pipeline = dataflow_oracle.best(within, case.groups)
        values = [] if pipeline is None else [pipeline.metrics["interval_s"]]
        with suppress(InfeasibleError):
            values.append(solve(of(within, "array")).metrics["latency_s"])
        assert found.lower(limit) <= min(values) * (1 + 1e-7)
        assert found.upper(limit) >= min(values) * (1 - 1e-7)
        if limit in found.values[:, 1]:
            assert found.upper(limit) == pytest.approx(min(values), rel=1e-7)


def test_files_tell_the_architecture_of_each_point(front: Front, tmp_path: Path) -> None:
    kinds = [x.architecture for x in front.designs]
    assert {*kinds} == {"array", "dataflow"}
    assert front.points["architecture"].tolist() == kinds
    front.save(tmp_path / "front.csv")
    again = Front.load(tmp_path / "front.csv")
    assert (again.values == front.values).all()
    assert [x.architecture for x in again.designs] == kinds
    assert [x.hardware for x in again.designs] == [x.hardware for x in front.designs]
    front.save_designs(tmp_path / "designs")
    for path, kind in zip(sorted((tmp_path / "designs").iterdir()), kinds, strict=True):
        assert not check(path).findings
        design = load_design(path)
        assert design.architecture == kind
        assert {x.architecture for x in design.architectures} == {"array", "dataflow"}


def test_tables_and_pictures_tell_it_too(front: Front, tmp_path: Path) -> None:
    told = to_text(front_parts(front), terminal=False)
    assert "architecture" in told
    rows = [line for line in told.splitlines() if "stages" in line or " × " in line]
    assert ["dataflow" in x for x in rows] == [x.architecture == "dataflow" for x in front.designs]
    words = [x.get_text() for x in front.plot(tmp_path / "front.png").axes[0].get_legend().texts]
    assert any(x.startswith("pipeline: a stage decides the interval") for x in words)
    assert any(x.startswith("array: ") for x in words)
    names = [x["name"] for x in front_charts(front)[0].data if x.get("name")]
    assert any(x.startswith("pipeline: ") for x in names)
    assert any(x.startswith("array: ") for x in names)


def test_what_is_told_of_several_within_limits_is_so(front: Front, tmp_path: Path) -> None:
    """With the designs and without them; each limit solved again is the best of both."""
    problem = front.problem
    front.save(tmp_path / "front.csv")
    whole = of_front(front, front.whole_designs)
    alone = of_front(Front.load(tmp_path / "front.csv"))
    (mine,), (other,) = whole.families, alone.families
    assert [x.metrics for x in whole.designs] == [x.metrics for x in front.whole_designs]
    rng, proven = random.Random(5), 0
    areas = front.values[:, front.objectives.index("area_mm2")]
    for limit in [*areas, *(rng.uniform(0.9 * areas.min(), areas.max()) for _ in range(8))]:
        within = {**problem.budgets, "area_mm2": float(limit)}
        found, same = mine.answer(within), other.answer(within)
        assert (found.best, found.bound) == (same.best, same.bound)
        best, asked = math.inf, replace(problem, budgets=within, quality=None)
        for architecture in BOTH:
            with suppress(InfeasibleError):
                design = solve(of(asked, architecture), ties="leave")
                best = min(best, design.proof.objective)
        assert found.bound <= best * (1 + 1e-6)
        assert found.best >= best * (1 - 1e-6)
        proven += found.proven
        if found.proven:
            assert found.best == best or found.best == pytest.approx(best, rel=1e-6)
    assert proven >= len(areas)


def test_a_limit_solved_again_is_of_the_same_family(front: Front) -> None:
    """Also where one array is the best, whose own problem has a latency for the interval."""
    explored = of_front(front, front.whole_designs)
    (family,) = explored.families
    array = next(x for x in front.whole_designs if x.architecture == "array")
    limits = {**front.problem.budgets, "area_mm2": float(array.metrics["area_mm2"])}
    asked = family.asked(limits)
    design = solve(asked)
    assert design.architecture == "array"
    number = explored.add(design, asked)
    family.rule_out(limits, design.proof.bound)
    assert len(explored.families) == 1
    assert explored.designs[number] is design
    assert family.answer(limits).proven
    assert chart_of(explored, 0)["data"][0]["y"]


def test_a_range_without_any_design_is_explained_of_each() -> None:
    problem = tiny(BOTH, objective="interval_s")
    with pytest.raises(InfeasibleError, match=r"architecture dataflow: .*; architecture array: "):
        pareto(problem, ("interval_s", "area_mm2"), 3, ranges={"area_mm2": (1e-5, 1e-4)})
    alone = of(problem, "dataflow")
    with pytest.raises(InfeasibleError, match="area"):
        pareto(alone, ("interval_s", "area_mm2"), 3, ranges={"area_mm2": (1e-5, 1e-4)})
