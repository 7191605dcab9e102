"""Searches over both architectures that end early, or by another solver: honest over both."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from ended_early import INFEASIBLE, LIMIT_S, Ends, check_proof, check_within, swept
from pipelines import tiny

from codesign import Design, solve
from codesign.checking import check_content
from codesign.results.dataflow_design import DataflowDesign

pytestmark = pytest.mark.usefixtures("heard")

BOTH = ("array", "dataflow")
ASKED = {"interval_s": {"area_mm2": 0.05}, "latency_s": {"area_mm2": 0.05}}


def value_of(design: Design | DataflowDesign) -> float:
    """Its objective: of an array the interval is the latency."""
    return design.metrics[design.problem.objective]


def ended(objective: str, monkeypatch: pytest.MonkeyPatch, *, press: bool, step: int) -> Ends:
    """A search over both architectures is ended at every few of its looks at the clock."""
    asked = {"objective": objective, "budgets": ASKED[objective]}
    truth = min(value_of(solve(tiny((x,), **asked))) for x in BOTH)
    problem = tiny(BOTH, **asked)

    def check(found: Design | DataflowDesign | Ends) -> Ends:
        if isinstance(found, Ends):
            assert found is not INFEASIBLE
            return found
        check_within(dict(found.metrics), found.problem)
        assert check_content(json.loads(json.dumps(found.to_dict())), "design").findings == ()
        return check_proof(found.proof, value_of(found), truth)

    def ask() -> Design | DataflowDesign:
        return solve(problem, time_limit_s=LIMIT_S)

    return swept(monkeypatch, ask, check, press=press, step=step)


@pytest.mark.parametrize("press", [False, True])
@pytest.mark.parametrize(("objective", "step"), [("interval_s", 9), ("latency_s", 37)])
def test_both_architectures_ended_anywhere(
    objective: str, step: int, press: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = ended(objective, monkeypatch, press=press, step=step)
    assert ends.feasible
    assert ends.complete


@pytest.mark.long
@pytest.mark.parametrize("press", [False, True])
@pytest.mark.parametrize("objective", [*ASKED])
def test_both_architectures_ended_at_every_look(
    objective: str, press: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = ended(objective, monkeypatch, press=press, step=1)
    assert ends.feasible
    assert ends.untied
    assert ends.complete


@pytest.mark.skipif(find_spec("pyscipopt") is None, reason="scip is not installed")
@pytest.mark.parametrize("objective", [*ASKED])
def test_another_solver_finds_the_better_of_both(objective: str) -> None:
    problem = tiny(BOTH, objective=objective, budgets=ASKED[objective])
    found, usual = solve(problem, solver="scip"), solve(problem)
    assert found.solver.name == "SCIP"
    assert value_of(found) == pytest.approx(value_of(usual), rel=1e-9)
    assert [x.outcome for x in found.architectures] == [x.outcome for x in usual.architectures]
    assert check_content(json.loads(json.dumps(found.to_dict())), "design").findings == ()
