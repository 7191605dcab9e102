"""Incumbents of least energy, looked for with sizes of SRAM on the most promising options.

No capacity is best for all designs (`least_over_srams`), so that a good one tells as much as good
widths do. Bounds need not be exact here; what labels find is mostly the best of its option.
"""

from __future__ import annotations

from functools import cached_property
from operator import itemgetter

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.tolerances import AREA_ROUNDING
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import DualBound
from codesign.search.by_labels import RangeLabels, suits_labels
from codesign.search.goal_task import GoalTask
from codesign.search.least_metric import LeastMetric
from codesign.search.option_batches import OptionBatches
from codesign.search.sram_ranges import SramRange

SHAPES_TRIED = 2  # at once, for a first incumbent
SRAMS_TRIED, PRICED = 8, 4  # of a shape for a first incumbent; options of it with the best
SIZES = 12  # of SRAM in a range, for the best of them
NEARLY = 1e-5  # accuracy of a range's bound, which labels raise
LABELLED = 2  # ranges of an option, for an incumbent


class SramTrials(LeastMetric):
    """What a search over ranges of SRAM knows of them, and tries."""

    def __init__(self, task: GoalTask) -> None:
        super().__init__(task)
        self.shape_ranges: dict[int, list[SramRange]] = {}
        self.tried: set[int] = set()  # shapes
        self.labels = RangeLabels(self)
        self.met: Floats | None = None  # (limits,): multipliers of the best bounded lately

    def first_multipliers(self, options: Ints) -> Floats:
        if self.met is None:
            return super().first_multipliers(options)
        known = np.array([x in self.shape_ranges for x in self.space.shape_of[options].tolist()])
        own = self.multipliers[self.space.shape_of[options]]
        return np.where(known[:, None], own, self.met)

    def bound_option(self, option: int, single: Batch) -> DualBound:
        """As of `HardwareSearch`; multipliers are those of the last range of its shape."""
        options = np.array([option])
        found = self.dual_bound(single, self.first_multipliers(options), accuracy=NEARLY)
        self.multipliers[self.space.shape_of[options]] = found.multipliers
        return found

    def _useful_sram_bits(self, options: Ints, finer: bool = False) -> Floats:
        """(options,) of one shape: the most SRAM that each can have, and has a use for.

        ``finer``: with the tilings of its finer shape.
        """
        shape = int(self.space.shape_of[options[0]])
        useful = self._useful_to(self._finer_of(shape) if finer else shape)
        return np.minimum(self.most_sram_bits(options), useful)

    @cached_property
    def ideal_batches(self) -> OptionBatches:
        """Tables of options with ideal tilings, of a space that has a finest shape."""
        space = self.space.with_ideal_tilings()
        return OptionBatches(space, (self.goal.metric, *self.goal.limits))

    def _useful_to(self, shape: int) -> float:
        """The most SRAM that a shape has a use for."""
        useful = self.space.useful_sram_bits(shape, self.batches.moves_data)
        return float(self.space.capacities.holding(useful))

    def _finer_of(self, shape: int) -> int:
        """The shape whose tilings stand for those of a shape, where they are told apart."""
        finer = self.space.finer_shapes
        return shape if finer is None else int(finer[shape])

    def _of(self, options: Ints, shape: int) -> Ints:
        """Those of one shape."""
        return np.asarray(options[self.space.shape_of[options] == shape])

    def _whole_range(self, shape: int) -> SramRange:
        """All SRAM that a design on a shape may have."""
        return float(self._least_of_shapes[shape]), np.inf, -np.inf

    @cached_property
    def _least_of_shapes(self) -> Floats:
        """(shapes,): the least of `least_sram_bits`."""
        of_shapes = self.least_sram_bits.reshape(len(self.space.shapes), -1)
        return np.asarray(of_shapes.min(axis=1))

    @cached_property
    def least_sram_bits(self) -> Floats:
        """(options,): what no design within the limits has less of, by what earlier goals say."""
        space = self.space
        least = space.capacities.holding(space.min_sram_bits_of_shapes[space.shape_of])
        for metric in space.hardware_metrics.values():
            known = self.cut_pool.lower(Goal(metric.name, self.goal.limits), least)
            if metric.slope:
                parts = np.where(np.isfinite(known), known, 0.0) * metric.scale
                rounded = AREA_ROUNDING * (np.abs(parts) + metric.base)
                bits = np.ceil((parts - metric.base - rounded) / metric.slope)
                least = np.maximum(least, space.capacities.holding(np.maximum(bits, 0.0)))
        return least

    def _try_nearest(self, options: Ints) -> None:
        """Look for a good incumbent on the shapes of least bounds."""
        order = options[np.argsort(self.lower[options], kind="stable")]
        shapes = [
            x for x in dict.fromkeys(self.space.shape_of[order].tolist()) if x not in self.tried
        ]
        sized = []
        for shape in shapes[: SHAPES_TRIED if self.incumbent is None else 1]:
            self.tried.add(shape)
            mine = self._of(order, shape)
            ranges = self.shape_ranges.get(shape, [self._whole_range(shape)])
            low, high, _ = min(ranges, key=itemgetter(2))
            most = np.clip(self._useful_sram_bits(mine), low, high)
            sized.append(self._sized(mine, low, most))
        if sized:
            self._try_labels(*min(sized, key=itemgetter(0))[1])

    def _try_srams(self, options: Ints, low: float, high: Floats) -> Floats:
        """Look for an incumbent with a few sizes of SRAM; returns good multipliers."""
        self._try_labels(*self._sized(options, low, high)[1])
        return self.first_multipliers(options)

    def _sized(
        self, options: Ints, low: float, high: Floats
    ) -> tuple[float, tuple[int, float, float]]:
        """What the best found with a few sizes of SRAM has, its option, and a range of the size.

        A range of SRAM is not worth halving that a design closes. Of the sizes that is tried which
        suits an envelope of all options of the shape best, on each as far as it may have it.
        """
        shares, most = np.linspace(0.0, 1.0, SRAMS_TRIED), float(high.max())
        sizes = np.unique(self.space.capacities.within(low * (most / low) ** shares))
        sizes = sizes[sizes >= low]
        row = np.repeat(np.arange(len(sizes)), len(options))
        shapes = np.full(len(sizes), self.space.shape_of[options[0]])
        batch = self.batches.of_shapes(np.tile(options, len(sizes)), shapes, row, sizes, sizes)
        start = self.first_multipliers(options[:1])
        rough = self.dual_bound(batch, np.tile(start, (len(sizes), 1)), rounds=1)
        sram_bits = np.minimum(sizes[rough.value.argmin()], high)
        batch = self.batches.of_options(options, sram_bits, roughly=True)
        start = np.tile(start, (len(options), 1))
        rough = self.dual_bound(batch, start, rounds=1)
        best = np.argsort(rough.value, kind="stable")[:PRICED]
        found = self.dual_bound(batch.take(best), start[best], accuracy=1e-4)
        for n, k in enumerate(best.tolist()):
            self.update_from_bound(int(options[k]), found, n, float(sram_bits[k]))
        n = int(found.incumbent.argmin())
        self.met, high_bits = found.multipliers[n], float(sram_bits[best[n]])
        below = sizes[sizes < high_bits]
        low = float(np.floor(below[-1])) if len(below) else low
        return float(found.incumbent[n]), (int(options[best[n]]), low, high_bits)

    def _try_nearest_option(self, options: Ints, ranges: list[SramRange]) -> None:
        """Look for an incumbent on the best of some options of a shape, in its best range."""
        low, high, _ = min(ranges, key=itemgetter(2))
        most = np.minimum(self._useful_sram_bits(options), high)
        options, most = options[most >= low], most[most >= low]
        if len(options):
            powered = np.full(len(options), low)
            tables = self.batches.of_options(options, most, powered_bits=powered, roughly=True)
            rough = self.dual_bound(tables, self.first_multipliers(options), rounds=1)
            n = int(rough.value.argmin())
            self._try_labels(int(options[n]), low, float(most[n]))

    def _try_labels(self, option: int, low: float, high: float) -> None:
        """Look for an incumbent by labels on one option, near the best size of SRAM of a range."""
        low = max(low, float(self.least_sram_bits[option]))
        sizes = np.unique(self.space.capacities.within(np.ceil(np.linspace(low, high, SIZES))))
        sizes = sizes[sizes >= low]
        if not len(sizes) or not suits_labels(self, self._rough_tables(option, low, high)):
            return
        every = np.full(len(sizes), option)
        tables = self.batches.of_options(every, sizes, powered_bits=sizes, roughly=True)
        rough = self.dual_bound(tables, self.first_multipliers(every), rounds=1)
        n = int(rough.value.argmin())
        low, high = float(sizes[n - 1]) + 1 if n else low, float(sizes[n])
        for _ in range(LABELLED):
            if high < low:
                return
            single = self._rough_tables(option, low, high)
            self.last_sram_bits = None
            self.labels.bound(option, (low, high), single, self.bound_option(option, single))
            if self.last_sram_bits is None:
                return
            high = float(self.space.capacities.within(self.last_sram_bits - 1))

    def _rough_tables(self, option: int, low: float, high: float) -> Batch:
        """Tables of one option in a range of SRAM, of tilings of least traffic alone."""
        ends = np.array([high]), np.array([low])
        tables = self.batches.of_options(np.array([option]), *ends, roughly=True)
        return self.with_all_couplings(tables)
