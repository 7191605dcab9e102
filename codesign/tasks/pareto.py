"""Pareto fronts: proven designs placed where the unknown is largest, or all of them.

Each point is the least first objective within limits on the others, then the least of each other
objective, then of area and noise: nothing weakly dominates it. All points are answered over one
space, so bounds, tables and designs are shared.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.problem.goal import OPTIMAL_GAP, Goal, front_objectives
from codesign.problem.metrics import by_metric
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.results.front import Front, Ruled, values_of
from codesign.search.lexicographic import TIE_BREAKERS, LexicographicResult, LexicographicSearch
from codesign.search.milp.formulation import MARGIN
from codesign.search.open_boxes import OpenBoxes
from codesign.search.progress import FrontProgress
from codesign.space.hardware import HardwareSpace
from codesign.stopping import StopCondition
from codesign.tasks.build_design import build_design
from codesign.tasks.solve import nothing_found, solver_record
from codesign.units import distinct_texts

Ranges = Mapping[str, tuple[float, float]]
# Relative; values nearer than this count as equal. Limits are asked for so much below values that
# are known: the margin of the programme's limits must end well before.
SAME = 4 * MARGIN
# Boxes are cut at about their geometric middle. Not there: noise falls by powers of four, and a
# limit that many designs miss by no more than rounding is hard on the solver.
NEAR_LOW = 0.52
QUESTIONS_PER_POINT = 5  # some questions are answered by a point already known


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
        Two or three metrics.
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
        Unknown, repeated, too few or too many objectives, a range that is none, or points, a step
        or a limit out of range.
    InfeasibleError
        No design keeps every budget and the upper end of every range.
    SolverError
        Time ran out before any design was found.
    KeyboardInterrupt
        Interrupted before any design was found, or twice.
    """
    names = front_objectives((objectives,) if isinstance(objectives, str) else objectives)
    if points is not None and points < len(names):
        raise SpecError(f"points: at least {len(names)}, one for each end, got {points}")
    if not 0 <= rel_step < 1:
        raise SpecError(f"rel_step must be at least 0 and below 1, got {rel_step}")
    survey = _Survey(
        problem, names, _check_ranges(by_metric(ranges or {}), names), time_limit_s, rel_step
    )
    with survey.stop.catching_interrupts():
        survey.ends()
        while survey.goes_on(points):
            if on_progress is not None:
                survey.report(on_progress, points)
            if survey.stop.interrupted or not survey.ask_next(everywhere=points is None):
                break
        return survey.front()


class _Survey:
    """What is known of a front, and the next question worth asking."""

    def __init__(
        self,
        problem: Problem,
        names: tuple[str, ...],
        ranges: Ranges,
        time_limit_s: float | None,
        rel_step: float,
    ) -> None:
        self.started = time.monotonic()
        self.problem, self.names, self.ranges = problem, names, ranges
        self.step = max(rel_step, SAME)
        self.rel_step = rel_step
        self.stop = StopCondition(time_limit_s)
        self.space = HardwareSpace(problem)
        self.prover = LexicographicSearch(self.space, stop=self.stop)
        self.base = {str(name): limit for name, limit in problem.budgets.items()}
        for name, (_, high) in ranges.items():
            self.base[name] = min(high, self.base.get(name, math.inf))
        self.designs: list[Design] = []
        self.ruled: list[Ruled] = []
        self.answered: list[tuple[Floats, Floats, float]] = []  # limits asked, values found, bound
        self.out_of_time = False
        self.questions = 0
        self.most = np.array([self.base.get(name, math.inf) for name in names])
        self.unexplored = OpenBoxes.above(np.zeros(len(names)))

    def goes_on(self, wanted: int | None) -> bool:
        """Whether there is time, and reason, for another question."""
        if self.out_of_time or self.stop.interrupted:
            return False
        if wanted is None:
            return True
        return len(self.designs) < wanted and self.questions < QUESTIONS_PER_POINT * wanted

    def report(self, on_progress: Callable[[FrontProgress], None], wanted: int | None) -> None:
        """Tell how far it is; an interrupt of ``on_progress`` is one of the search."""
        seconds = time.monotonic() - self.started
        try:
            on_progress(FrontProgress(len(self.designs), wanted, self.gap(), seconds))
        except KeyboardInterrupt:
            self.stop.interrupt()

    # Questions ----------------------------------------------------------------------------------

    def ends(self) -> None:
        """The best design in each objective, within the ranges."""
        ideal = np.zeros(len(self.names))
        for axis, name in enumerate(self.names):
            low = self.ranges.get(name, (0.0, 0.0))[0]
            others = tuple(other for other in self.names if other != name)
            found = None
            if low > 0:
                found = self._ask((*others, name), {name: low})
            if found is None and not self.out_of_time:
                found = self._ask((name, *others), {})
                ideal[axis] = found.proof.bound if found else low
            ideal[axis] = max(ideal[axis], low)
            if self.out_of_time:
                break
        self.unexplored = self.unexplored.above_all(ideal)

    def ask_next(self, everywhere: bool) -> bool:
        """Ask the question of the largest box; False where no box is left."""
        if not len(self.unexplored):
            return False
        worst = values_of(self.designs, self.names).max(axis=0)
        volumes = self.unexplored.volumes(worst)
        if not everywhere and not volumes.max() > 0:
            return False
        box = int(volumes.argmax())
        low, high = self.unexplored.low[box, 1:], self.unexplored.high[box, 1:]
        if everywhere:
            limits = high
        else:
            high = np.minimum(high, worst[1:])
            middle = np.where(low > 0, low**NEAR_LOW * high ** (1 - NEAR_LOW), high / 2)
            limits = np.where(high > low * (1 + self.step), middle, high)
        self._ask_within(dict(zip(self.names[1:], limits.tolist(), strict=True)))
        return True

    def _ask_within(self, limits: Mapping[str, float]) -> Design | None:
        """The least first objective within limits on others; a known answer is not asked again."""
        asked = np.array([limits.get(name, math.inf) for name in self.names[1:]])
        asked = np.minimum(asked, self.most[1:])
        for earlier, values, bound in self.answered:
            if (asked <= earlier).all() and (values[1:] <= asked).all():
                self._rule(asked, bound)
                return None
        return self._ask(self.names, {k: x for k, x in limits.items() if math.isfinite(x)})

    def _ask(self, order: tuple[str, ...], limits: Mapping[str, float]) -> Design | None:
        """Minimise metrics in order within limits; None where there is no design."""
        started = time.monotonic()
        budgets = dict(self.base)
        for name, limit in limits.items():
            budgets[name] = min(limit, budgets.get(name, math.inf))
        metrics = tuple(dict.fromkeys((*order, *TIE_BREAKERS)))
        found = self.prover.minimise(metrics, budgets)
        self.questions += 1
        self.out_of_time = not found.complete
        asked = np.array([budgets.get(name, math.inf) for name in self.names[1:]])
        if found.solution is None:
            if found.complete:
                self._rule(asked, limits.get(self.names[0], math.inf))
            if not self.designs and (self.out_of_time or not limits):
                self._give_up(found)
            return None
        if order[0] == self.names[0]:
            self._rule(asked, found.first.bound)
        design = self._design(found, order[0], budgets, time.monotonic() - started)
        values = values_of([design], self.names)[0]
        if found.complete and order[0] == self.names[0]:
            self.answered.append((asked, values, found.first.bound))
        if self._is_new(values):
            self.designs.append(design)
        self.unexplored = self.unexplored.without_dominated(values / (1 + self.step))
        return design

    def _rule(self, asked: Floats, bound: float) -> None:
        """Note that no design within the limits asked is below a bound."""
        limits = dict(zip(self.names[1:], asked.tolist(), strict=True))
        high = self.ranges.get(self.names[0], (0.0, math.inf))[1]
        self.ruled.append(Ruled(limits, min(float(bound), high)))
        beyond = asked >= self.most[1:]  # nothing beyond the budgets is looked for
        self.unexplored = self.unexplored.without_empty(
            float(bound), np.where(beyond, math.inf, asked)
        )

    def _give_up(self, found: LexicographicResult) -> None:
        goal = Goal(self.names[0], self.base)
        raise nothing_found(self.prover, found, goal, "design")

    def _design(
        self,
        found: LexicographicResult,
        objective: str,
        budgets: Mapping[str, float],
        seconds: float,
    ) -> Design:
        assert found.solution is not None
        problem = replace(
            self.problem,
            objective=objective,
            budgets=budgets,
            quality=self.problem.quality if self._quality_holds(budgets) else None,
        )
        record = solver_record(found, objective, OPTIMAL_GAP, "search", seconds)
        record = replace(record, interrupted=self.stop.interrupted)
        return build_design(self.space, problem, found, record)

    def _quality_holds(self, budgets: Mapping[str, float]) -> bool:
        return budgets.get("noise") == self.problem.budgets.get("noise")

    # Answers ------------------------------------------------------------------------------------

    def _is_new(self, values: Floats) -> bool:
        known = values_of(self.designs, self.names)
        return not (known <= values * (1 + SAME)).all(axis=1).any()

    def gap(self) -> float:
        """Share of the box between the best and the worst points that is unexplored."""
        values = values_of(self.designs, self.names)
        best, worst = values.min(axis=0), values.max(axis=0)
        whole = float(np.prod(worst - best))
        if whole <= 0:
            return float(len(self.unexplored) > 0)
        return min(float(self.unexplored.volumes(worst).sum()) / whole, 1.0)

    def front(self) -> Front:
        """All that was found, weakly dominated designs left out."""
        values = values_of(self.designs, self.names)
        kept = [
            i
            for i, row in enumerate(values)
            if not any(
                (other <= row * (1 + SAME)).all() and (other < row * (1 - SAME)).any()
                for other in values
            )
        ]
        kept.sort(key=lambda i: tuple(values[i]))
        return Front(
            problem=self.problem,
            objectives=self.names,
            designs=tuple(self.designs[i] for i in kept),
            ruled=tuple(self.ruled),
            complete=not len(self.unexplored) and not self.out_of_time,
            rel_step=self.rel_step,
            gap=self.gap(),
            seconds=time.monotonic() - self.started,
            interrupted=self.stop.interrupted,
        )


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
