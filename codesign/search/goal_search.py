"""Branch and bound for one goal: incumbent, cutoffs, dual bounds, cuts, and MILPs.

A search keeps the best design met (the incumbent) and a lower bound on the goal's metric for each
hardware option. It prunes an option whose bound reaches the `cutoff`. Bounds come from the
Lagrangian dual of the limits (`dual_bound`); the multipliers of a bound also exclude single widths,
whose forced cost is above the `incumbent_ceiling` (`reduced_domains`: reduced-cost fixing). What is
left is decided by a MILP (`run_milp`). All that is proven on the way goes to the `CutPool`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, UNDERFLOW, beyond
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import MAX_ROUNDS, Dual, DualBound
from codesign.search.bounds.relaxation import Marginals
from codesign.search.cut_pool import Cut, ProvenBounds
from codesign.search.domains import Domains
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.search.milp.choice import MilpSolution
from codesign.search.milp.solve import MilpResult, solve_milp
from codesign.space.candidates import Candidates
from codesign.space.solution import Solution
from codesign.units import kind_of, of_member


class GoalSearch:
    """What every search for one goal shares, whatever it chooses among."""

    def __init__(self, task: GoalTask) -> None:
        self.task = task
        self.space = task.space
        self.relaxation = task.relaxation.within(task.goal.limits).by_member()
        self.goal, self.cut_pool = task.goal, task.cut_pool
        self.stop = task.stop
        self.incumbent = task.incumbent or self.cut_pool.best_solution(task.goal)
        self.lower = task.lower.copy()
        self.dual = Dual(self.relaxation, self.bounded_metric(), self.goal.limits)

    def bounded_metric(self) -> str:
        """The metric whose dual bound prunes."""
        return self.goal.metric

    # Incumbent and cutoffs ----------------------------------------------------------------------

    @property
    def cutoff(self) -> float:
        """The bound from which an option is pruned: no design of it improves on the incumbent."""
        if self.incumbent is None:
            limit = self.goal.limits.get(self.goal.metric, np.inf)
            return float(np.nextafter(beyond(limit), np.inf))
        value = self.task.value_of(self.incumbent)
        return value - self.task.rel_gap * abs(value)

    @property
    def incumbent_ceiling(self) -> float:
        """Just above the incumbent: a design with a value beyond is worse, rounding or not."""
        if self.incumbent is None:
            return self.cutoff
        return beyond(beyond(self.task.value_of(self.incumbent)))

    def dual_cutoff(self) -> float:
        """The dual bound from which a better one is of no use."""
        return self.incumbent_ceiling

    def still_open(self, options: Ints) -> Ints:
        """Those options that are not pruned."""
        return options[self.lower[options] < self.cutoff]

    def open_options(self) -> Ints:
        """All options that are not pruned."""
        return np.flatnonzero(self.lower < self.cutoff)

    def update_incumbent(self, solution: Solution | None) -> None:
        """Add a solution to the pool; it is the new incumbent if within the limits and better."""
        if solution is None:
            return
        self.cut_pool.solutions.append(solution)
        better = self.task.value_of(solution) < self.task.value_of(self.incumbent)
        if self.goal.kept_by(solution.metrics) and (self.incumbent is None or better):
            self.incumbent = solution

    def report(self, bound: float) -> None:
        """Tell the caller the incumbent's metric and a bound on the space."""
        if self.task.on_progress is not None:
            value = None if self.incumbent is None else self.task.value_of(self.incumbent)
            self.task.on_progress(value, bound if value is None else min(bound, value))

    def result(self, complete: bool) -> SearchResult:
        """The outcome; its bounds are added to the pool."""
        self.cut_pool.add_bounds(ProvenBounds(self.goal, self.lower))
        bound = min(self.task.value_of(self.incumbent), float(self.lower.min(initial=np.inf)))
        return SearchResult(self.incumbent, bound, self.lower, complete)

    # Bounds -------------------------------------------------------------------------------------

    def dual_bound(
        self,
        batch: Batch,
        start: Floats | None,
        accuracy: float = CLOSING_GAP,
        rounds: int = MAX_ROUNDS,
        below: float = 0.0,
    ) -> DualBound:
        """Bound a batch as far as the incumbent asks for; see `Dual.bound`."""
        return self.dual.bound(batch, start, self.dual_cutoff(), accuracy, rounds, below)

    def add_cut(
        self,
        options: Ints,
        found: DualBound,
        sram_bits: Floats,
        row: Ints | None = None,
        from_bits: Floats | None = None,
    ) -> None:
        """Keep dual bounds for later goals: each option's own, or those of the rows given.

        Of designs with at most so much SRAM and, where given, with at least so much (`Cut`).
        """
        row = np.arange(len(options)) if row is None else row
        value = found.value + found.multipliers @ self.dual.limits
        # They decide what widths the relaxation runs over.
        noise = {x: most for x, most in self.goal.limits.items() if kind_of(x) == "noise"}
        coefficients = self.dual.coefficients(found.multipliers)
        cut = Cut(options, row, coefficients, value, sram_bits, noise, from_bits)
        self.cut_pool.add_cut(self.bounded_metric(), cut, len(self.space))
        if found.of_members.shape[1]:
            self._add_cuts_of_members(cut, found)

    def _add_cuts_of_members(self, cut: Cut, found: DualBound) -> None:
        """Keep what a bound of a suite says of each member alone."""
        dual, whole = self.dual, self.bounded_metric()
        assert dual.by_member is not None
        share = self.space.shares.of_members(whole)
        for n, m in enumerate(dual.by_member.tolist()):
            name = of_member(whole, self.space.problem.network.members[m].name)
            coefficients = np.zeros_like(cut.coefficients)
            coefficients[:, dual.metrics.index(name)] = 1.0
            charge = found.multipliers[:, n] / share[m]
            coefficients[:, dual.limited[n]] += charge
            value = found.of_members[:, m] + charge * dual.limits[n]
            its_cut = replace(cut, coefficients=coefficients, value=value)
            self.cut_pool.add_cut(name, its_cut, len(self.space))

    def known_multipliers(self, options: Ints) -> tuple[Floats, Bools]:
        """(options, limits): those of each option's latest cut, and (options,) whether any."""
        return self.cut_pool.multipliers(options, self.bounded_metric(), self.dual.limited)

    def marginals(self, single: Batch, multipliers: Floats) -> Marginals:
        """Least Lagrangian of one option where a width is forced; see `Relaxation.marginals`."""
        relaxation = self.relaxation.of(single)
        return relaxation.marginals(single, self.dual.coefficients(multipliers[None]))

    def reduced_domains(self, marginals: Marginals, multipliers: Floats) -> Domains:
        """What a design no worse than the incumbent may have (reduced-cost fixing)."""
        left = Domains.within(marginals, self.marginal_ceiling(multipliers))
        allowed = self.space.variable_allowed & left.variable_allowed
        return left._replace(variable_allowed=allowed)

    def marginal_ceiling(self, multipliers: Floats) -> float:
        """The most that forcing what an incumbent or a better design has can cost."""
        ceiling = self.dual_cutoff() + float(multipliers @ self.dual.limits)
        return ceiling + self.relaxation.marginal_rounding * abs(ceiling) + UNDERFLOW

    # MILPs --------------------------------------------------------------------------------------

    def run_milp(
        self,
        listed: Candidates,
        price: Callable[[MilpSolution], Solution | None] | None,
        goal: Goal | None = None,
    ) -> MilpResult:
        """Minimise over listed candidates, for this goal or another one; update the incumbent.

        Without ``price``, which makes a design of what the MILP chooses, for the bound alone.
        """
        result = solve_milp(
            self.space,
            goal or self.goal,
            listed,
            price=price,
            rel_gap=self.task.solver_gap,
            stop=self.stop,
            on_progress=None if self.task.on_progress is None else self.report_milp,
            solver=self.task.solver,
            cutoff=self.cutoff if goal is None else np.inf,
        )
        self.task.stats.count(result)
        self.update_incumbent(result.solution)
        return result

    def report_milp(self, _value: float | None, _bound: float) -> None:
        """Hear from the solver as it goes: its bound, of one option, is not that of the space."""
        self.report(float(self.lower.min()))
