"""The search for the least of any metric but area."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codesign.bounds import Batch
from codesign.candidates import candidates_of_tables
from codesign.dual import DualBound
from codesign.point import price
from codesign.problem import Goal
from codesign.search.best_bound import Search
from codesign.search.inquiry import OutOfTime, Proof
from codesign.space import UNLIMITED_BITS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


SOLVED_ALONE = 4  # options solved one by one between attempts to bound the rest in groups
SMALLEST_GROUP = 3


class LeastMetric(Search):
    """Minimise any metric but area: each option gets all the SRAM its area limit leaves."""

    def bounded_metric(self) -> str:
        return self.goal.metric

    def raise_bounds(self, options: Ints, bound: DualBound) -> None:
        self.lower[options] = np.maximum(self.lower[options], bound.value)

    def prove(self) -> Proof:
        sram = self._sram(np.arange(len(self.space)))
        self.lower[sram < 1] = np.inf
        self.solved_tables: list[tuple[Batch, float]] = []
        self.tried_together: set[int] = set()
        return super().prove()

    def _sram(self, options: Ints) -> Floats:
        return self.space.sram_bits_within(options, self.goal.limits.get("area_mm2"))

    def bound_options(self, shape: int, options: Ints) -> None:
        self.lower[options] = np.maximum(
            self.lower[options], self._bound_from_solved(self.ideal[shape])
        )
        options = options[self.lower[options] < self.cutoff]
        if not len(options):
            return
        sram = self._sram(options)
        start = np.broadcast_to(self.multipliers[shape], (len(options), len(self.dual.limited)))
        batch = self.batch(options, shape, sram)
        found = self.dual.bound(batch, start=start, stop=self.stop_at(), accuracy=1e-5)
        self.raise_bounds(options, found)
        for n, option in enumerate(options):
            self.option_multipliers[int(option)] = found.prices[n]
        if np.isfinite(found.reached).any():
            n = int(found.reached.argmin())
            self.offer(
                price(self.space, int(options[n]), found.tensor[n], found.weight[n], sram[n])
            )

    def solve_option(self, option: int) -> float:
        options = np.array([option])
        sram = float(self._sram(options)[0])
        single = self.batch(options, int(self.space.shape_of[option]), np.array([sram]))
        known = self._bound_from_solved(single)
        if known >= self.cutoff:
            return known
        start = self.option_multipliers[option][None]
        found = self.dual.bound(single, start=start, stop=self.stop_at())
        if np.isfinite(found.reached[0]):
            self.offer(price(self.space, option, found.tensor[0], found.weight[0], sram))
        bound = max(known, float(found.value[0]))
        if bound < self.cutoff:
            solved = self.solve_restricted(option, (sram, sram), single, found.prices[0])
            bound = max(bound, solved)
            self.solved_tables.append((single, bound))
            if len(self.solved_tables) % SOLVED_ALONE == 0:
                self._bound_together()
        return bound

    # Many options of nearly equal worth ---------------------------------------------------------

    def _bound_together(self) -> None:
        """Bound open options in groups by programmes over the best of all their tables.

        Where the hardware hardly matters, hundreds of options come within the budgets' duality
        gap of the best; one programme over an option at least as good as each closes them at once.
        """
        if self.best is None:
            return
        known = np.array([o for _, is_shape, o, _ in self.queue if not is_shape], dtype=np.int64)
        fresh = [int(o) not in self.tried_together for o in known]
        stack = [np.sort(known[np.array(fresh, dtype=bool)])]
        self.tried_together.update(int(o) for o in known)
        while stack:
            group = stack.pop()
            group = group[self.lower[group] < self.cutoff]
            if len(group) < SMALLEST_GROUP:
                continue
            self._check_time()
            bound = self._bound_of_union(group)
            self.lower[group] = np.maximum(self.lower[group], bound)
            if bound < self.cutoff:
                half = len(group) // 2
                stack += [group[half:], group[:half]]

    def _bound_of_union(self, group: Ints) -> float:
        """Bound on every option of a group."""
        union = self._union(group)
        known = self._bound_from_solved(union)
        start = self.option_multipliers[int(group[0])][None]
        found = self.dual.bound(union, start=start, stop=self.stop_at())
        bound = max(known, float(found.value[0]))
        if bound >= self.cutoff:
            return bound
        pairs, tensor_widths = self.left_over(union, found.prices[0])
        reach = self.reach
        label = int(group[0])
        tables = (union.traffic[0], union.compute_s[0])
        listed = candidates_of_tables(self.space, label, *tables, pairs, tensor_widths)
        limits = {name: x for name, x in self.goal.limits.items() if name != "area_mm2"}
        answer = self.run_programme(
            Goal(self.goal.metric, limits), listed, lambda _: UNLIMITED_BITS
        )
        if not answer.complete:
            raise OutOfTime
        bound = max(bound, min(reach, answer.bound))
        self.solved_tables.append((union, bound))
        return bound

    def _union(self, group: Ints) -> Batch:
        """An imagined option with the least traffic and cycles of all in a group."""
        parts = []
        for shape in np.unique(self.space.shape_of[group]):
            mine = group[self.space.shape_of[group] == shape]
            batch = self.batch(mine, int(shape), self._sram(mine))
            parts.append(Batch(batch.compute_s.min(axis=0), batch.traffic.min(axis=0)))
        return Batch(
            np.min([part.compute_s for part in parts], axis=0)[None],
            np.min([part.traffic for part in parts], axis=0)[None],
        )

    def _bound_from_solved(self, single: Batch) -> float:
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
