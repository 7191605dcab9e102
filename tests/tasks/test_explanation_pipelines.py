"""Explanations of pipelines: every figure is that of all pipelines enumerated, and files hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dataflow_oracle
import pytest
from oracle_stages import stages_on_offer
from random_dataflow import Case, dataflow_case

from codesign import Explanation, InfeasibleError, Problem, SolverError, SpecError, solve
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.explanation import RunnerUp, Side
from codesign.tasks.choose_architecture import of_array

STEP = 0.1


def _least(problem: Problem, case: Case) -> float | None:
    best = dataflow_oracle.best(problem, case.groups)
    values = [] if best is None else [best.metrics[problem.objective]]
    if "array" in problem.choices.architecture:
        values += [x for x in [_least_array(problem)] if x is not None]
    return min(values, default=None)


def _least_array(problem: Problem) -> float | None:
    try:
        return solve(of_array(problem), ties="leave").proof.objective
    except InfeasibleError:
        return None


def _changed(problem: Problem, name: str, value: float) -> Problem:
    if name in problem.budgets:
        return replace(problem, quality=None, budgets={**problem.budgets, name: value})
    return replace(problem, **{name: value})


def _same(found: float | None, right: float | None) -> bool:
    return found == right if right is None else found == pytest.approx(right, rel=3e-6)


def _check_side(side: Side, right: float | None, optimum: float, given: float) -> None:
    assert side.proven
    assert _same(side.objective, right)
    if side.objective is None:
        assert side.rate is None
        return
    assert side.rate == pytest.approx((side.objective - optimum) / (side.value - given))


def _check(case: Case, explanation: Explanation) -> None:
    problem, optimum = case.problem, explanation.design.proof.objective
    limited = [x for x, most in problem.budgets.items() if x != problem.objective and most > 0]
    assert [x.name for x in explanation.sensitivities] == [*limited, "dram_bits_per_s", "clock_hz"]
    for each in explanation.sensitivities:
        for side, factor in ((each.less, 1 - STEP), (each.more, 1 + STEP)):
            assert side.value == pytest.approx(each.value * factor)
            right = _least(_changed(problem, each.name, side.value), case)
            _check_side(side, right, optimum, each.value)


def _check_runner_up(each: RunnerUp, right: float | None, objective: str, optimum: float) -> None:
    found = None if each.hardware is None else each.metrics[objective]
    assert each.proven
    assert _same(found, right)
    if right is not None:
        assert each.loss == pytest.approx(right - optimum, rel=1e-3, abs=3e-6 * optimum)


def _check_runner_ups(
    case: Case, explanation: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem, objective = case.problem, case.problem.objective
    optimum, right = explanation.design.proof.objective, {"shared array": _least_array(problem)}
    design = explanation.design
    assert isinstance(design, DataflowDesign)
    stages = design.stages
    if any(row.weights == "stream" for row in stages):
        with monkeypatch.context() as patch:
            patch.setattr(
                dataflow_oracle,
                "stages_on_offer",
                lambda *of: [x for x in stages_on_offer(*of) if x.weights != "stream"],
            )
            on_chip = dataflow_oracle.all_groups(problem)
        right["weights on chip"] = _least(problem, Case(problem, on_chip))
    if len({row.mapping for row in stages} - {None}) > 1:
        same = [
            replace(problem, choices=replace(problem.choices, mapping=(x,)))
            for x in problem.choices.mapping
        ]
        values = [_least(x, Case(x, dataflow_oracle.all_groups(x))) for x in same]
        right["one mapping"] = min((x for x in values if x is not None), default=None)
    assert {x.change for x in explanation.runner_ups} == {*right}
    for each in explanation.runner_ups:
        _check_runner_up(each, right[each.change], objective, optimum)


def _seeds(few: tuple[int, ...], many: range) -> list[object]:
    return [*few, *(pytest.param(x, marks=pytest.mark.long) for x in many if x not in few)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", _seeds((0, 16, 21), range(60)))
def test_every_figure_is_the_enumerated_best(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = dataflow_case(seed)
    try:
        design = solve(case.problem)
    except InfeasibleError:
        return
    assert isinstance(design, DataflowDesign)
    explanation = design.explain(step=STEP)
    _check(case, explanation)
    _check_runner_ups(case, explanation, monkeypatch)
    pace = explanation.pace
    assert pace is not None
    assert pace.interval_s == pytest.approx(design.metrics["interval_s"])
    explanation.save(tmp_path / "worth.json")
    again = Explanation.load(tmp_path / "worth.json")
    assert again.to_dict() == explanation.to_dict()


def test_of_both_architectures_the_better_counts() -> None:
    case = dataflow_case(13)
    choices = replace(case.problem.choices, architecture=("array", "dataflow"))
    problem = replace(case.problem, quality=None, choices=choices)
    design = solve(problem)
    assert isinstance(design, DataflowDesign)
    _check(Case(problem, case.groups), design.explain(step=STEP))


def test_what_is_not_the_optimum_or_not_in_time_is_refused() -> None:
    design = solve(dataflow_case(21).problem)
    assert isinstance(design, DataflowDesign)
    for step in (0, 1):
        with pytest.raises(SpecError, match="step must be above 0 and below 1"):
            design.explain(step=step)
    with pytest.raises(SolverError, match="not proven to be the optimum again within 1e-09 s"):
        design.explain(time_limit_s=1e-9)
    free = replace(design.problem, quality=None, budgets={})
    with pytest.raises(SpecError, match="is not the optimum of its problem"):
        replace(design, problem=free).explain()
