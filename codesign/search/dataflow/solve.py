"""Solves the MILP of a range; whatever the solver returns is priced again exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyomo.core as pyo

from codesign.arrays import Ints
from codesign.errors import SolverError
from codesign.problem.goal import Goal
from codesign.problem.tolerances import (
    BUDGET_TOLERANCE,
    CLOSING_GAP,
    LIMIT_MARGIN,
    ROW_SCALE,
    SMALL_LIMIT_MARGIN,
)
from codesign.search.dataflow.formulation import build, forbid
from codesign.search.dataflow.pricing import Pipeline, lags_of, price
from codesign.search.dataflow.programme import Programme
from codesign.search.dataflow.starts import earliest, exact_starts
from codesign.search.dataflow.table import Pricing, Range, Table
from codesign.search.milp import solvers
from codesign.search.milp.solve import MAX_RECHECKS, NEAR_MISSES, TOO_MANY
from codesign.stopping import StopCondition

SAME_PACE = 2 * BUDGET_TOLERANCE  # relative: a range around an interval, which `WITHIN` leaves
LOOSE = 8  # answers over a limit, after which a range of products is halved
NARROW = 1e-7  # relative: of a range in which products are as good as told
WITHIN = -BUDGET_TOLERANCE / 2  # a margin that leaves the solver's tolerance within a limit


@dataclass(frozen=True)
class RangeResult:
    """How the MILP of a range ended.

    Attributes
    ----------
    design : Pipeline or None
        The best found, within the goal's limits when priced exactly.
    bound : float
        No design of the range has a smaller metric; inf if there is none.
    complete : bool
        False where it had to end early.
    loose : bool
        The range is too wide to tell products with the interval apart from what they are within
        limits: parts of it have to be searched.
    """

    design: Pipeline | None
    bound: float
    complete: bool
    loose: bool = False


def solve_range(
    pricing: Pricing,
    table: Table,
    span: Range,
    goal: Goal,
    unit: float,
    *,
    stop: StopCondition,
    rel_gap: float,
    solver: str = "highs",
) -> RangeResult:
    """Minimise a goal's metric over the columns of a table in a range of the interval.

    Parameters
    ----------
    goal : Goal
        The interval, where it is limited, is by the range.
    unit : float
        About what the metric is.

    Raises
    ------
    SolverError
        The solver failed, or its answers keep breaking limits.
    """
    limits = {name: x for name, x in goal.limits.items() if name != "interval_s"}
    margin, bound = LIMIT_MARGIN, -math.inf

    def written(margin: float) -> tuple[Programme, pyo.ConcreteModel]:
        with stop.stopping_at_interrupts():
            given = Programme(pricing, table, span, goal.metric, limits, unit, margin)
            return given, build(given)

    given, model = written(margin)
    excluded: list[list[int]] = []
    best: Pipeline | None = None
    for run in range(1, MAX_RECHECKS + 1):
        if run == NEAR_MISSES:
            given, model = written(SMALL_LIMIT_MARGIN)
            forbid(model, excluded)
        outcome = solvers.minimise(
            model, solver=solver, stop=stop, rel_gap=rel_gap, presolve=run < NEAR_MISSES
        )
        bound = max(bound, outcome.bound * unit / ROW_SCALE)
        complete = outcome.status in ("optimal", "infeasible")
        value = math.inf if best is None else best.metrics[goal.metric]
        if outcome.status in ("infeasible", "unknown") or bound >= value * (1 - CLOSING_GAP):
            return RangeResult(best, min(bound, value), complete)
        columns = [o for o in range(len(table)) if pyo.value(model.run[o]) > 0.5]
        design = _read(given, model, columns)
        if goal.kept_by(design.metrics):
            best = design if design.metrics[goal.metric] < value else best
            assert best is not None
            return RangeResult(best, min(bound, best.metrics[goal.metric]), complete)
        kept = np.isin(np.arange(len(table)), columns)
        pace_s = design.metrics["interval_s"]  # that of these stages, however they start
        paced = Range(pace_s * (1 - SAME_PACE), pace_s * (1 + SAME_PACE))
        few = table.only(kept, table.allowed)
        same = [
            Programme(pricing, few, x, goal.metric, limits, unit, WITHIN) for x in (paced, span)
        ]
        each = [_started_within(x, stop, solver) for x in same]  # in all, more may start otherwise
        for again in (*each, _started_early(given, model, columns)):
            value = math.inf if best is None else best.metrics[goal.metric]
            better = again is not None and again.metrics[goal.metric] < value
            if again is not None and better and goal.kept_by(again.metrics):
                best = again
        if run >= LOOSE and pricing.has_products() and span.most_s > span.least_s * (1 + NARROW):
            value = math.inf if best is None else best.metrics[goal.metric]
            return RangeResult(best, min(bound, value), complete, loose=True)
        excluded.append(columns)
        forbid(model, excluded)
    raise SolverError(f"{MAX_RECHECKS} {TOO_MANY}", model=solvers.lp_text(model))


def _started_within(given: Programme, stop: StopCondition, solver: str) -> Pipeline | None:
    """The best starts of stages that are given, clear of every limit."""
    model = build(given)
    outcome = solvers.minimise(model, solver=solver, stop=stop)
    if outcome.status in ("infeasible", "unknown"):
        return None
    columns = [o for o in range(len(given.table)) if pyo.value(model.run[o]) > 0.5]
    return _read(given, model, columns)


def _started_early(given: Programme, model: pyo.ConcreteModel, columns: list[int]) -> Pipeline:
    """The stages that a model's variables hold, each started as early as can be."""
    options, widths = _chosen(given, model, columns)
    starts = earliest(given.fifos, lags_of(given.space, options))
    return price(given.space, options, widths, starts)


def _chosen(
    given: Programme, model: pyo.ConcreteModel, columns: list[int]
) -> tuple[dict[int, int], Ints]:
    """The option of each layer, and the index of each class's width."""
    options = {int(given.table.layer[o]): int(given.table.option[o]) for o in columns}
    widths = np.zeros(len(given.space.classes), dtype=np.int64)
    for (c, b), variable in model.width.items():
        if pyo.value(variable) > 0.5:
            widths[c] = b
    return options, widths


def _read(given: Programme, model: pyo.ConcreteModel, columns: list[int]) -> Pipeline:
    """The design that a model's variables hold."""
    space, fifos = given.space, given.fifos
    options, widths = _chosen(given, model, columns)
    lags = lags_of(space, options)
    if len(model.STAGES):
        near = np.array([pyo.value(model.start[i]) for i in range(given.layers)])
        starts = exact_starts(fifos, near, lags)
    else:
        starts = earliest(fifos, lags)
    return price(space, options, widths, starts)
