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
from codesign.search.milp.solve import MilpResult
from codesign.space.point import Solution
from codesign.space.widths import WidthSpace
from codesign.stopping import StopCondition

OnProgress = Callable[[float | None, float], None]  # (objective of the incumbent, bound)


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
    """Outcome of one goal.

    Attributes
    ----------
    incumbent : Solution or None
        None: nothing within the limits (proven if ``complete``).
    bound : float
        No design of the space has a smaller metric; inf if there is none at all.
    lower : floats, shape (options,)
        Lower bound of each option.
    complete : bool
        False where it had to end early.
    """

    incumbent: Solution | None
    bound: float
    lower: Floats
    complete: bool


@dataclass(frozen=True)
class GoalTask:
    """One goal to prove, with what is known beforehand.

    Attributes
    ----------
    lower : floats, shape (options,)
        Lower bounds on the goal's metric; inf excludes an option.
    incumbent : Solution or None
        A design within the limits.
    stats : SearchStats
        Added to.
    rel_gap : float
        Relative gap at which an option is closed.
    on_progress : callable, optional
        Given the incumbent's metric (or None) and the bound.
    cut_pool : CutPool
        What other goals over this space have proved and met; added to.
    feasibility_only : bool
        Stop at the first design within the limits, proving no optimum.
    solver : str
        One of `solvers.SOLVERS`.
    primary_metric : str or None
        The first metric of a lexicographic sequence, limited to its least value while this goal,
        a later one of the sequence, is proven.
    """

    space: WidthSpace
    relaxation: Relaxation
    goal: Goal
    lower: Floats
    incumbent: Solution | None
    stats: SearchStats
    rel_gap: float = CLOSING_GAP
    stop: StopCondition = field(default_factory=StopCondition)
    on_progress: OnProgress | None = None
    cut_pool: CutPool = field(default_factory=CutPool)
    feasibility_only: bool = False
    solver: str = "highs"
    primary_metric: str | None = None

    @property
    def solver_gap(self) -> float:
        """Relative gap for the solver: none of its own unless a coarse answer is asked for."""
        return self.rel_gap if self.rel_gap > CLOSING_GAP else 0.0

    def value_of(self, solution: Solution | None) -> float:
        """The goal's metric of a solution; inf without one."""
        return np.inf if solution is None else solution.metrics[self.goal.metric]
