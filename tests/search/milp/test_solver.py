"""The solver on tiny models whose answers are known: status, solution, and a bound that is one."""

from __future__ import annotations

import math
import random
import time
from itertools import product
from typing import Any

import pyomo.environ as pyo
import pytest
from market_split import market_split
from pyomo.core.expr.numeric_expr import LinearExpression

from codesign.errors import SolverError
from codesign.search.milp import highs
from codesign.search.milp.highs import NAME, minimise, version
from codesign.stopping import StopCondition

pytestmark = pytest.mark.smoke

about = pytest.approx


def knapsack(values: list[float], sizes: list[float], room: float) -> pyo.ConcreteModel:
    """Leave behind as little value as possible: ``min Σ value·(1 − take)``."""
    model = pyo.ConcreteModel()
    model.ITEMS = pyo.RangeSet(0, len(values) - 1)
    model.take = pyo.Var(model.ITEMS, domain=pyo.Binary)
    model.room = pyo.Constraint(expr=sum(s * model.take[i] for i, s in enumerate(sizes)) <= room)
    model.objective = pyo.Objective(expr=sum(v * (1 - model.take[i]) for i, v in enumerate(values)))
    return model


def left_behind(values: list[float], sizes: list[float], room: float) -> float:
    """The optimum of `knapsack` by enumeration."""
    return min(
        sum(v for v, taken in zip(values, take, strict=True) if not taken)
        for take in product((0, 1), repeat=len(values))
        if sum(s for s, taken in zip(sizes, take, strict=True) if taken) <= room
    )


def test_name_and_version() -> None:
    assert NAME == "HiGHS"
    assert [part.isdecimal() for part in version().split(".")] == [True] * 3


# --- optimal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_integer_optimum_is_the_enumerated_one(seed: int) -> None:
    rng = random.Random(seed)
    values = [float(rng.randint(1, 20)) for _ in range(9)]
    sizes = [float(rng.randint(1, 9)) for _ in range(9)]
    model = knapsack(values, sizes, 20)
    outcome = minimise(model)
    best = left_behind(values, sizes, 20)
    assert outcome.status == "optimal"
    assert pyo.value(model.objective) == about(best)
    assert outcome.bound == about(best)
    assert sum(s * pyo.value(model.take[i]) for i, s in enumerate(sizes)) <= 20 + 1e-6


def test_linear_optimum() -> None:
    # min x + 2y, x + y ≥ 4, x ≤ 3: x = 3, y = 1, 5
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 3))
    model.y = pyo.Var(domain=pyo.NonNegativeReals)
    model.enough = pyo.Constraint(expr=model.x + model.y >= 4)
    model.objective = pyo.Objective(expr=model.x + 2 * model.y)
    outcome = minimise(model)
    assert outcome.status == "optimal"
    assert (pyo.value(model.x), pyo.value(model.y)) == (about(3), about(1))
    assert outcome.bound == about(5)


def test_constant_in_the_objective() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    model.objective.set_value(model.objective.expr + 100)
    outcome = minimise(model)  # the item of 3 is left behind
    assert outcome.bound == about(103)
    assert pyo.value(model.objective) == about(103)


def test_constant_objective() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    model.objective.set_value(7.0 + 0 * model.take[0])
    outcome = minimise(model)
    assert (outcome.status, outcome.bound) == ("optimal", about(7))


def test_negative_objective() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    model.objective.set_value(-5 * model.take[0] - 3 * model.take[1])
    assert minimise(model).bound == about(-5)


def test_bounds_of_variables() -> None:
    model = pyo.ConcreteModel()
    model.low = pyo.Var(bounds=(-2.5, 7))
    model.high = pyo.Var(bounds=(1, 3.5))
    model.whole = pyo.Var(domain=pyo.Integers, bounds=(-3.5, 3.5))
    model.objective = pyo.Objective(expr=model.low - model.high + model.whole)
    outcome = minimise(model)
    assert pyo.value(model.low) == about(-2.5)
    assert pyo.value(model.high) == about(3.5)
    assert pyo.value(model.whole) == about(-3)
    assert outcome.bound == about(-9)


def test_kinds_of_rows() -> None:
    # An equality, a lower, an upper and a two-sided row, with constants on the left.
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(4), bounds=(-100, 100))
    model.equal = pyo.Constraint(expr=model.x[0] + 1 == 3)
    model.least = pyo.Constraint(expr=2 * model.x[1] + 1 >= 4)
    model.most = pyo.Constraint(expr=3 - model.x[2] <= -2)
    model.between = pyo.Constraint(expr=(2, model.x[3] + model.x[0] + 1, 9))
    model.objective = pyo.Objective(expr=sum(model.x.values()))
    outcome = minimise(model)
    # 2; (4 − 1)/2 = 1.5; 3 + 2 = 5; 2 − 1 − 2 = −1
    assert [pyo.value(x) for x in model.x.values()] == about([2, 1.5, 5, -1])
    assert outcome.bound == about(7.5)
    model.objective.set_value(-model.x[3])
    assert minimise(model).bound == about(-6)  # 9 − 1 − 2


def test_a_variable_twice_in_a_row() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 10))
    model.row = pyo.Constraint(
        expr=LinearExpression(constant=1.0, linear_coefs=[1.0, 2.0], linear_vars=[model.x, model.x])
        >= 7
    )
    model.objective = pyo.Objective(expr=model.x)
    assert minimise(model).bound == about(2)  # 3x + 1 ≥ 7


def test_inactive_rows_do_not_count() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    model.room.deactivate()
    assert minimise(model).bound == about(0)


def test_a_row_added_after_a_solve_counts() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    minimise(model)
    model.other = pyo.Constraint(expr=model.take[0] == 0)
    assert minimise(model).bound == about(5)
    assert pyo.value(model.take[1]) == about(1)


def test_coarse_gap_leaves_an_honest_bound() -> None:
    values, sizes = [10.0 + i for i in range(12)], [3.0 + i % 5 for i in range(12)]
    model = knapsack(values, sizes, 25)
    outcome = minimise(model, rel_gap=0.5)
    best = left_behind(values, sizes, 25)
    reached = pyo.value(model.objective)
    assert outcome.status == "optimal"
    assert outcome.bound <= best * (1 + 1e-9)
    assert best <= reached * (1 + 1e-9)
    assert reached - outcome.bound <= 0.5 * reached * (1 + 1e-9)


# --- infeasible ---------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [pyo.Binary, pyo.NonNegativeReals])
def test_infeasible(domain: object) -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), domain=domain)
    model.most = pyo.Constraint(expr=model.x[0] + model.x[1] <= 1)
    model.least = pyo.Constraint(expr=model.x[0] + 2 * model.x[1] >= 3)
    model.objective = pyo.Objective(expr=model.x[0])
    outcome = minimise(model)
    assert (outcome.status, outcome.bound) == ("infeasible", math.inf)


def test_a_failure_of_the_solver_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, presolved = highs._run, []

    def first_fails(lp: Any, columns: Any, options: Any, *rest: Any) -> Any:
        presolved.append(options["presolve"])
        if len(presolved) == 1:
            raise SolverError("HiGHS ended with 'Solve error', which proves nothing")
        return real(lp, columns, options, *rest)

    monkeypatch.setattr(highs, "_run", first_fails)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(domain=pyo.Integers, bounds=(2, 5))
    model.objective = pyo.Objective(expr=3 * model.x)
    outcome = minimise(model)
    assert (outcome.status, outcome.bound) == ("optimal", 6)
    assert presolved == ["on", "off"]


def test_infeasible_only_for_integers() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(3), domain=pyo.Binary)
    model.odd = pyo.Constraint(expr=2 * sum(model.x.values()) == 3)
    model.objective = pyo.Objective(expr=model.x[0])
    assert minimise(model).status == "infeasible"


@pytest.mark.parametrize(("constant", "status"), [(1.0, "infeasible"), (-1.0, "optimal")])
def test_row_without_variables(constant: float, status: str) -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    empty = LinearExpression(constant=constant, linear_coefs=[], linear_vars=[])
    model.empty = pyo.Constraint(expr=empty <= 0)
    assert minimise(model).status == status


def test_row_of_zero_coefficients() -> None:
    model = knapsack([5.0, 3.0], [1.0, 1.0], 1)
    zero = LinearExpression(constant=1.0, linear_coefs=[0.0], linear_vars=[model.take[0]])
    model.zero = pyo.Constraint(expr=zero <= 0)
    assert minimise(model).status == "infeasible"


def test_unbounded_proves_nothing() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var()
    model.objective = pyo.Objective(expr=model.x)
    with pytest.raises(SolverError, match="proves nothing"):
        minimise(model)


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("late_s", [0.0, 5.0])
def test_no_time_at_all(late_s: float) -> None:
    stop = StopCondition()
    stop.deadline_s = time.monotonic() - late_s
    outcome = minimise(market_split(4, 30, seed=1), stop=stop)
    assert outcome.status in ("unknown", "feasible")
    assert outcome.bound < math.inf


@pytest.mark.slow
def test_time_limit_leaves_a_solution_and_a_bound_below_it() -> None:
    model = market_split(5, 40, seed=2)  # takes minutes
    outcome = minimise(model, stop=StopCondition(2.0))
    assert outcome.status == "feasible"
    assert -1e-9 <= outcome.bound <= pyo.value(model.objective)
    for row in model.split.values():
        assert pyo.value(row.body) == about(pyo.value(row.upper), abs=1e-5)


@pytest.mark.slow
def test_progress_is_reported_and_honest() -> None:
    seen: list[tuple[float, float]] = []
    minimise(
        market_split(4, 30, seed=3),
        stop=StopCondition(2.0),
        on_progress=lambda best, bound: seen.append((best, bound)),
    )
    assert seen
    assert all(bound <= best + 1e-9 for best, bound in seen)


# --- options, determinism -----------------------------------------------------------------------


def test_unknown_option() -> None:
    with pytest.raises(TypeError, match="time_limit"):
        minimise(knapsack([1.0], [1.0], 1), time_limit=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "options",
    [{"rel_gap": -1.0}, {"threads": -3}, {"seed": -1}],
    ids=lambda given: next(iter(given)),
)
def test_refused_option(options: dict[str, float]) -> None:
    with pytest.raises(SolverError, match="HiGHS refused the option"):
        minimise(knapsack([1.0], [1.0], 1), **options)  # type: ignore[arg-type]


def test_same_model_same_solution() -> None:
    def answer() -> tuple[float, list[float]]:
        model = knapsack([3.0] * 12, [2.0] * 12, 11)  # 792 equally good choices
        bound = minimise(model).bound
        return bound, [pyo.value(take) for take in model.take.values()]

    assert answer() == answer()
