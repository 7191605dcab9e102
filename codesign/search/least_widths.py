"""The search for the best widths where no hardware is chosen."""

from __future__ import annotations

import numpy as np

from codesign.problem.tolerances import UNDERFLOW, ceiling
from codesign.search.bounds.batch import Batch
from codesign.search.domains import Domains
from codesign.search.goal_search import GoalSearch
from codesign.search.goal_task import GoalTask, SearchResult
from codesign.space.candidates import candidates_of_tables
from codesign.space.tabled import LatencyTableSpace
from codesign.stopping import Stopped

ONLY = np.array([0])  # the one hardware option, given by its tables
UNLIMITED = np.array([np.inf])  # its SRAM bits
CORE_PAIRS = 3  # pairs of widths per layer, on average, in the first MILP
GROWTH = 4  # of the next one


class LeastWidths(GoalSearch):
    """Minimise a metric over the widths alone: the dual bound, then MILPs over ever more widths."""

    space: LatencyTableSpace

    def __init__(self, task: GoalTask) -> None:
        super().__init__(task)
        self.tables = Batch(self.space.compute_s[None], self.space.traffic[None])

    def prove(self) -> SearchResult:
        """Search until the goal is closed or it has to end."""
        known = self.cut_pool.lower(self.goal, UNLIMITED)
        self.lower = np.maximum(self.lower, np.maximum(known, 0.0))  # no metric is negative
        complete = True
        try:
            if not self._closed:
                self._bound()
            wanted = CORE_PAIRS * len(self.tables.traffic[0])
            everything = False
            while not self._closed and not everything:
                everything = self._solve(wanted)
                wanted *= GROWTH
        except Stopped:
            complete = False
        return self.result(complete)

    @property
    def _closed(self) -> bool:
        found_any = self.task.feasibility_only and self.incumbent is not None
        return found_any or float(self.lower[0]) >= self.cutoff

    def _bound(self) -> None:
        """Bound by the dual, and price the best widths met on the way."""
        start, known = self.known_multipliers(ONLY)
        found = self.dual_bound(self.tables, start if known.all() else None)
        self.multipliers = found.multipliers[0]
        self.add_cut(ONLY, found, UNLIMITED)
        if np.isfinite(found.incumbent[0]):
            self.update_incumbent(self.space.price(found.variable_width[0], found.weight[0]))
        self._raise(float(found.value[0]))

    def _solve(self, wanted: int) -> bool:
        """Solve the MILP over the pairs of least marginals; returns whether that is all of them.

        A design with a pair that is left out costs at least the least marginal of such a pair.
        """
        domains = self._reduced_domains()
        outside = self.incumbent_ceiling
        everything = bool(np.count_nonzero(domains.pairs) <= wanted)
        if not everything:
            marginals = self.marginals(self.tables, self.multipliers)
            least = float(np.partition(marginals.pair[domains.pairs], wanted)[wanted])
            domains &= Domains.within(marginals, np.nextafter(least, -np.inf))
            spent = float(self.multipliers @ self.dual.limits)
            rounding = self.relaxation.marginal_rounding * (abs(least) + spent) + UNDERFLOW
            outside = min(outside, least - spent - rounding)
        space, tables = self.space, (self.space.traffic, self.space.compute_s)
        result = self.run_milp(
            candidates_of_tables(space, 0, *tables, domains.pairs, domains.variable_allowed),
            lambda choice: space.price(choice.variable_width, choice.weight),
        )
        self.task.stats.solved.add(0)
        self._raise(min(outside, result.bound))
        if not result.complete:
            raise Stopped
        return everything

    def _reduced_domains(self) -> Domains:
        """Widths that a design no worse than the incumbent may have.

        By the coefficients of all cuts in the pool, not only of this goal's: at any, the least cost
        of a design with some width must be within what the limits allow.
        """
        limits = {name: ceiling(x) for name, x in self.goal.limits.items()}
        limits[self.goal.metric] = self.incumbent_ceiling
        most = np.array([limits.get(name, np.inf) for name in self.dual.metrics])
        domains = Domains(np.isfinite(self.space.traffic), self.space.variable_allowed)
        for coefficients in np.unique([cut.coefficients[0] for cut in self.cut_pool.cuts], axis=0):
            spent = coefficients[coefficients > 0] @ most[coefficients > 0]
            if np.isfinite(spent):
                spent += self.relaxation.marginal_rounding * abs(spent) + UNDERFLOW
                marginals = self.relaxation.marginals(self.tables, coefficients[None])
                domains &= Domains.within(marginals, spent)
        return domains

    def _raise(self, bound: float) -> None:
        self.lower = np.maximum(self.lower, bound)
        self.report(float(self.lower[0]))

    def report_milp(self, _value: float | None, bound: float) -> None:
        """The solver's bound holds for all designs no worse than the incumbent."""
        self.report(max(float(self.lower[0]), min(self.incumbent_ceiling, bound)))
