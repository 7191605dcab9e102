"""Explanations of hybrids, and of the best of several architectures, against enumeration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dataflow_oracle
import hybrid_oracle
import pytest
from dataflow_oracle import Group
from oracle_stages import stages_on_offer
from pipelines import tiny
from random_hybrids import hybrid_case
from seeds import mostly_long

from codesign import Explanation, InfeasibleError, Problem, solve
from codesign.problem.choices import Architecture
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.explanation import Side
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text
from codesign.tasks.choose_architecture import of_array

STEP = 0.1
EVERY: tuple[Architecture, ...] = ("array", "dataflow", "hybrid")


class Enumerated:
    """The least objective of a problem and those like it, of all designs listed."""

    def __init__(self) -> None:
        self._known = dict[tuple[object, ...], list[Group]]()

    def least(self, problem: Problem, architectures: tuple[Architecture, ...]) -> float | None:
        """Of these architectures together; None where no design is left."""
        each = [self._alone(problem, x) for x in architectures]
        return min((x for x in each if x is not None), default=None)

    def _alone(self, problem: Problem, architecture: Architecture) -> float | None:
        if architecture == "array":
            try:
                return solve(of_array(problem), ties="leave").proof.objective
            except InfeasibleError:
                return None
        rates = problem.clock_hz, problem.dram_bits_per_s
        key = architecture, problem.choices.mapping, *rates
        if key not in self._known:
            all_of = hybrid_oracle.all_hybrids
            if architecture == "dataflow":
                all_of = dataflow_oracle.all_groups
            self._known[key] = all_of(problem)
        best = dataflow_oracle.best(problem, self._known[key])
        return None if best is None else best.metrics[problem.objective]


def changed(problem: Problem, name: str, value: float) -> Problem:
    """A budget or a rate is another."""
    if name in problem.budgets:
        return replace(problem, quality=None, budgets={**problem.budgets, name: value})
    return replace(problem, **{name: value})


def check_value(found: float | None, right: float | None) -> None:
    """A proven optimum and the enumerated one."""
    assert (found is None) == (right is None)
    if found is not None:
        assert found == pytest.approx(right, rel=3e-6)


def check_side(side: Side, right: float | None) -> None:
    """One of both sides of a number."""
    assert side.proven
    check_value(side.objective, right)


def explained(problem: Problem) -> Explanation | None:
    """Of its best; None where there is none, or it is an array."""
    try:
        design = solve(problem)
    except InfeasibleError:
        return None
    return design.explain(step=STEP) if isinstance(design, DataflowDesign) else None


def check_runner_ups(
    explanation: Explanation, every: Enumerated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is the enumerated best of what it says."""
    design = explanation.design
    assert isinstance(design, DataflowDesign)
    problem, own = design.problem, design.architecture
    right = {"shared array": every.least(problem, ("array",))}
    if own == "hybrid":
        right["own arrays"] = every.least(problem, ("dataflow",))
    elif "hybrid" in problem.choices.architecture:
        right["segment"] = every.least(problem, ("hybrid",))
    if any(row.weights == "stream" for row in design.stages):
        with monkeypatch.context() as patch:
            for module in (dataflow_oracle, hybrid_oracle):
                patch.setattr(
                    module,
                    "stages_on_offer",
                    lambda *of: [x for x in stages_on_offer(*of) if x.weights != "stream"],
                )
            right["weights on chip"] = Enumerated().least(problem, (own,))
    mappings = {row.mapping for row in design.stages} - {None}
    mappings |= {x.mapping for x in design.segments}
    if len(mappings) > 1:
        same = [
            replace(problem, choices=replace(problem.choices, mapping=(x,)))
            for x in problem.choices.mapping
        ]
        values = [every.least(x, (own,)) for x in same]
        right["one mapping"] = min((x for x in values if x is not None), default=None)
    assert {x.change for x in explanation.runner_ups} == {*right}
    for each in explanation.runner_ups:
        found = None if each.hardware is None else each.metrics[problem.objective]
        assert each.proven
        check_value(found, right[each.change])


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long([5, 12, *range(300, 340)], 1))
@pytest.mark.parametrize("architectures", [("hybrid",), EVERY], ids=["hybrid", "every"])
def test_every_figure_is_the_enumerated_best(
    seed: int,
    architectures: tuple[Architecture, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = hybrid_case(seed).problem
    problem = replace(problem, choices=replace(problem.choices, architecture=architectures))
    explanation, every = explained(problem), Enumerated()
    if explanation is None:
        return
    design = explanation.design
    limited = [x for x, most in problem.budgets.items() if x != problem.objective and most > 0]
    assert [x.name for x in explanation.sensitivities] == [*limited, "dram_bits_per_s", "clock_hz"]
    for each in explanation.sensitivities:
        for side in (each.less, each.more):
            asked_of = changed(problem, each.name, side.value)
            check_side(side, every.least(asked_of, architectures))
    check_runner_ups(explanation, every, monkeypatch)
    pace = explanation.pace
    assert pace is not None
    assert pace.interval_s == pytest.approx(design.metrics["interval_s"])
    assert isinstance(design, DataflowDesign)
    assert pace.hybrid == bool(design.segments)
    explanation.save(tmp_path / "worth.json")
    again = Explanation.load(tmp_path / "worth.json")
    assert again.to_dict() == explanation.to_dict()
    assert again.design.architecture == design.architecture


@pytest.mark.slow
def test_a_segment_is_one_stage_with_its_layers_below() -> None:
    """Its time is the sum of its layers', each bound by the longer of its two."""
    budgets = {"area_mm2": 0.02}
    explanation = explained(tiny(("hybrid",), objective="interval_s", budgets=budgets))
    assert explanation is not None
    design, pace = explanation.design, explanation.pace
    assert isinstance(design, DataflowDesign)
    assert pace is not None
    (segment,) = design.segments
    (shared,) = (x for x in pace.stages if x.layers)
    assert len(pace.stages) == len(design.stages) - len(shared.layers) + 1
    assert [x.name for x in shared.layers] == [x.name for x in segment.layers]
    assert shared.compute_s == pytest.approx(sum(x.latency_s for x in shared.layers))
    text = to_text(explanation_parts(explanation), terminal=False)
    assert f"shared: {shared.name}" in text
    assert "an array for each layer" in text
