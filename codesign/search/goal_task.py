"""What a search for one goal is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from codesign.arrays import Floats
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import CutPool
from codesign.search.member_spaces import MemberSpaces
from codesign.search.milp.solve import MilpResult
from codesign.space.solution import Solution
from codesign.space.widths import WidthSpace
from codesign.stopping import StopCondition

OnProgress = Callable[[float | None, float], None]  # (metric of the incumbent, bound)


@dataclass
class SearchStats:
    """Which hardware options were handed to a solver, how often it ran, and for how long."""

    solved: set[int] = field(default_factory=set)
    milps: int = 0
    solver_s: float = 0.0

    def count(self, result: MilpResult) -> None:
        """Add the solver's runs on one model."""
        self.milps += result.runs
        self.solver_s += result.solver_s


@dataclass(frozen=True)
class SearchResult:
    """Outcome of one goal."""

    incumbent: Solution | None  # None: nothing is within the limits (proven if ``complete``)
    bound: float  # no design of the space has a smaller metric; inf if there is none at all
    lower: Floats  # (options,): lower bounds
    complete: bool  # False where it had to end early


@dataclass(frozen=True)
class GoalTask:
    """One goal to prove, with what is known beforehand; the pool and the stats are added to."""

    space: WidthSpace
    relaxation: Relaxation
    goal: Goal
    lower: Floats  # (options,): bounds on the goal's metric; inf excludes an option
    incumbent: Solution | None = None  # a design within the limits
    stats: SearchStats = field(default_factory=SearchStats)
    rel_gap: float = CLOSING_GAP  # at which an option is closed
    stop: StopCondition = field(default_factory=StopCondition)
    on_progress: OnProgress | None = None
    cut_pool: CutPool = field(default_factory=CutPool)  # of all goals over this space
    feasibility_only: bool = False  # stop at the first design within the limits
    solver: str = "highs"  # one of `solvers.SOLVERS`
    # The first metric of a lexicographic sequence, limited to its least value while this goal, a
    # later one of the sequence, is proven.
    primary_metric: str | None = None
    members: MemberSpaces = field(default_factory=MemberSpaces)  # of a suite

    @property
    def solver_gap(self) -> float:
        """Relative gap for the solver: none of its own unless a coarse answer is asked for."""
        return self.rel_gap if self.rel_gap > CLOSING_GAP else 0.0

    def value_of(self, solution: Solution | None) -> float:
        """The goal's metric of a solution; inf without one."""
        return np.inf if solution is None else solution.metrics[self.goal.metric]
