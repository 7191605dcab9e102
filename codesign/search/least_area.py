"""The search for the least area."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import ceiling
from codesign.search.best_bound import Search
from codesign.search.bounds.lagrangian import DualBound
from codesign.search.goal_task import SearchResult
from codesign.search.group_bounds import best_of
from codesign.search.milp.formulation import MilpSolution
from codesign.search.milp.solve import MilpResult
from codesign.space.point import Solution, least_sram, price
from codesign.stopping import Stopped
from codesign.units import UM2_PER_MM2

FEW = 4  # options of a shape, or shapes, that are as soon bounded one by one
# Ratio of two capacities between which the least SRAM is known well enough: of one option, to be
# looked at again before it is solved, and of many options together.
COARSE, FINE = 1.05, 1.0001
MANY_TILINGS = 2  # so many times those of one capacity make the programme of a range long


class LeastArea(Search):
    """Minimise area: the array's area is known, its least SRAM is found by bisection and programme.

    An option is infeasible with ``S`` bits when the dual bound of one limited metric exceeds its
    limit there; more SRAM never hurts, so the least ``S`` not ruled out bounds the option's area.
    """

    def bounded_metric(self) -> str:
        if self.task.primary_metric is not None:  # no limit is tighter than one at its least value
            return self.task.primary_metric
        limited = [name for name in ADDITIVE_METRICS if name in self.goal.limits]
        return limited[0] if limited else "noise"

    def dual_cutoff(self) -> float:
        limit = self.goal.limits.get(self.bounded_metric(), np.inf)
        return ceiling(limit)

    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        self.lower[options[self.rules_out(bound)]] = np.inf

    def rules_out(self, bound: Floats) -> Bools:
        """(options,): whether no design keeps the limits; inf: not even where there are none."""
        return np.asarray((bound > self.dual_cutoff()) | (bound == np.inf))

    def prove(self) -> SearchResult:
        everyone = np.arange(len(self.space))
        least = self.space.least_need_of_shapes[self.space.shape_of]
        self.least_sram = self.space.capacities.holding(least)
        self._recall(everyone)
        self._raise_area(everyone)
        self.update_incumbent(self.incumbent)
        return super().prove()

    def update_incumbent(self, point: Solution | None) -> bool:
        if point is not None and self.goal.kept_by(point.metrics):
            point = least_sram(self.space, point, self.goal.limits)
        return super().update_incumbent(point)

    def _recall(self, everyone: Ints) -> None:
        """What earlier goals know: bounds on the area, and capacities that are too small."""
        self.lower = np.maximum(self.lower, self.cut_pool.lower(self.goal, self.least_sram))
        if self.bounded_metric() in self.goal.limits:
            too_small = self.cut_pool.too_small(
                self.bounded_metric(), self.goal.limits, self.dual_cutoff(), len(everyone)
            )
            self.lower[np.isinf(too_small)] = np.inf
            known = np.isfinite(too_small)
            self._raise_sram(everyone[known], too_small[known] + 1)

    def _raise_sram(self, options: Ints, least: npt.ArrayLike) -> None:
        on_offer = self.space.capacities.holding(least)
        self.least_sram[options] = np.maximum(self.least_sram[options], on_offer)

    def _raise_area(self, options: Ints) -> None:
        slope = self.space.problem.technology.sram_area_um2.slope
        area_um2 = self.space.base_area_um2[options] + slope * self.least_sram[options]
        self.lower[options] = np.maximum(self.lower[options], area_um2 / UM2_PER_MM2)

    def _within_reach(self, options: Ints) -> Floats:
        """SRAM bits that keep each option's area in reach, and within its limit."""
        area = min(self.incumbent_ceiling, self.goal.limits.get("area_mm2", np.inf))
        return self.space.sram_bits_within(options, area if np.isfinite(area) else None)

    def capacity(self, options: Ints) -> Floats:
        """The same, but no more than any tiling needs."""
        within = self._within_reach(options)
        return np.minimum(within, self._useful_sram(int(self.space.shape_of[options[0]])))

    def bound_from_milp(self, bound: float) -> float:
        return self.incumbent_ceiling if bound > self.dual_cutoff() or bound == np.inf else -np.inf

    def _screen(self) -> None:
        open_options = np.flatnonzero(self.lower < self.cutoff)
        shapes = self.space.shapes_among(open_options)
        if self.space.finest is not None and len(shapes) > FEW:
            self._bound_together(open_options, self.space.finest)
        super()._screen()

    def _bound_together(self, options: Ints, finest: int) -> None:
        """Raise ``least_sram`` of options to what the best of their PEs needs with finest tiles."""
        high = float(self._within_reach(options).max())
        probe = high = min(high, self._useful_sram(finest))
        low, multipliers = 64.0, None
        while high > low * FINE:
            self.stop.check()
            traffic = self._traffic(finest, np.array([probe]))[0]
            union = best_of([self.union_of_pairs(options, traffic)[0]])
            found = self.dual.bound(
                union, start=multipliers, cutoff=self.dual_cutoff(), accuracy=1e-5
            )
            multipliers = found.multipliers
            if self.rules_out(found.value)[0]:
                low = probe + 1
                self._raise_sram(options, low)
                everyone = np.zeros(len(options), dtype=np.int64)
                self.note_cut(options, found, np.array([probe]), everyone)
            else:
                high = probe
            probe = float(np.floor(np.sqrt(low * high)))
        self._raise_area(options)

    def _useful_sram(self, shape: int) -> float:
        """SRAM bits beyond which nothing improves on an array shape."""
        space = self.space
        most = space.most_need(shape) if self.moves_data else float(space.least_need(shape).max())
        return float(space.capacities.holding(most))

    def _start_from_least_need(self, shape: int, options: Ints) -> None:
        """Every layer needs room for its smallest tile at the widths it may take."""
        if self.moves_data:  # then the staircases are needed anyway
            stairs = (self.space.staircase(shape, g) for g in range(len(self.space.geometries)))
            need = np.array([s.need[..., 0] for s in stairs])[self.space.geometry_of]
        else:
            need = self.space.least_need(shape)[self.space.geometry_of]
        inputs = [self.space.tensor_index[layer.input] for layer in self.relaxation.layers]
        allowed = (
            self.space.weight_allowed[:, :, None] & self.space.variable_allowed[inputs][:, None]
        )
        runs = self.space.runnable(options)
        runs = (runs[:, self.space.geometry_of] if runs.shape[1] > 1 else runs) & allowed
        least = np.where(runs, need, np.inf).min(axis=(2, 3)).max(axis=1)
        self.lower[options[np.isinf(least)]] = np.inf
        fits = np.isfinite(least)
        self._raise_sram(options[fits], least[fits])
        self._raise_area(options)

    def bound_options(self, shape: int, options: Ints) -> None:
        self._start_from_least_need(shape, options)
        self._offer_widths_of_best(options[self.lower[options] < self.cutoff])
        options = options[self.lower[options] < self.cutoff]
        if not len(options):
            return
        start = self.first_multipliers(options)
        if len(options) > FEW:
            self._bisect(shape, options, start, ratio=COARSE)
        else:  # not worth the rounds before they are solved
            self.option_multipliers |= dict(zip(options.tolist(), start, strict=True))

    def _offer_widths_of_best(self, options: Ints) -> None:
        """Offer the best design's widths on the smallest of some options of one shape they run on.

        Where a metric is held at its least, few widths keep to that, and no multipliers meet them.
        """
        best = self.incumbent
        if best is None or self.task.primary_metric is None:
            return
        inputs = [self.space.tensor_index[layer.input] for layer in self.relaxation.layers]
        pairs = list(best.weight), [best.variable_width[v] for v in inputs]
        for option in options[np.argsort(self.space.base_area_um2[options], kind="stable")]:
            runs = self.space.runnable(np.array([option]))[0]
            geometry = self.space.geometry_of if len(runs) > 1 else 0
            if runs[(geometry, *pairs)].all():
                sram = float(self.capacity(np.array([option]))[0])
                self.update_incumbent(
                    price(self.space, int(option), best.variable_width, best.weight, sram)
                )
                return

    def _bisect(self, shape: int, options: Ints, multipliers: Floats, ratio: float) -> None:
        """Raise ``least_sram`` of options until the undecided range is within ``ratio``."""
        high = self.capacity(options)
        # First the most that could pay: is the option worth anything?
        probe = np.minimum(high, self.space.sram_bits_within(options, self._area_below()))
        rows = self._with_room(options, high, np.arange(len(options)))
        while len(rows):
            self.stop.check()
            high = np.minimum(high, self.capacity(options))
            rows = self._with_room(options, high, rows)
            mine = options[rows]
            # No less than is needed, which the most that could pay may be.
            probe[rows] = np.clip(probe[rows], self.least_sram[mine], high[rows])
            batch = self.batch(mine, probe[rows])
            found = self.dual.bound(
                batch, start=multipliers[rows], cutoff=self.dual_cutoff(), accuracy=1e-5
            )
            multipliers[rows] = found.multipliers
            self.note_cut(mine, found, probe[rows])
            self._offer_reached(mine, probe[rows], found)
            ruled_out = self.rules_out(found.value)
            self._raise_sram(mine[ruled_out], probe[rows[ruled_out]] + 1)
            high[rows[~ruled_out]] = probe[rows[~ruled_out]]
            self._raise_area(mine)
            low = self.least_sram[mine]
            self.lower[mine[low > self._useful_sram(shape)]] = np.inf
            middle = np.floor(np.sqrt(np.maximum(low, 64.0) * high[rows]))
            probe[rows] = self.space.capacities.within(middle)
            undecided = (high[rows] > np.maximum(low, 64.0) * ratio) & (
                self.lower[mine] < self.cutoff
            )
            rows = rows[undecided]
        for n, option in enumerate(options):
            self.option_multipliers[int(option)] = multipliers[n]

    def _with_room(self, options: Ints, high: Floats, rows: Ints) -> Ints:
        """Those rows whose options can have the SRAM they need; the others are no better."""
        fits = high[rows] >= np.maximum(self.least_sram[options[rows]], 0.0)
        out = options[rows[~fits]]
        self.lower[out] = np.maximum(self.lower[out], self.incumbent_ceiling)
        return np.asarray(rows[fits])

    def _area_below(self) -> float | None:
        """Area from which a design no longer counts as better than the best."""
        return self.cutoff / ceiling(ceiling(1.0)) if np.isfinite(self.cutoff) else None

    def _offer_reached(self, options: Ints, sram: Floats, found: DualBound) -> None:
        for n in np.flatnonzero(np.isfinite(found.incumbent)):
            reached = found.variable_width[n], found.weight[n]
            self.update_incumbent(price(self.space, int(options[n]), *reached, float(sram[n])))

    def _bisect_by_milps(self, option: int) -> float:
        """Find the least SRAM of one option by the least of the held metric with ever less of it.

        Held at its least, a metric leaves few widths within the duality gap of one capacity, and
        many in a programme over a range of them. A capacity with which the metric's least is above
        what it is held at is too small. A design found needs no more than its own, and of the
        option only those that need less are better.
        """
        options = np.array([option])
        limits = {name: x for name, x in self.goal.limits.items() if name != "area_mm2"}
        goal, high = Goal(self.bounded_metric(), limits), float(self.capacity(options)[0])
        probe = high
        while self.lower[option] < self.cutoff and high >= self.least_sram[option]:
            self.stop.check()
            answer = self._solve_with(option, probe, goal)
            self.update_incumbent(answer.point)
            if answer.point is not None:
                least = float(answer.point.sram_bits)
                high = float(self.space.capacities.within(least - 1))
                if high < self.least_sram[option]:
                    self._raise_sram(options, least)
            elif not answer.complete:
                raise Stopped
            else:
                self._raise_sram(options, probe + 1)
            self._raise_area(options)
            high = min(high, float(self.capacity(options)[0]))
            low = float(self.least_sram[option])
            probe = float(self.space.capacities.within(np.floor(np.sqrt(low * max(high, low)))))
            probe = max(probe, low)
        if self.least_sram[option] > self._useful_sram(int(self.space.shape_of[option])):
            self.lower[option] = np.inf
        return float(self.lower[option])

    def _solve_with(self, option: int, sram_bits: float, goal: Goal) -> MilpResult:
        """The least of a goal on one option with so much SRAM; no point where it is ruled out."""
        single = self.batch(np.array([option]), np.array([sram_bits]))
        start = self.option_multipliers[option][None]
        found = self.dual.bound(single, start=start, cutoff=self.dual_cutoff())
        if self.rules_out(found.value)[0]:
            return MilpResult(None, np.inf, True, 0)
        left = self.reduced_domains(single, found.multipliers[0])
        listed = self._listed(option, (sram_bits, sram_bits), left)

        def priced(choice: MilpSolution) -> Solution | None:
            return price(self.space, option, choice.variable_width, choice.weight, sram_bits)

        answer = self.run_milp(listed, priced, goal)
        if answer.runs:
            self.task.stats.solved.add(option)
        return answer

    def solve_option(self, option: int) -> float:
        options, shape = np.array([option]), int(self.space.shape_of[option])
        self._bisect(shape, options, self.option_multipliers[option][None].copy(), ratio=1.01)
        if self.lower[option] >= self.cutoff:
            return float(self.lower[option])
        high, low = float(self.capacity(options)[0]), float(self.least_sram[option])
        left = self.known_reduced_domains(option, high)
        if left is None:
            single = self.batch(options, np.array([high]))
            start = self.option_multipliers[option][None]
            found = self.dual.bound(single, start=start, cutoff=self.dual_cutoff())
            if self.rules_out(found.value)[0]:
                return self.incumbent_ceiling
            left = self.reduced_domains(single, found.multipliers[0])
        if self.task.primary_metric is not None:
            of_range, of_one = (
                self._listed(option, sram, left).count for sram in ((low, high), (high, high))
            )
            if of_range > MANY_TILINGS * of_one:
                return self._bisect_by_milps(option)
        return self.solve_restricted(option, (low, high), left)
