"""Another solver, where one is installed, proves the same optima as HiGHS."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from command_line import BUDGET, SMALL, refused, run
from compare_designs import compare
from random_problems import mid_size_problem, random_case, steep_case
from seeds import half_long

from codesign import Design, InfeasibleError, Problem, SolverError, SpecError, solve
from codesign.problem.metrics import METRICS
from codesign.problem.problem import Metric
from codesign.search import monolithic
from codesign.search.milp import solve as programme
from codesign.search.milp import solvers
from codesign.stopping import StopCondition

SEEDS = range(50)
LONG = pytest.mark.long
OBJECTIVES: tuple[Metric, ...] = ("latency_s", "area_mm2", "dram_bits", "noise", "bops")
HAVE = {"scip": find_spec("pyscipopt") is not None, "cbc": shutil.which("cbc") is not None}
OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(not there, reason=f"{name} is not installed"))
    for name, there in HAVE.items()
]


PROGRAMMES: dict[tuple[str, int], int] = {}  # of each mid-size problem so far


def seeds_of(solver: str, always: int) -> Iterator[Any]:
    """A solver with each seed, those beyond the first so many in the long sweeps alone."""
    there = pytest.mark.skipif(not HAVE[solver], reason=f"{solver} is not installed")
    for seed in SEEDS:
        yield pytest.param(solver, seed, marks=[there] if seed < always else [there, LONG])


def budgeted(seed: int, objective: Metric) -> tuple[Metric, ...]:
    """Noise, or area where that is minimised, and another metric or two."""
    rng = random.Random(f"budgets {seed}")
    first: Metric = "area_mm2" if objective == "noise" else "noise"
    rest: list[Metric] = [m for m in OBJECTIVES if m not in (objective, first)]
    return (first, *rng.sample(rest, rng.choice((1, 1, 2))))


def mid_size(seed: int) -> Problem:
    """A problem of some objective within two budgets or three."""
    objective = OBJECTIVES[seed % len(OBJECTIVES)]
    return mid_size_problem(2000 + seed, objective, budgeted(seed, objective))


@cache
def by_highs(seed: int) -> Design:
    """Its answer, for every other solver."""
    return solve(mid_size(seed))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "seed"), half_long([*seeds_of("scip", 25), *seeds_of("cbc", 15)], 4)
)
def test_mid_size_problems_have_the_same_optimum(solver: str, seed: int) -> None:
    problem = mid_size(seed)
    theirs, ours = solve(problem, solver=solver), by_highs(seed)
    PROGRAMMES[solver, seed] = theirs.solver.programmes
    assert theirs.solver.name == solvers.TITLES[solver]
    for design in (ours, theirs):
        assert design.proof.status == "optimal"
    for metric in (problem.objective, "area_mm2", "noise"):
        assert theirs.metrics[metric] == pytest.approx(ours.metrics[metric], rel=1e-6, abs=0)


@pytest.mark.slow
@pytest.mark.parametrize("solver", OTHERS)
def test_mid_size_problems_need_the_solver(solver: str) -> None:
    counts = [count for (name, _), count in PROGRAMMES.items() if name == solver]
    if len(counts) < 15:
        pytest.skip("only some of this file's tests ran")
    # Bounds alone close the others: those of widths that the limit on noise leaves are tight.
    assert sum(counts) >= 0.4 * len(counts), (sum(counts), len(counts))
    assert sum(count > 0 for count in counts) >= 0.2 * len(counts), counts


@pytest.mark.parametrize("solver", OTHERS)
def test_the_whole_programme_has_the_same_optimum(solver: str) -> None:
    asked = 0
    for seed in range(12):
        problem = random_case(seed).problem
        try:
            ours = solve(problem, method="whole")
        except InfeasibleError:
            with pytest.raises(InfeasibleError):
                solve(problem, method="whole", solver=solver)
            continue
        theirs = solve(problem, method="whole", solver=solver)
        asked += theirs.solver.programmes
        for metric in METRICS:
            if metric in (problem.objective, "area_mm2", "noise"):
                assert theirs.metrics[metric] == pytest.approx(ours.metrics[metric], rel=1e-9)
    assert asked > 8


# --- one model -----------------------------------------------------------------------------------


def knapsack(limit: float) -> pyo.ConcreteModel:
    """Take the dearest things of some weight: 3 and 4 of (2, 3, 4, 5) when 7 may be carried."""
    model = pyo.ConcreteModel()
    model.take = pyo.Var(range(4), domain=pyo.Binary)
    weights, values = (2, 3, 4, 5), (3, 5, 6, 7)
    model.light = pyo.Constraint(expr=sum(w * model.take[i] for i, w in enumerate(weights)) <= 7)
    model.dear = pyo.Constraint(expr=sum(v * model.take[i] for i, v in enumerate(values)) >= limit)
    model.value = pyo.Objective(expr=-sum(v * model.take[i] for i, v in enumerate(values)))
    return model


@pytest.mark.parametrize("solver", ["highs", *OTHERS])
def test_optimum_and_bound(solver: str) -> None:
    model = knapsack(0)
    found = solvers.minimise(model, solver=solver)
    assert found.status == "optimal"
    assert found.bound == pytest.approx(-11)
    assert [round(pyo.value(model.take[i])) for i in range(4)] == [0, 1, 1, 0]


@pytest.mark.parametrize("solver", ["highs", *OTHERS])
def test_infeasible(solver: str) -> None:
    found = solvers.minimise(knapsack(12), solver=solver)
    assert (found.status, found.bound) == ("infeasible", float("inf"))


@pytest.mark.parametrize("solution", [True, False], ids=["with a solution", "without"])
@pytest.mark.parametrize("solver", OTHERS)
def test_out_of_time_is_no_optimum(
    solver: str, solution: bool, caplog: pytest.LogCaptureFixture
) -> None:
    found = solvers.minimise(hard(solution), solver=solver, stop=StopCondition(0.3))
    known = solution and solver == "scip"  # what CBC leaves need not be a solution
    assert found.status == ("feasible" if known else "unknown")
    assert found.bound <= (-1 if known else 60)
    assert not caplog.records


def hard(solution: bool) -> pyo.ConcreteModel:
    """Things of many weights, to be carried or to be split evenly: hopeless in a second."""
    rng = random.Random(1)
    model = pyo.ConcreteModel()
    model.take = pyo.Var(range(80), domain=pyo.Binary)
    model.rows = pyo.ConstraintList()
    for _ in range(20):
        weights = [rng.randint(1, 99) for _ in range(80)]
        carried = sum(w * model.take[i] for i, w in enumerate(weights))
        half = sum(weights) // 2
        model.rows.add(carried <= half if solution else carried == half)
    values = [rng.randint(50, 99) for _ in range(80)]
    model.value = pyo.Objective(expr=-sum(v * model.take[i] for i, v in enumerate(values)))
    return model


# --- refusals ------------------------------------------------------------------------------------


def test_a_solver_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_case(1).problem
    with pytest.raises(SpecError, match=r"solver 'gurobi' is unknown; installed: highs"):
        solve(problem, solver="gurobi")
    monkeypatch.setattr(solvers, "installed", lambda name: name == "highs")
    with pytest.raises(SpecError, match=r"solver 'scip' is not installed; installed: highs$"):
        solve(problem, solver="scip")


def test_the_command_line_says_what_is_installed(
    tiny: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvers, "installed", lambda name: name == "highs")
    code, out, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--solver", "cbc")
    assert (code, out) == (2, "")
    assert err == "codesign: error: solver 'cbc' is not installed; installed: highs\n"


# --- the programme for a bug report --------------------------------------------------------------


def test_a_failed_solver_leaves_its_programme(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SolverError("HiGHS ended badly")

    monkeypatch.setattr(solvers.highs, "minimise", fail)
    with pytest.raises(SolverError, match="HiGHS ended badly") as caught:
        solvers.minimise(knapsack(0))
    assert caught.value.model is not None
    assert "c_u_light_" in caught.value.model
    assert caught.value.model.rstrip().endswith("end")


def test_answers_that_fail_the_recheck_leave_their_programme(
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monolithic, "price", lambda *_: None)
    monkeypatch.setattr(programme, "exclude", lambda *_: None)
    monkeypatch.setattr(programme, "MAX_RECHECKS", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    err = refused(capsys, "solve", tiny, *SMALL, *BUDGET, "--method", "whole", code=5)
    assert "2 solver answers in a row broke a budget" in err
    path = Path(err.rsplit("its programme is in ", 1)[1].strip())
    assert path.parent == tmp_path
    assert "one_accelerator" in path.read_text()


def test_nothing_is_written_without_a_programme(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = {*tmp_path.iterdir()}
    code, _, err = run(capsys, "solve", tiny, *SMALL, *BUDGET, "--time-limit-s", "1e-9")
    assert code == 5
    assert "programme" not in err
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize("solver", OTHERS)
def test_the_enumerated_optimum_at_a_steep_limit(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = solvers.minimise
    monkeypatch.setattr(
        solvers,
        "minimise",
        lambda model, **given: ours(model, **{**given, "solver": solver}),
    )
    for seed in range(8):
        compare(steep_case(seed), "whole")
