"""What a search is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from codesign.arrays import Floats
from codesign.problem.goal import Goal
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import CutPool
from codesign.search.milp.solve import MilpResult
from codesign.space.point import Solution
from codesign.space.widths import WidthSpace
from codesign.stopping import StopCondition

OnProgress = Callable[[float | None, float], None]  # (objective of the best design, bound)

CLOSED = 1e-9  # relative; an option whose bound is this close to the best design is closed


@dataclass
class SearchStats:
    """What a search did with the hardware options, and how long the solver took."""

    solved: set[int] = field(default_factory=set)
    programmes: int = 0
    solver_s: float = 0.0

    def count(self, answer: MilpResult) -> None:
        """Add a programme's runs."""
        self.programmes += answer.runs
        self.solver_s += answer.solver_s


@dataclass(frozen=True)
class SearchResult:
    """Outcome of one goal.

    Attributes
    ----------
    incumbent : Solution or None
        None: nothing within the limits (proven if ``complete``).
    bound : float
        No point of the space has a smaller metric; inf if there is none at all.
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
        Bounds on the goal's metric known beforehand; inf rules an option out.
    incumbent : Solution or None
        A point within the limits, to beat.
    effort : SearchStats
        Counts what is done.
    rel_gap : float
        Relative gap at which an option is closed, if coarser than rounding.
    stop : StopCondition
        When to end with what is found.
    on_progress : callable, optional
        Given the metric of the best point (or None) and the bound.
    cut_pool : CutPool
        What other goals over this space have proved and met; added to.
    feasibility_only : bool
        Stop at the first point within the limits (is there one?), proving no optimum.
    solver : str
        One of `solvers.SOLVERS`.
    primary_metric : str or None
        The first metric that was minimised before this one, now held at its least.
    """

    space: WidthSpace
    relaxation: Relaxation
    goal: Goal
    lower: Floats
    incumbent: Solution | None
    stats: SearchStats
    rel_gap: float = CLOSED
    stop: StopCondition = field(default_factory=StopCondition)
    on_progress: OnProgress | None = None
    cut_pool: CutPool = field(default_factory=CutPool)
    feasibility_only: bool = False
    solver: str = "highs"
    primary_metric: str | None = None

    @property
    def solver_gap(self) -> float:
        """Relative gap for the solver: none of its own unless a coarse answer is asked for."""
        return self.rel_gap if self.rel_gap > CLOSED else 0.0
