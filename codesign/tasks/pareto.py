"""Pareto fronts: proven designs placed where the unknown is largest, or all of them.

Each point is the least first objective within limits on the others, then the least of each other
objective, then of area and noise: nothing weakly dominates it. All are searched for in one space,
so that bounds, tables and solutions are shared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.problem.goal import Goal, front_objectives
from codesign.problem.metrics import (
    INTERVAL,
    by_metric,
    check_members_named,
    check_metrics_on,
    of_interval,
)
from codesign.problem.problem import Problem
from codesign.problem.tolerances import SAME_VALUE
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.front import Front, RuledOut, values_of
from codesign.search.open_boxes import OpenBoxes
from codesign.search.progress import FrontProgress
from codesign.specs.suite import refuse_suite
from codesign.stopping import StopCondition
from codesign.tasks.front_points import Point, points_of
from codesign.units import distinct_texts, kind_of

Ranges = Mapping[str, tuple[float, float]]
# Boxes are cut at about their geometric middle. Not there: noise falls by powers of four, and a
# limit that many designs miss by no more than rounding is hard on the solver.
NEAR_LOW = 0.52
SUBPROBLEMS_PER_POINT = 5  # at most: some lead to a point already known


def pareto(
    problem: Problem,
    objectives: Sequence[str] = ("latency_s", "area_mm2"),
    points: int | None = 20,
    *,
    ranges: Ranges | None = None,
    rel_step: float = 0.0,
    time_limit_s: float | None = None,
    on_progress: Callable[[FrontProgress], None] | None = None,
) -> Front:
    """Find proven Pareto-optimal designs of a problem.

    Ctrl-C in the main thread ends the search as a time limit does, and so does a KeyboardInterrupt
    of ``on_progress``: the points found so far are returned, ``front.interrupted`` is True. A
    second one is raised at once.

    Parameters
    ----------
    problem : Problem
        Its objective is of no account; its budgets hold for every point.
    objectives : sequence of str
        Two or three metrics; of a suite also of its members, as in ``latency_s@resnet18``.
    points : int or None
        How many, the ends included, the next always in the largest box where undiscovered points
        may lie; None: all there are.
    ranges : mapping of str to (low, high), optional
        Part of the front to look at: an objective's values of interest. The end at ``low`` is the
        best design within ``low``, if there is one.
    rel_step : float
        Points that differ by less, relative, in an objective need not be told apart; for
        ``points=None``.
    time_limit_s : float, optional
        Then return what is found; a point whose proof is unfinished is ``feasible``.

    Raises
    ------
    SpecError
        Unknown, repeated, too few or too many objectives, an interval of a suite or beside the
        latency of one array, a range that is none, or points, a step
        or a limit out of range.
    InfeasibleError
        No design keeps every budget and the upper end of every range.
    SolverError
        Time ran out before any design was found.
    KeyboardInterrupt
        Interrupted before any design was found, or twice.
    """
    names = front_objectives((objectives,) if isinstance(objectives, str) else objectives)
    checked = _check_ranges(by_metric(ranges or {}), names)
    if INTERVAL in names and not problem.choices.pipelined:
        names, checked = _of_latency(problem, names, checked)
    check_metrics_on(problem.technology, names, "objectives")
    check_members_named(names, problem.network, "objectives")
    if points is not None and points < len(names):
        raise SpecError(f"points: at least {len(names)}, one for each end, got {points}")
    if not 0 <= rel_step < 1:
        raise SpecError(f"rel_step must be at least 0 and below 1, got {rel_step}")
    if problem.references:  # of regret, which no point has
        problem = replace(problem, objective=names[0], references={})
    stop = StopCondition(time_limit_s)
    search = EpsilonConstraintSearch(problem, names, checked, stop, rel_step)
    with stop.catching_interrupts():
        search.find_ends()
        while search.goes_on(points):
            if on_progress is not None:
                stop.report(on_progress, search.progress(points))
            if stop.interrupted or not search.explore_largest_box(everywhere=points is None):
                break
        return search.front()


class Subproblem(NamedTuple):
    """The least first objective within limits on the others, solved.

    Attributes
    ----------
    limits : floats, shape (objectives − 1,)
    values : floats, shape (objectives,)
        Of the design found.
    bound : float
        Lower bound on the first objective within the limits.
    """

    limits: Floats
    values: Floats
    bound: float


class EpsilonConstraintSearch:
    """The epsilon-constraint method: one objective minimised within limits on the others.

    Limits are taken from the largest open box, in which no design is known and none ruled out.
    """

    def __init__(
        self,
        problem: Problem,
        objectives: tuple[str, ...],
        ranges: Ranges,
        stop: StopCondition,
        rel_step: float,
    ) -> None:
        self.started_s = time.monotonic()
        self.problem, self.objectives, self.ranges = problem, objectives, ranges
        self.stop, self.rel_step = stop, rel_step
        self.least_step = max(rel_step, SAME_VALUE)
        self.points = points_of(problem, objectives, stop)
        self.budgets = dict(problem.budgets)
        for name, (_, high) in ranges.items():
            self.budgets[name] = min(high, self.budgets.get(name, math.inf))
        self.most = self._limits_of(self.budgets)
        self.designs: list[Design | DataflowDesign] = []
        self.ruled_out: list[RuledOut] = []
        self.solved: list[Subproblem] = []
        self.out_of_time = False
        self.subproblems = 0
        self.open_boxes = OpenBoxes.above(np.zeros(len(objectives)))

    def goes_on(self, wanted: int | None) -> bool:
        """Whether there is time, and reason, for another subproblem."""
        if self.out_of_time or self.stop.interrupted:
            return False
        if wanted is None:
            return True
        return len(self.designs) < wanted and self.subproblems < SUBPROBLEMS_PER_POINT * wanted

    def progress(self, wanted: int | None) -> FrontProgress:
        """How far it is."""
        seconds = time.monotonic() - self.started_s
        return FrontProgress(len(self.designs), wanted, self.gap(), seconds)

    # Subproblems --------------------------------------------------------------------------------

    def find_ends(self) -> None:
        """Find the best design in each objective, within the ranges."""
        ideal = np.zeros(len(self.objectives))
        for axis, name in enumerate(self.objectives):
            low = self.ranges.get(name, (0.0, 0.0))[0]
            others = tuple(other for other in self.objectives if other != name)
            found = None
            if low > 0:
                found = self._minimise((*others, name), {name: low})
            if found is None and not self.out_of_time:
                found = self._minimise((name, *others), {})
                ideal[axis] = found.proof.bound if found else low
            ideal[axis] = max(ideal[axis], low)
            if self.out_of_time:
                break
        self.open_boxes = self.open_boxes.above_all(ideal)

    def explore_largest_box(self, everywhere: bool) -> bool:
        """Solve the subproblem of the largest open box; False where no box is left.

        Parameters
        ----------
        everywhere : bool
            The whole box within its upper limits, so that it is closed; else half of it.
        """
        boxes = self.open_boxes
        if not len(boxes):
            return False
        worst = values_of(self.designs, self.objectives).max(axis=0)
        volumes = boxes.volumes(worst)
        if not everywhere and not volumes.max() > 0:
            return False
        box = int(volumes.argmax())
        low, high = boxes.low[box, 1:], boxes.high[box, 1:]
        if everywhere:
            limits = high
        else:
            high = np.minimum(high, worst[1:])
            middle = np.where(low > 0, low**NEAR_LOW * high ** (1 - NEAR_LOW), high / 2)
            limits = np.where(high > low * (1 + self.least_step), middle, high)
        self._minimise_within(limits)
        return True

    def _minimise_within(self, limits: Floats) -> None:
        """Find the least first objective within limits on the others, unless it is known."""
        within = np.minimum(limits, self.most)
        for known in self.solved:
            if (within <= known.limits).all() and (known.values[1:] <= within).all():
                self._rule_out(within, known.bound)
                return
        named = zip(self.objectives[1:], limits.tolist(), strict=True)
        self._minimise(self.objectives, {name: x for name, x in named if math.isfinite(x)})

    def _minimise(
        self, order: tuple[str, ...], limits: Mapping[str, float]
    ) -> Design | DataflowDesign | None:
        """Minimise metrics in order within limits; None where there is no design."""
        started_s = time.monotonic()
        budgets = dict(self.budgets)
        for name, limit in limits.items():
            budgets[name] = min(limit, budgets.get(name, math.inf))
        found = self.points.best(order, budgets)
        self.subproblems += 1
        self.out_of_time = not found.complete
        within, first = self._limits_of(budgets), self.objectives[0]
        if not found.exists:
            if found.complete:
                self._rule_out(within, limits.get(first, math.inf))
            if not self.designs and (self.out_of_time or not limits):
                raise self.points.nothing(found, Goal(first, self.budgets))
            return None
        design = self._design(found, order[0], budgets, started_s)
        values = values_of([design], self.objectives)[0]
        if order[0] == first:
            self._rule_out(within, found.bound)
            if found.complete:
                self.solved.append(Subproblem(within, values, found.bound))
        if self._is_new(values):
            self.designs.append(design)
        self.open_boxes = self.open_boxes.without_dominated(values / (1 + self.least_step))
        return design

    def _limits_of(self, budgets: Mapping[str, float]) -> Floats:
        """(objectives − 1,): limits on the objectives after the first; inf for none."""
        return np.array([budgets.get(name, math.inf) for name in self.objectives[1:]])

    def _rule_out(self, limits: Floats, bound: float) -> None:
        """Note that no design within limits on the other objectives has a first below a bound."""
        named = dict(zip(self.objectives[1:], limits.tolist(), strict=True))
        high = self.ranges.get(self.objectives[0], (0.0, math.inf))[1]
        self.ruled_out.append(RuledOut(named, min(float(bound), high)))
        # Nothing beyond the budgets is looked for.
        within = np.where(limits >= self.most, math.inf, limits)
        self.open_boxes = self.open_boxes.without_empty(float(bound), within)

    def _design(
        self,
        found: Point,
        objective: str,
        budgets: Mapping[str, float],
        started_s: float,
    ) -> Design | DataflowDesign:
        given = self.problem
        quality = given.quality if _noises(budgets) == _noises(given.budgets) else None
        problem = replace(given, objective=objective, budgets=budgets, quality=quality)
        return self.points.design(found, problem, started_s)

    # The front ----------------------------------------------------------------------------------

    def _is_new(self, values: Floats) -> bool:
        known = values_of(self.designs, self.objectives)
        return not (known <= values * (1 + SAME_VALUE)).all(axis=1).any()

    def gap(self) -> float:
        """Share of the box between the best and the worst points that is open."""
        values = values_of(self.designs, self.objectives)
        best, worst = values.min(axis=0), values.max(axis=0)
        whole = float(np.prod(worst - best))
        if whole <= 0:
            return float(len(self.open_boxes) > 0)
        return min(float(self.open_boxes.volumes(worst).sum()) / whole, 1.0)

    def front(self) -> Front:
        """All that was found, weakly dominated designs left out."""
        values = values_of(self.designs, self.objectives)
        kept = [
            i
            for i, row in enumerate(values)
            if not any(
                (other <= row * (1 + SAME_VALUE)).all() and (other < row * (1 - SAME_VALUE)).any()
                for other in values
            )
        ]
        kept.sort(key=lambda i: tuple(values[i]))
        return Front(
            problem=self.problem,
            objectives=self.objectives,
            designs=tuple(self.designs[i] for i in kept),
            ruled=tuple(self.ruled_out),
            complete=not len(self.open_boxes) and not self.out_of_time,
            rel_step=self.rel_step,
            gap=self.gap(),
            seconds=time.monotonic() - self.started_s,
            interrupted=self.stop.interrupted,
        )


def _noises(budgets: Mapping[str, float]) -> dict[str, float]:
    """Limits on noise, which a quality means."""
    return {name: limit for name, limit in budgets.items() if kind_of(name) == "noise"}


def _of_latency(
    problem: Problem, names: tuple[str, ...], ranges: Ranges
) -> tuple[tuple[str, ...], Ranges]:
    """Objectives and ranges with the latency of the batch for an interval, as `Problem` has it."""
    refuse_suite(problem.network, f"{INTERVAL} is of")
    if "latency_s" in names:
        raise SpecError("objectives: the interval of one array is its latency; give one of them")
    images = problem.network.images
    found = {
        of_interval(name): (low * images, high * images) if name == INTERVAL else (low, high)
        for name, (low, high) in ranges.items()
    }
    return tuple(map(of_interval, names)), found


def _check_ranges(ranges: Ranges, names: tuple[str, ...]) -> Ranges:
    for name, (low, high) in ranges.items():
        if name not in names:
            raise SpecError(f"range: {name!r} is no objective ({', '.join(names)})")
        if not 0 <= low < high < math.inf:
            start, end = f"{low:g}", f"{high:g}"
            if math.isfinite(low) and math.isfinite(high):
                end, (start,) = distinct_texts(high, [low])
            raise SpecError(f"range: {name} from {start} to {end}: give a lower and a higher end")
    return ranges
