"""Fronts of pipelines: every point is the enumerated best within its own limits, and files hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dataflow_oracle
import pytest
from pipelines import tiny
from random_dataflow import dataflow_case

from codesign import InfeasibleError, Problem, SpecError, Suite, check, load_network, pareto
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.front import Front
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text
from codesign.tasks import solve_dataflow


@pytest.mark.parametrize("seed", [0, 5])
def test_points_are_the_enumerated_best(seed: int, tmp_path: Path) -> None:
    case = dataflow_case(seed)
    hardware = case.problem.technology.hardware_metrics[-1]
    problem = replace(case.problem, objective="interval_s")
    try:
        front = pareto(problem, ("interval_s", hardware), 4)
    except InfeasibleError:
        assert dataflow_oracle.best(problem, case.groups) is None
        return
    for design in front.designs:
        assert isinstance(design, DataflowDesign)
        assert design.proof.status == "optimal"
        within = {**problem.budgets, hardware: design.metrics[hardware]}
        best = dataflow_oracle.best(replace(problem, budgets=within, quality=None), case.groups)
        assert best is not None
        assert design.metrics["interval_s"] == pytest.approx(best.metrics["interval_s"], rel=1e-7)
    least = dataflow_oracle.best(replace(problem, objective=hardware), case.groups)
    assert least is not None
    smallest = min(design.metrics[hardware] for design in front.designs)
    assert smallest == pytest.approx(least.metrics[hardware], rel=2e-6)
    front.save(tmp_path / "front.csv")
    again = Front.load(tmp_path / "front.csv")
    assert (again.values == front.values).all()
    assert [x.hardware for x in again.designs] == [x.hardware for x in front.designs]
    front.save_designs(tmp_path / "designs")
    for path in (tmp_path / "designs").iterdir():
        assert not check(path).findings


def test_what_a_front_is_not_of_is_refused() -> None:
    network = load_network("alexnet")
    with pytest.raises(SpecError, match="the interval of one array is its latency; give one of"):
        pareto(Problem(network=network), ("interval", "latency"))
    suite = Suite([network, load_network("resnet18")])
    with pytest.raises(SpecError, match="interval_s is of one network, not a suite"):
        pareto(Problem(network=suite.network), ("interval", "area"))
    with pytest.raises(SpecError, match="'latency_s' is no objective"):
        pareto(Problem(network=network), ("interval", "area"), ranges={"latency": (0, 1)})


def test_the_interval_of_one_array_is_held_as_the_latency_of_its_batch() -> None:
    problem = tiny(("array",), budgets={"area_mm2": 0.2})
    problem = replace(problem, network=problem.network.batched(3))
    plain = pareto(problem, ("latency", "area"), 3)
    low, high = (plain.values[:, 0].min() * x for x in (0.5, 1.5))
    within = pareto(problem, ("latency", "area"), 3, ranges={"latency": (low, high)})
    told = pareto(problem, ("interval", "area"), 3, ranges={"interval": (low / 3, high / 3)})
    assert told.objectives == ("latency_s", "area_mm2")
    assert told.values == pytest.approx(within.values, rel=1e-9)
    assert told.values[:, 0].max() < plain.values[:, 0].max()
    assert (pareto(problem, ("interval", "area"), 3).values == plain.values).all()


def test_a_table_of_pipelines_tells_what_sets_their_intervals() -> None:
    front = pareto(tiny(("dataflow",), objective="interval_s"), ("interval_s", "area_mm2"), 3)
    told = to_text(front_parts(front), terminal=False)
    assert "set by" in told
    assert "a stage" in told or "DRAM" in told
    assert "memory-" not in told
    streamed = [x.hardware for x in front.designs if isinstance(x, DataflowDesign)]
    assert all(f"{x.streamed} of {x.stages}" in told for x in streamed)


def test_objectives_of_a_front_have_more_time_than_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_dataflow, "TIES_TIMES", 0.0)
    monkeypatch.setattr(solve_dataflow, "TIES_LEAST_S", 0.0)
    front = pareto(tiny(("dataflow",), objective="interval_s"), ("interval", "area"), 2)
    assert len(front.designs) == 2
    assert all(x.proof.ties_broken for x in front.designs)
