"""The search for the least of such a metric where energy counts: over ranges of SRAM.

More SRAM moves less data, and may take more power at all times: no capacity is best for all
designs. Shapes, and then options, are bounded by ranges of their SRAM (`sram_ranges`), and options
solved over those that stay open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ENERGY
from codesign.problem.tolerances import CLOSING_GAP, beyond
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import MAX_ROUNDS, Dual, DualBound
from codesign.search.bounds.narrowest import least_with_narrowest
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.cut_pool import Cut
from codesign.search.goal_task import GoalTask
from codesign.search.sram_ranges import SramRange, SramRanges, adjacent_joined, least_bound
from codesign.search.sram_trials import SramTrials
from codesign.units import kind_of

NEAR = 1 + 1e-3  # times the least bound: ranges that are halved together
SPLIT_AT = 0.6  # of the length of a range that is halved: more SRAM is mostly better
MOST_HALVINGS = 12  # of ranges of SRAM before an option is solved
HALVED_TOGETHER = 2e-2  # growth of the power at all times within a range of a shape that is left
HALVED_BY_FINER = 0.1  # the same with the tilings of finer shapes, which tell less
HALVED = 1e-3  # the same of an option
# The same of ranges that, as far as bounds tell, no finer ones close: of shapes, of an option.
HOPELESS_TOGETHER, HOPELESS = 0.1, 1e-2
# Where layers may be fused a bound is farther from the best than finer ranges bring it.
FEW_HALVINGS, HALVED_FUSED = 3, 1e-2
LARGE_TABLES = 10_000  # entries of a family, so many that widths left out spare time
BELOW = 1e-2  # accuracy of a shape's bound that cannot reach the cutoff
PROBED = 12  # shapes, for multipliers
FEW_SHAPES = 8  # that are as soon bounded with tilings of their own
IDEAL_HALVINGS, WORTH_IDEAL = 2, 0.75  # of ranges; of shapes, where more are left by the first
FEW_TILINGS = 4  # sides of an array from which on layers have few
NEAREST, FIRST_HALVINGS = 8, 1  # shapes bounded first with tilings of their own; of their ranges
FEW_OPTIONS = 2  # of a shape that are as soon bounded one by one


class LeastOverSrams(SramTrials):
    """Minimise a sum over layers and tensors where energy is that sum, or has a limit."""

    def __init__(self, task: GoalTask) -> None:
        super().__init__(task)
        self.ranges: dict[int, list[SramRange]] = {}  # of options
        self.by_own = np.zeros(len(self.space.shapes), dtype=bool)  # bounded so before any finer
        self.labelling = True  # the best option of further shapes, as long as that finds anything
        self.left_out = np.inf  # what designs of widths that are left out cost at least

    def dual_bound(
        self,
        batch: Batch,
        start: Floats | None,
        accuracy: float = CLOSING_GAP,
        rounds: int = MAX_ROUNDS,
        below: float = 0.0,
    ) -> DualBound:
        """As of `GoalSearch`; no more than the widths that are left out allow."""
        found = super().dual_bound(batch, start, accuracy, rounds, below)
        found.value = np.minimum(found.value, self.left_out)
        return found

    def bound_shapes(self, options: Ints) -> None:
        self._bound_shape_ranges(options)
        left = self.still_open(options)
        if not self.labelling or not len(left):
            return
        known, shape = self.incumbent, int(self.space.shape_of[left[self.lower[left].argmin()]])
        self._try_nearest_option(self._of(left, shape), self.shape_ranges[shape])
        self.labelling = self.incumbent is not known

    def bound_open(self, shape: int, options: Ints) -> None:
        if shape not in self.shape_ranges and len(options) > FEW_OPTIONS:
            self._bound_shape_ranges(options)
        self._bound_ranges(self.still_open(options))

    def _bound_ranges(self, options: Ints) -> None:
        """Bound options of one shape by ranges of their SRAM, halved where that counts."""
        if not len(options):
            return
        high, start = self._useful_sram_bits(options), self.first_multipliers(options)
        shape = int(self.space.shape_of[options[0]])
        if self.incumbent is None:
            start = self._try_srams(options, self._whole_range(shape)[0], high)
        known = self.shape_ranges.get(shape, [self._whole_range(shape)])
        near = [x for x in known if x[2] < self.cutoff]
        closed = least_bound([x for x in known if x[2] >= self.cutoff])
        if not near:
            self.raise_bounds(options, np.full(len(options), closed))
            return

        def tables(mine: SramRanges) -> Batch:
            given = mine.option, mine.high
            return self.batches.of_options(*given, powered_bits=mine.low, roughly=True)

        over_all, lower = (self.relaxation, self.left_out), self.lower[options]
        never = np.full(len(options), np.inf)
        every = SramRanges(options, self.least_sram_bits[options], high, lower, start, never)
        # Most are closed over ranges that lie side by side as one.
        joined = adjacent_joined(near, self.space.capacities)
        rows = self._bounded(every.within(joined), tables, True)
        if len(joined) < len(near):
            left = rows.bound < self.cutoff
            parts = rows.take(left).within(near)
            rows = rows.take(~left) + self._bounded(parts, tables, True)
        while self._halving(rows, HALVED).any() and self._leave_out_narrowest(rows, tables):
            pass
        every = self._halved(rows, tables, HALVED, priced=True)
        self._relax_over(*over_all)  # the widths left out are so of this shape alone
        self.raise_bounds(options, np.minimum(every.least_bounds(options), closed))
        for option in options.tolist():
            self.ranges[option] = []
        for n, option in enumerate(every.option.tolist()):
            self.ranges[option].append(every.range(n))

    def bound_by_finer(self) -> None:
        """Bound open shapes by ranges of their SRAM, with the tilings of finer shapes.

        Staircases of every shape would take longer than to bound most of them so. Those of the
        largest finer shapes have the fewest steps; what they find closes most shapes of others.
        """
        space, finer = self.space, self.space.finer_shapes
        if self.batches.energy is None or finer is None:
            return
        each = np.unique(finer[space.shapes_among(self.open_options())])
        largest = np.argsort(-space.shape_rows[each] * space.shape_cols[each], kind="stable")
        for shape in each[largest].tolist():
            self._bound_by_finer(finer == shape, shape)

    def _bound_by_finer(self, shapes: Bools, finer: int) -> None:
        """The same of some shapes (shapes,), all with the tilings of one."""

        def left() -> Ints:
            options = self.open_options()
            mine = self.space.shape_of[options]
            return options[shapes[mine] & ~self.by_own[mine]]

        if len(self.space.shapes_among(left())) <= FEW_SHAPES:
            return
        if self.incumbent is None:
            self._probe(left())
            self._bound_shape_ranges(left(), finer=True, halvings=0, rounds=1)
            self._try_nearest(self._bound_nearest(left()))
        over_all = self.relaxation, self.left_out
        ideal = self._has_many_tilings(finer)
        if ideal:
            self._bound_by_ideal(left)
        if not ideal or len(self.space.shapes_among(left())) > FEW_SHAPES:
            self._bound_shape_ranges(left(), finer=True, anew=ideal)
        self._relax_over(*over_all)  # the widths left out are so of these shapes alone
        if self.incumbent is None and len(left()):
            self._try_nearest(left())

    def _bound_nearest(self, options: Ints) -> Ints:
        """Bound the shapes of least bounds with tilings of their own; returns their options.

        That has to be done sooner or later. They tell better which is the best, and a better
        incumbent closes more of the others with finer tilings.
        """
        shape_of = self.space.shape_of
        order = options[np.argsort(self.lower[options], kind="stable")]
        nearest = [*dict.fromkeys(shape_of[order].tolist())][:NEAREST]
        self.by_own[nearest] = True
        mine = options[self.by_own[shape_of[options]]]
        self._bound_shape_ranges(mine, halvings=FIRST_HALVINGS)
        return mine

    def _has_many_tilings(self, shape: int) -> bool:
        """Whether a finer shape has far more tilings than others."""
        sides = int(self.space.shape_rows[shape]), int(self.space.shape_cols[shape])
        return min(sides) < FEW_TILINGS and not self.space.runs

    def _bound_by_ideal(self, left: Callable[[], Ints]) -> None:
        """The same of what is left of some shapes, with ideal tilings: none need be listed.

        Ranges are halved where the whole of them close some.
        """
        shapes = len(self.space.shapes_among(left()))
        self._bound_shape_ranges(left(), True, halvings=0, rounds=1, ideal=True)
        for _ in range(IDEAL_HALVINGS):
            few = len(self.space.shapes_among(left()))
            if few > WORTH_IDEAL * shapes or few <= FEW_SHAPES:
                return
            self._bound_shape_ranges(left(), True, halvings=1, rounds=1, ideal=True)

    def _probe(self, options: Ints) -> None:
        """Bound some shapes, from small to large, for multipliers that suit the best of them."""
        space = self.space
        shapes = space.shapes_among(options)
        pes = space.shape_rows[shapes] * space.shape_cols[shapes]
        spread = np.linspace(0, len(shapes) - 1, PROBED).round().astype(np.int64)
        probed = np.unique(shapes[np.argsort(pes, kind="stable")[spread]])
        each = [self._of(options, shape) for shape in probed.tolist()]
        row = np.repeat(np.arange(len(each)), [len(mine) for mine in each])
        most = np.array([self._useful_sram_bits(mine, finer=True).max() for mine in each])
        every = np.concatenate(each)
        batch = self.batches.of_shapes(every, probed, row, most, most, finer=True)
        start = self.first_multipliers(np.array([mine[0] for mine in each]))
        found = self.dual_bound(batch, start, accuracy=BELOW)
        self.met = found.multipliers[int(found.value.argmin())]

    def _bound_shape_ranges(
        self,
        options: Ints,
        finer: bool = False,
        halvings: int = MOST_HALVINGS,
        rounds: int = MAX_ROUNDS,
        ideal: bool = False,
        anew: bool = False,
    ) -> None:
        """Bound shapes by ranges of SRAM that their options can have.

        ``finer``: with the tilings of finer shapes; ``ideal``: with tilings that none is better
        than. ``anew``: known ranges before they are halved.
        """
        space, batches = self.space, self.ideal_batches if ideal else self.batches
        shapes, first = np.unique(space.shape_of[options], return_index=True)
        found: list[tuple[int, float, float, float]] = []
        closed: list[list[SramRange]] = []
        for n, shape in enumerate(shapes.tolist()):
            mine = self._of(options, shape)
            most = self.most_sram_bits(mine) if ideal else self._useful_sram_bits(mine, finer)
            high = most.max()
            known = self.shape_ranges.get(shape, [self._whole_range(shape)])
            closed.append([x for x in known if x[2] >= self.cutoff])
            for low, end, bound in known:
                if bound < self.cutoff:
                    found.append((n, min(low, high), min(end, high), bound))
        which, least, most, lower = np.array(found, dtype=np.float64).reshape(-1, 4).T
        row = which.astype(np.int64)
        start = self.first_multipliers(options[first][row])
        timed = np.full(len(row), np.inf)
        rows = SramRanges(options[first][row], least, most, lower, start, timed)

        def tables(mine: SramRanges) -> Batch:
            each = [self._of(options, int(space.shape_of[x])) for x in mine.option]
            row = np.repeat(np.arange(len(each)), [len(x) for x in each])
            asked = space.shape_of[mine.option], row, mine.high, mine.low
            return batches.of_shapes(np.concatenate(each), *asked, finer=finer)

        if not len(rows):
            return
        if anew or not halvings or (np.isfinite(rows.bound).all() and not finer):
            rows = self._bounded(rows, tables, rounds=rounds)
        worth = HALVED_BY_FINER if finer else HALVED_TOGETHER
        every = self._halved(rows, tables, worth, halvings=halvings, narrow=finer, rounds=rounds)
        for shape, option, others in zip(shapes.tolist(), options[first], closed, strict=True):
            mine = self._of(options, shape)
            own = np.flatnonzero(every.option == option)
            if len(own):
                self.multipliers[shape] = every.multipliers[own[every.bound[own].argmin()]]
            ranges = sorted(every.range(int(n)) for n in own)
            if finer and ranges and not ideal:  # more than that is of no use to the finer one
                low, high, least_j = ranges[-1]
                useful = self._useful_to(self._finer_of(shape))
                ranges[-1] = low, np.inf if high >= useful else high, least_j
            self.shape_ranges[shape] = ranges = sorted(ranges + others)
            bound = min((x[2] for x in ranges), default=np.inf)
            self.raise_bounds(mine, np.full(len(mine), bound))

    def _halved(
        self,
        rows: SramRanges,
        tables: Callable[[SramRanges], Batch],
        worth: float,
        priced: bool = False,
        halvings: int = MOST_HALVINGS,
        narrow: bool = False,
        rounds: int = MAX_ROUNDS,
    ) -> SramRanges:
        """Ranges halved as long as they are open, and power at all times grows within each.

        Of each option those of least bound: until that rises, others make no difference.

        ``priced``: they are of single options, the best widths met on which are priced.
        ``narrow``: they are all that is open, so that widths may be left out.
        """
        if self.space.runs:
            worth, halvings = max(worth, HALVED_FUSED), min(halvings, FEW_HALVINGS)
        capacities = self.space.capacities
        for _ in range(halvings):
            grows = self._halving(rows, worth)
            if not grows.any():
                break
            self.stop.check()
            others, rows = rows.take(~grows), rows.take(grows)
            middle = np.ceil(rows.low + SPLIT_AT * (rows.high - rows.low))
            middle = capacities.holding(np.maximum(middle, rows.low + 1))
            rows = rows.halves(middle, capacities)
            rows = others + self._bounded(rows, tables, priced, rounds)
            if narrow and self._halving(rows, worth).any():
                self._leave_out_narrowest(rows, tables)
        return rows

    def _halving(self, rows: SramRanges, worth: float) -> Bools:
        """(rows,): which ranges are worth halving."""
        least = rows.least_bounds(rows.option)
        near = (rows.bound < self.cutoff) & (rows.bound <= np.maximum(least, least * NEAR))
        ends = rows.option, rows.low, rows.high
        grows = self.power_grows(*ends, worth)
        hopeless = max(worth, HOPELESS if worth <= HALVED else HOPELESS_TOGETHER)
        return near & grows & (self._may_close(rows) | self.power_grows(*ends, hopeless))

    def _may_close(self, rows: SramRanges) -> Bools:
        """(rows,): whether finer ranges may close each with the same tilings.

        At most, what it was bounded by takes the power of its most SRAM.
        """
        energy = self.batches.energy
        if energy is None or self.goal.metric != ENERGY:
            return np.ones(len(rows), dtype=bool)
        least, most = (
            energy.static_w(self.space.least_area_mm2(rows.option, x))
            for x in (rows.low, rows.high)
        )
        with np.errstate(invalid="ignore"):
            return ~(rows.bound + (most - least) * rows.latency_s < self.cutoff)

    def _leave_out_narrowest(self, rows: SramRanges, tables: Callable[[SramRanges], Batch]) -> bool:
        """Leave out the narrowest width where no better design has it; returns whether.

        ``rows`` are all in question. That of least bound is asked first: it mostly tells.
        """
        if self.incumbent is None or self.space.runs or not self.relaxation.narrows:
            return False
        left = np.flatnonzero(rows.bound < self.cutoff)
        left = left[np.argsort(rows.bound[left], kind="stable")]
        if not len(left):
            return False
        for some in (left[:1], left[1:])[: len(left)]:
            batch, multipliers = tables(rows.take(some)), rows.multipliers[some]
            relaxation = self.relaxation.of(batch)
            if relaxation.tables.entries < LARGE_TABLES:
                return False
            for part in relaxation.parts(len(batch)):
                coefficients = self.dual.coefficients(multipliers[part])
                least = least_with_narrowest(relaxation, batch.take(part), coefficients)
                if (least <= [self.marginal_ceiling(x) for x in multipliers[part]]).any():
                    return False
        left_out = min(self.left_out, self.incumbent_ceiling)
        self._relax_over(self.relaxation.without_narrowest(), left_out)
        return True

    def _relax_over(self, relaxation: Relaxation, left_out: float) -> None:
        """Bound by another relaxation; designs that it leaves out cost at least so much."""
        self.relaxation, self.left_out = relaxation, left_out
        self.dual = Dual(relaxation, self.bounded_metric(), self.goal.limits)

    def _bounded(
        self,
        rows: SramRanges,
        tables: Callable[[SramRanges], Batch],
        priced: bool = False,
        rounds: int = MAX_ROUNDS,
    ) -> SramRanges:
        """The same ranges, better bounded."""
        if not len(rows):
            return rows
        batch = tables(rows)
        found = self.dual_bound(
            batch, rows.multipliers, 1e-4, rounds, below=0.0 if priced else BELOW
        )
        bound = np.maximum(rows.bound, found.value)
        best = int(found.incumbent.argmin())
        if priced:
            self.update_from_bound(int(rows.option[best]), found, best, float(rows.high[best]))
        rows = replace(rows, bound=bound, multipliers=found.multipliers, latency_s=found.latency_s)
        return replace(rows, bound=np.where(self._too_much(rows, batch), self.left_out, bound))

    def _too_much(self, rows: SramRanges, batch: Batch) -> Bools:
        """(rows,): whether each breaks a limit on energy wherever it keeps the others."""
        limits = {x: self.goal.limits[x] for x in self.dual.metrics if x in self.goal.limits}
        found = np.zeros(len(rows), dtype=bool)
        for name, limit in limits.items():
            left = np.flatnonzero((rows.bound < self.cutoff) & ~found)
            if kind_of(name) != ENERGY or name == self.goal.metric or not len(left):
                continue
            others = {x: x_most for x, x_most in limits.items() if x != name}
            dual, most = Dual(self.relaxation, name, others), beyond(limit)
            energy_j = dual.bound(batch.take(left), None, most, accuracy=1e-4).value
            found[left[energy_j > most]] = True
        return found

    def solve_option(self, option: int) -> float:
        space = self.space

        def solve(low: float, high: float) -> float:
            single = self.with_all_couplings(self.tables_of(option, high, low))
            found = self.bound_option(option, single)
            if space.runs:
                single, found = self.price_runs(single, found)
            self.update_from_bound(option, found, 0, high)
            bound, splits = self.labels.bound(option, (low, high), single, found)
            if splits or bound >= self.cutoff:
                return bound
            if not self.in_question(option):
                return self.incumbent_ceiling
            if space.placed:
                return max(bound, self.solve_joint(option, (low, high), single, found))
            multipliers = found.multipliers[0]
            domains = self.reduced_domains(self.marginals(single, multipliers), multipliers)
            return max(bound, self.solve_restricted(option, (low, high), domains))

        if option not in self.ranges:
            self._bound_ranges(np.array([option]))
        # Those closed may hold designs as good as the incumbent, which a later goal asks for.
        near = [x for x in self.ranges[option] if x[2] < self.cutoff]
        closed = [x for x in self.ranges[option] if x[2] >= self.cutoff]
        closed += self.over_srams(option, adjacent_joined(near, self.space.capacities), solve)
        self._keep_bounds(option, closed)
        return least_bound(closed)

    def _keep_bounds(self, option: int, ranges: list[SramRange]) -> None:
        """Keep what bounds an option's designs in each range of SRAM, for later goals."""
        main = self.cut_pool.metrics.index(self.goal.metric)
        coefficients = np.eye(len(self.cut_pool.metrics))[[main]]
        where, row, limits = np.array([option]), np.zeros(1, dtype=np.int64), self.goal.limits
        of_shape = self.shape_ranges.get(int(self.space.shape_of[option]), [])
        for low, high, bound in sorted(ranges + of_shape):
            first = 0.0 if low <= self.least_sram_bits[option] else low
            of_range = np.array([bound]), np.array([high]), limits, np.array([first])
            self.cut_pool.add_cut(None, Cut(where, row, coefficients, *of_range), len(self.space))

    def try_option(self, option: int) -> None:
        if option not in self.ranges:
            self._bound_ranges(np.array([option]))
        low, high, bound = min(self.ranges[option], key=lambda each: each[2], default=(0.0,) * 3)
        if high and bound < self.cutoff:
            single = self.with_all_couplings(self.tables_of(option, high, low))
            found = self.bound_option(option, single)
            self.update_from_bound(option, found, 0, high)
            if found.value[0] < self.cutoff:
                self.solve_joint(option, (low, high), single, found, cores=1)
