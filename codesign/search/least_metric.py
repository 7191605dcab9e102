"""The search for the least of any metric that more than the hardware decides.

Where energy counts, more SRAM is not always better: `least_over_srams`.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.tolerances import CLOSING_GAP, beyond
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual, DualBound, members_limits
from codesign.search.by_labels import solve_by_labels, suits_labels
from codesign.search.by_member import ByMember
from codesign.search.cut_pool import ReducedDomains
from codesign.search.goal_task import GoalTask
from codesign.search.hardware_search import HardwareSearch

ONE_BATCH = 64  # options; of more, the most promising are bounded first
FIRST_BATCH = 8  # of them
MOST_OPENED_UNRULED = 3  # shapes without a design, after which limits are tried one by one


class LeastMetric(HardwareSearch):
    """Minimise a sum over layers and tensors: each option gets all the SRAM its limits leave."""

    def __init__(self, task: GoalTask) -> None:
        super().__init__(task)
        self.solved_tables: list[tuple[Batch, float]] = []
        self.by_member = ByMember(self, LeastMetric)
        self.opened = 0  # shapes

    def start_from_pool(self) -> None:
        sram_bits = self.most_sram_bits(np.arange(len(self.space)))
        least = self.space.min_sram_bits_of_shapes[self.space.shape_of]
        self.lower[sram_bits < np.maximum(least, 1)] = np.inf
        self.lower = np.maximum(self.lower, self.cut_pool.lower(self.goal, sram_bits))
        for name in members_limits(self.goal.metric, self.goal.limits):
            others = {x: most for x, most in self.goal.limits.items() if x != name}
            known = self.cut_pool.lower(Goal(name, others), sram_bits)
            self.lower[known > beyond(self.goal.limits[name])] = np.inf

    def most_sram_bits(self, options: Ints) -> Floats:
        return self.space.sram_bits_within(options, self.goal.limits)

    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        self.lower[options] = np.maximum(self.lower[options], bound)

    def bound_shapes(self, options: Ints) -> None:
        if not {*self.space.hardware_metrics} & {*self.goal.limits}:
            return
        shape_of = self.space.shape_of[options]
        shapes, row = np.unique(shape_of, return_inverse=True)
        most = np.zeros(len(shapes))
        np.maximum.at(most, row, self.most_sram_bits(options))
        tables = self.batches.of_shapes(options, shapes, row, most)
        start = self.first_multipliers(options[np.searchsorted(shape_of, shapes)])
        found = self.dual_bound(tables, start, accuracy=1e-4)
        self.take_envelope_bounds(options, found, row, most)

    def bound_options(self, shape: int, options: Ints) -> None:
        if shape in self.ideal:
            known = self.bound_from_tables(self.ideal[shape])
            self.lower[options] = np.maximum(self.lower[options], known)
        options = self.still_open(options)
        if len(options):
            self.bound_open(shape, options)

    def bound_open(self, shape: int, options: Ints) -> None:
        """Bound options of one shape that no table has closed."""
        sram_bits, start = self.most_sram_bits(options), self.first_multipliers(options)
        batch = self.batches.of_options(options, sram_bits)
        self.opened += 1
        if self.incumbent is None and self.opened >= MOST_OPENED_UNRULED:
            self._rule_out_by_limits(options, batch)
        parts = [np.arange(len(options))]
        if len(options) > ONE_BATCH:
            # The best at first multipliers may give a design that spares most others more rounds.
            found = self.dual_bound(batch, start, rounds=1)
            self.raise_bounds(options, found.value)
            order = np.argsort(found.value, kind="stable")
            parts = [order[:FIRST_BATCH], order[FIRST_BATCH:]]
        for rows in parts:
            mine = rows[self.lower[options[rows]] < self.cutoff]
            if len(mine):
                self._bound_batch(options[mine], batch.take(mine), start[mine], sram_bits[mine])

    def _rule_out_by_limits(self, options: Ints, batch: Batch) -> None:
        """Rule out options that break one limit wherever the others are kept.

        Where no design keeps them all, that shows sooner than by a bound that grows without end.
        """
        limits = {x: self.goal.limits[x] for x in self.dual.metrics if x in self.goal.limits}
        for name, limit in limits.items():
            others = {x: most for x, most in limits.items() if x != name}
            rows = np.flatnonzero(np.isfinite(self.lower[options]))
            if others and len(rows):
                dual = Dual(self.relaxation, name, others)
                found = dual.bound(batch.take(rows), None, beyond(limit), accuracy=1e-3)
                self.lower[options[rows[found.value > beyond(limit)]]] = np.inf

    def _bound_batch(self, options: Ints, batch: Batch, start: Floats, sram_bits: Floats) -> None:
        """Bound options of one shape by their tables, and price the best widths met on the way."""
        cuts = self.relaxation.of(batch).coarse  # what is left open is bounded with all couplings
        found = self.dual_bound(batch, start, accuracy=1e-3 if cuts else 1e-5)
        self.raise_bounds(options, found.value)
        self.add_cut(options, found, sram_bits)
        best = int(found.incumbent.argmin())
        self.update_from_bound(int(options[best]), found, best, float(sram_bits[best]))

    def solve_option(self, option: int) -> float:
        options = np.array([option])
        sram_bits = float(self.most_sram_bits(options)[0])
        if self.by_member.suits(self.goal):
            # Up to what is as good: what is no better is then as soon told from what is worse.
            exact = self.task.rel_gap <= CLOSING_GAP
            most = self.incumbent_ceiling if exact else self.cutoff
            bound, whole = self.by_member.solve(option, sram_bits, self.goal, most)
            self.update_incumbent(whole)
            if whole is not None or bound >= self.cutoff:
                return bound
        single = self.tables_of(option, sram_bits)
        known = self.bound_from_tables(single)
        if known >= self.cutoff:
            return known
        return self.solve_bounded(
            option, sram_bits, *self.bounded(option, sram_bits, single), known
        )

    def bounded(self, option: int, sram_bits: float, single: Batch) -> tuple[Batch, DualBound]:
        """The tables of one option, and their bound, as high as it gets."""
        single = self.with_all_couplings(single)
        found = self.bound_option(option, single)
        if self.space.runs:
            single, found = self.price_runs(single, found)
        self.update_from_bound(option, found, 0, sram_bits)
        self.add_cut(np.array([option]), found, np.array([sram_bits]))
        return single, found

    def solve_bounded(
        self, option: int, sram_bits: float, single: Batch, found: DualBound, known: float
    ) -> float:
        """Solve an option whose tables are `bounded`; ``known`` is another bound of it."""
        bound = max(known, float(found.value[0]))
        if bound >= self.cutoff:
            return bound
        tables = single.finely() if self.relaxation.apart else single
        if suits_labels(self, tables):
            labelled, solution = solve_by_labels(self, option, sram_bits, tables, found)
            bound = max(bound, labelled)
            self.update_incumbent(solution)
            if bound >= self.cutoff:
                return bound
        multipliers = found.multipliers[0]
        sram = sram_bits, sram_bits
        if self.space.placed:
            return max(bound, self.solve_joint(option, sram, single, found))
        marginals = self.marginals(single, multipliers)
        domains = self.reduced_domains(marginals, multipliers)
        if self.solve_core(option, sram, domains, marginals):
            domains = self.reduced_domains(marginals, multipliers)
        earlier = self.cut_pool.known_domains(option, self.goal, sram_bits)
        if earlier is not None:
            domains &= earlier
        limits = {**self.goal.limits, self.goal.metric: self.incumbent_ceiling}
        self.cut_pool.reduced_domains[option] = ReducedDomains(limits, sram_bits, domains)
        bound = max(bound, self.solve_restricted(option, sram, domains))
        self.add_tables(single, bound)
        return bound

    def try_option(self, option: int) -> None:
        if self.by_member.suits(self.goal):
            return  # each member is solved fast enough
        sram_bits = float(self.most_sram_bits(np.array([option]))[0])
        single = self.with_all_couplings(self.tables_of(option, sram_bits))
        single, found = self.price_runs(single, self.bound_option(option, single))
        self.raise_bounds(np.array([option]), found.value)
        self.update_from_bound(option, found, 0, sram_bits)
        if self.lower[option] < self.cutoff:
            self.solve_joint(option, (sram_bits, sram_bits), single, found, cores=1)

    def bound_from_milp(self, bound: float) -> float:
        return min(bound, self.incumbent_ceiling)  # widths beyond it were left out of the MILP

    def add_tables(self, single: Batch, bound: float) -> None:
        self.solved_tables.append((single, bound))

    def bound_from_tables(self, single: Batch) -> float:
        # A table with all of the SRAM, or of the port's least, is not all that counts.
        if self.space.placed or self.batches.port:
            return -np.inf
        energy = self.batches.energy
        static = energy is not None and energy.is_static
        timed = static or "latency_s" in self.goal.kinds
        bound = -np.inf
        for better, its_bound in self.solved_tables:
            if its_bound > bound and self._dominates(better, single, timed):
                bound = its_bound
        return bound

    def _dominates(self, better: Batch, single: Batch, timed: bool) -> bool:
        """Whether one option's tables are at least as good as another's everywhere."""
        if single.modes:
            modes = better.modes or (better,) * len(single.modes)
            pairs = zip(modes, single.modes, strict=True)
            return all(self._dominates(*pair, timed) for pair in pairs)
        if better.modes:
            return False
        if single.energy is not None:
            assert better.energy is not None
            if not better.energy.dominates(single.energy):
                return False
        if self.batches.moves_data:
            dominates = (better.traffic <= single.traffic).all()
        else:
            dominates = (np.isfinite(better.traffic) | ~np.isfinite(single.traffic)).all()
        return bool(dominates and (not timed or (better.compute_s <= single.compute_s).all()))
