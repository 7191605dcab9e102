"""The search for the least of any metric but area."""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.best_bound import Search
from codesign.search.bounds.layer_tables import Batch
from codesign.search.cut_pool import ReducedDomains
from codesign.search.goal_task import SearchResult
from codesign.space.point import price

MANY = 64  # options of a shape, of which the best at first multipliers are bounded first
FIRST = 8


class LeastMetric(Search):
    """Minimise any metric but area: each option gets all the SRAM its area limit leaves."""

    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        self.lower[options] = np.maximum(self.lower[options], bound)

    def prove(self) -> SearchResult:
        sram = self.capacity(np.arange(len(self.space)))
        least = self.space.least_need_of_shapes[self.space.shape_of]
        self.lower[sram < np.maximum(least, 1)] = np.inf
        self.lower = np.maximum(self.lower, self.cut_pool.lower(self.goal, sram))
        self.solved_tables: list[tuple[Batch, float]] = []
        return super().prove()

    def capacity(self, options: Ints) -> Floats:
        return self.space.sram_bits_within(options, self.goal.limits.get("area_mm2"))

    def bound_capacities(self, options: Ints) -> None:
        if "area_mm2" not in self.goal.limits:
            return
        shape_of, sram = self.space.shape_of[options], self.capacity(options)
        shapes, which = np.unique(shape_of, return_inverse=True)
        most = np.zeros(len(shapes))
        np.maximum.at(most, which, sram)
        union = self.union_of_shapes(options, shapes, which, most)
        start = self.first_multipliers(options[np.searchsorted(shape_of, shapes)])
        found = self.dual.bound(union, start=start, cutoff=self.dual_cutoff(), accuracy=1e-4)
        self.spread_bound(options, found, which, most)

    def bound_options(self, shape: int, options: Ints) -> None:
        if shape in self.ideal:
            known = self.bound_from_tables(self.ideal[shape])
            self.lower[options] = np.maximum(self.lower[options], known)
        options = options[self.lower[options] < self.cutoff]
        if not len(options):
            return
        sram = self.capacity(options)
        start = self.first_multipliers(options)
        batch = self.batch(options, sram)
        if len(options) <= MANY:
            self._bound_batch(options, batch, start, sram)
            return
        # The best at first multipliers may give a design that spares most others more rounds.
        found = self.dual.bound(batch, start=start, cutoff=self.dual_cutoff(), rounds=1)
        self.raise_bounds(options, found.value)
        order = np.argsort(found.value, kind="stable")
        for rows in (order[:FIRST], order[FIRST:]):
            mine = rows[self.lower[options[rows]] < self.cutoff]
            if len(mine):
                self._bound_batch(options[mine], batch.take(mine), start[mine], sram[mine])

    def _bound_batch(self, options: Ints, batch: Batch, start: Floats, sram: Floats) -> None:
        """Bound options of one shape by their tables; offer the best design met on the way."""
        found = self.dual.bound(batch, start=start, cutoff=self.dual_cutoff(), accuracy=1e-5)
        self.raise_bounds(options, found.value)
        self.note_cut(options, found, sram)
        for n, option in enumerate(options):
            self.option_multipliers[int(option)] = found.multipliers[n]
        if np.isfinite(found.incumbent).any():
            n = int(found.incumbent.argmin())
            reached = found.variable_width[n], found.weight[n]
            self.update_incumbent(price(self.space, int(options[n]), *reached, sram[n]))

    def solve_option(self, option: int) -> float:
        options = np.array([option])
        sram = float(self.capacity(options)[0])
        single = self.batch(options, np.array([sram]))
        known = self.bound_from_tables(single)
        if known >= self.cutoff:
            return known
        start = self.option_multipliers[option][None]
        found = self.dual.bound(single, start=start, cutoff=self.dual_cutoff())
        if np.isfinite(found.incumbent[0]):
            self.update_incumbent(
                price(self.space, option, found.variable_width[0], found.weight[0], sram)
            )
        self.note_cut(options, found, np.array([sram]))
        bound = max(known, float(found.value[0]))
        if bound < self.cutoff:
            marginals = self.marginals(single, found.multipliers[0])
            left = self.within_reach(marginals, found.multipliers[0])
            if self.solve_core(option, (sram, sram), left, marginals):
                left = self.within_reach(marginals, found.multipliers[0])
            earlier = self.known_reduced_domains(option, sram)
            if earlier is not None:
                left = left[0] & earlier[0], left[1] & earlier[1]
            limits = {**self.goal.limits, self.goal.metric: self.incumbent_ceiling}
            self.cut_pool.reduced_domains[option] = ReducedDomains(limits, sram, *left)
            bound = max(bound, self.solve_restricted(option, (sram, sram), left))
            self.remember(single, bound)
        return bound

    def bound_from_milp(self, bound: float) -> float:
        return min(bound, self.incumbent_ceiling)  # widths beyond it were left out of the programme

    def remember(self, single: Batch, bound: float) -> None:
        self.solved_tables.append((single, bound))

    def bound_from_tables(self, single: Batch) -> float:
        """Bound from solved options that are at least as good as this one in every table."""
        metrics = (self.goal.metric, *self.goal.limits)
        bound = -np.inf
        for better, its_bound in self.solved_tables:
            if its_bound <= bound:
                continue
            if "latency_s" in metrics or "dram_bits" in metrics:
                contains = (better.traffic <= single.traffic).all()
            else:
                contains = (np.isfinite(better.traffic) | ~np.isfinite(single.traffic)).all()
            if "latency_s" in metrics:
                contains = contains and (better.compute_s <= single.compute_s).all()
            if contains:
                bound = its_bound
        return bound
