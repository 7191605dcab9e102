"""Lexicographic minimisation over one space: metrics one after the other, those before held.

All calls share what the space's tables cost to build, what was proved for earlier goals, and the
designs met on the way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from codesign.arrays import Bools
from codesign.errors import SpecError
from codesign.problem.goal import Ended, Goal, TiesFound
from codesign.problem.tolerances import CLOSING_GAP, OPTIMAL_GAP, beyond
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import CutPool
from codesign.search.goal_task import GoalTask, OnProgress, SearchResult, SearchStats
from codesign.search.member_spaces import MemberSpaces
from codesign.search.milp.solvers import SolverName, check_installed
from codesign.search.monolithic import prove_monolithic
from codesign.search.prove_goal import prove_goal
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution
from codesign.space.widths import WidthSpace
from codesign.specs.fpga import AnyTechnology
from codesign.stopping import StopCondition

Method = Literal["search", "whole"]
Ties = Literal["break", "leave"]
TIES_TIMES, TIES_LEAST_S = 5.0, 10.0  # time for ties: so many times the first metric's, or seconds

ReportMetric = Callable[[str], OnProgress | None]


def tie_breakers(technology: AnyTechnology) -> tuple[str, ...]:
    """What is minimised after an objective: the hardware, then the noise.

    Of an FPGA LUTs, then block RAMs: DSP blocks follow from the array.
    """
    hardware = (x for x in technology.hardware_metrics if x != "dsp")
    return (*hardware, "noise")


def check_ties(ties: str) -> None:
    """Refuse an unknown word for what to do with ties.

    Raises
    ------
    SpecError
    """
    _check_word("ties", ties, get_args(Ties))


def _check_word(name: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        raise SpecError(f"{name} must be one of {', '.join(words)}, got {word!r}")


@dataclass(frozen=True)
class LexicographicResult:
    """Outcome of one lexicographic minimisation."""

    solution: Solution | None  # None: nothing is within the limits (proven if ``first.complete``)
    first: SearchResult  # of the first metric
    complete: bool  # whether the least of every metric was proven, in their order
    stats: SearchStats
    ties: TiesFound  # whether the metrics after the first were minimised too, and proven least
    # Why the search for the first ended: with the gap that it may leave, or early; None: early, but
    # neither for time nor an interrupt.
    ended: Ended | None


class LexicographicSearch:
    """Minimises lists of metrics over one space.

    Parameters
    ----------
    method : "search" or "whole"
        By branch and bound over the hardware options, or by one monolithic MILP.
    rel_gap : float
        Relative gap at which to stop minimising the first metric.
    stop : StopCondition, optional
        When to end with what is found.
    solver : "highs", "scip" or "cbc"
        Which solves the MILPs.

    Raises
    ------
    SpecError
        An unknown method, a gap outside [0, 1), or a solver that is not installed.
    """

    def __init__(
        self,
        space: WidthSpace,
        *,
        method: Method = "search",
        rel_gap: float = OPTIMAL_GAP,
        stop: StopCondition | None = None,
        solver: SolverName = "highs",
    ) -> None:
        _check_word("method", method, get_args(Method))
        if not 0 <= rel_gap < 1:
            raise SpecError(f"rel_gap must be at least 0 and below 1, got {rel_gap}")
        check_installed(solver)
        self.method, self.solver = method, solver
        self.stop = StopCondition() if stop is None else stop
        self.space, self.relaxation = space, Relaxation(space, self.stop.check)
        self.cut_pool, self.members = CutPool(space.additive_metrics), MemberSpaces()
        self.open = np.ones(len(space), dtype=bool)
        if method == "whole" and space.counts_energy and space.port is not None:
            raise SpecError(
                "sram_bits_per_cycle: method 'whole' does not count it beside energy; "
                "leave out the method"
            )
        self.prove = prove_monolithic if method == "whole" else prove_goal
        self.rel_gap = rel_gap

    @property
    def of_all_widths(self) -> LexicographicSearch:
        """The search over the space with the widths that its limit on the noise rules out, too."""
        if not (isinstance(self.space, HardwareSpace) and self.space.within_noise):
            return self
        return LexicographicSearch(
            HardwareSpace(self.space.problem),
            method=self.method,
            rel_gap=self.rel_gap,
            stop=self.stop,
            solver=self.solver,
        )

    def part(
        self,
        kept: Bools,
        least_sram_bits: float = 0.0,
        most_sram_bits: float = math.inf,
    ) -> LexicographicSearch:
        """The search over a part of the space: the hardware options kept, in a range of SRAM.

        It starts from what is known of all the space; what it finds stays its own.
        """
        assert isinstance(self.space, HardwareSpace)  # widths alone have no parts
        part = copy(self)
        part.space = self.space.with_sram(least_sram_bits, most_sram_bits)
        part.open = self.open & kept

        def holds(design: Solution) -> bool:
            in_range = least_sram_bits <= design.sram_bits <= most_sram_bits
            return in_range and bool(part.open[design.option])

        part.cut_pool = self.cut_pool.within(holds)
        return part

    def goal_task(self, goal: Goal, report: OnProgress | None = None) -> GoalTask:
        """The task of proving one goal over the space."""
        return GoalTask(
            space=self.space,
            relaxation=self.relaxation,
            goal=goal,
            lower=np.where(self.open, -np.inf, np.inf),
            rel_gap=self.rel_gap if self.rel_gap > OPTIMAL_GAP else CLOSING_GAP,
            stop=self.stop,
            on_progress=report,
            cut_pool=self.cut_pool,
            solver=self.solver,
            members=self.members,
        )

    def minimise(
        self,
        metrics: Sequence[str],
        limits: Mapping[str, float],
        report: ReportMetric = lambda metric: None,
        ties: Ties | None = None,
    ) -> LexicographicResult:
        """Minimise the metrics one after the other, each with those before held at their least.

        Parameters
        ----------
        ties : "break" or "leave", optional
            Leave: the first metric alone. Break: the others too, for a time in proportion. By
            default all, however long it takes.
        """
        task = self.goal_task(Goal(metrics[0], dict(limits)), report(metrics[0]))
        started = time.monotonic()
        result = first = self.prove(task)
        ended: Ended | None = "gap" if first.complete else self.stop.reason()
        outcome: TiesFound = "left" if ties == "leave" else "broken"
        share_s = max(TIES_TIMES * (time.monotonic() - started), TIES_LEAST_S)
        with self.stop.within(share_s if ties else math.inf):
            for metric in () if ties == "leave" else metrics[1:]:
                if result.incumbent is not None and result.complete:
                    task = _next_goal(task, result, metric, report(metric))
                    result = self.prove(task)
        return LexicographicResult(
            solution=result.incumbent,
            first=first,
            complete=result.complete,
            stats=task.stats,
            ties=outcome if result.complete else "not proven",
            ended=ended,
        )


def _next_goal(
    task: GoalTask, result: SearchResult, metric: str, report: OnProgress | None
) -> GoalTask:
    """Minimise another metric with the last one held at the value just proven.

    That may be a little above a limit of its own, which stays the limit.
    """
    assert result.incumbent is not None
    last, limits = task.goal.metric, task.goal.limits
    value = result.incumbent.metrics[last]
    held = min(value, limits.get(last, math.inf))
    return replace(
        task,
        goal=Goal(metric, {**limits, last: held}),
        lower=np.where(result.lower > beyond(value), np.inf, -np.inf),
        incumbent=result.incumbent,
        rel_gap=CLOSING_GAP,
        on_progress=report,
        primary_metric=task.primary_metric or last,
    )
