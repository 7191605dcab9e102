"""Closes hardware options range by range of SRAM, where power at all times grows with it.

A range is argued for with the tilings of its most SRAM and the power of its least. From the most
SRAM on, each range reaches as far down as its bound still closes it. Options of one array shape are
closed together as long as that goes, then those that need it alone; where budgets leave one a
duality gap, it is enumerated over ranges so narrow that little is left to look at. One that needs
more of them than the check reads is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.verify import MOST_RANGES
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.problem import Option
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual, DualBound
from codesign.search.option_batches import OptionBatches
from codesign.space.hardware import HardwareSpace
from codesign.tasks.certificate_options import group_of

Range = tuple[int, int]  # SRAM bits, from and to
Append = Callable[[OptionGroup, Floats, int], bool]

STEPS = (4.0, 2.0, 1.0, 0.5, 0.25)  # times the last range's width: how far the next may reach
WIDTH_OF_EVERY = 0.05  # relative, of a range that is worth its argument for all of a shape
LEAST_WIDTH = 2e-3  # relative, of a range that is worth its argument for some together
NEAR = 5e-2  # of the claim: what a bound may lack where an enumeration is worth a try
WIDTH_ALONE = 0.05  # the first of options apart
NARROWER = 0.25  # times the width, after too much to enumerate
FIRST_WORK = 300_000  # partial choices to look at before a range is made narrower
FEW = 3  # ranges that do not close with the tilings of one PE: others are hardly better
LAST_WORK = 3_000_000  # the same of one that cannot be


class _Part(NamedTuple):
    """Options of one array shape with as much SRAM as ranges have not closed yet.

    Attributes
    ----------
    most_bits : int
    width : float
        Relative, of the range that was closed last.
    start : floats, shape (limits,)
        Multipliers that are good for it.
    every : bool
        Whether they are all of a shape, whether ranges are needed for each or not.
    """

    options: list[int]
    most_bits: int
    width: float
    start: Floats
    every: bool = False


class RangeCloser:
    """Closes options of a problem about energy.

    Parameters
    ----------
    named : sequence of Option
        All of the space.
    most_bits : floats, shape (options,)
        The most SRAM that each option has.
    cutoff, target : float
        A bound that closes a part, and one that needs no better multipliers.
    append : callable
        Adds an argument to the certificate if it is verified, at some multipliers and with so many
        partial choices to look at; raises `TooMany`.
    """

    def __init__(
        self,
        batches: OptionBatches,
        dual: Dual,
        named: Sequence[Option],
        most_bits: Floats,
        cutoff: float,
        target: float,
        append: Append,
        check_time: Callable[[], None],
    ) -> None:
        self.space: HardwareSpace = batches.space
        self.batches, self.dual, self.most_bits = batches, dual, most_bits
        self.named, self.append, self.check_time = named, append, check_time
        self.cutoff, self.target, self.failed = cutoff, target, 0

    def close(self, options: list[int], start: Floats) -> list[int]:
        """Close options of one array shape; those left over.

        Parameters
        ----------
        start : floats, shape (limits,)
            Good multipliers.
        """
        shape, failed = int(self.space.shape_of[options[0]]), set[int]()
        useful = self.space.useful_sram_bits(shape, self.batches.moves_data)
        self.useful = max(int(useful), 1)
        least = max(1, int(self.space.capacities.min_bits))
        most = int(self.most_bits[options].max())
        stack = [_Part(options, most, 1.0, start, every=len(options) > 1)]
        alone = Counter[int]()
        while stack:
            part = stack.pop()
            options = [x for x in part.options if x not in failed]
            most = min(part.most_bits, int(self.most_bits[options].max(initial=0)))
            part = part._replace(options=options, most_bits=most)
            if not options or most < least:
                continue
            self.check_time()
            further = self._closed_from_top(part, least)
            alone[options[0]] += len(options) == 1
            if further is None or (len(options) == 1 and alone[options[0]] > MOST_RANGES):
                failed.update(options)
            else:
                stack += further
        return sorted(failed)

    def _by_need(self, options: list[int], start: Floats) -> list[list[int]]:
        """Options that close at any power of theirs, and those for which ranges are needed.

        The former are mostly those whose PEs are too narrow; that their power counts for nothing
        with the others lets these close.
        """
        ends = [(1, int(self.most_bits[n])) for n in options]
        found = self._bound(options, ends, start, apart=True)
        easy = [n for n, value in zip(options, found.value, strict=True) if value > self.cutoff]
        hard = [n for n, value in zip(options, found.value, strict=True) if value <= self.cutoff]
        return [x for x in (easy, hard) if x]

    def _closed_from_top(self, part: _Part, least: int) -> list[_Part] | None:
        """Close a range of the most SRAM of a part; what is left of it, None where none closes."""
        alone, width = len(part.options) == 1, min(part.width, 1.0)
        while True:
            lows = self._lows(part, width, least)
            ranges = [(low, part.most_bits) for low in lows]
            found = self._bound(part.options, ranges, part.start)
            closing = np.flatnonzero(found.value > self.cutoff).tolist()
            for n in closing[:1] + closing[1:][-1:]:
                if self._adds(part.options, ranges[n], found.multipliers[n][None]):
                    return self._below(part, lows[n], found.multipliers[n])
            narrow = WIDTH_OF_EVERY if part.every else LEAST_WIDTH
            if width * STEPS[-1] <= narrow or lows[0] == part.most_bits:
                break
            width /= STEPS[0] / STEPS[-1]
        if part.every:
            apart = self._by_need(part.options, part.start)
            return [part._replace(options=x, every=False) for x in reversed(apart)]
        if not alone:
            return self._apart(part, lows[-1])
        start = found.multipliers[-1]
        return self._enumerated(part._replace(start=start, width=width), least)

    def _adds(self, options: list[int], sram_bits: Range, multipliers: Floats) -> bool:
        """Close a range by its bound, if that is verified; with what takes the least time first."""
        if len(options) > 1 and self.failed < FEW:
            if self.append(self._group(options, sram_bits, finest=True), multipliers, 0):
                return True
            self.failed += 1
        return self.append(self._group(options, sram_bits), multipliers, 0)

    def _lows(self, part: _Part, width: float, least: int) -> list[int]:
        """How far down a range may reach, ascending."""
        top = min(part.most_bits, self.useful)
        each = {max(least, int(top * (1 - min(width * x, 1.0)))) for x in STEPS}
        return sorted(self._on_offer(low, part.most_bits) for low in each)

    def _on_offer(self, low: int, high: int) -> int:
        """The least SRAM on offer of at least so much; no more than the most."""
        return min(int(min(float(self.space.capacities.holding(float(low))), 2.0**60)), high)

    def _below(self, part: _Part, low: int, start: Floats) -> list[_Part]:
        """What is left of a part whose SRAM from ``low`` on is closed."""
        top = min(part.most_bits, self.useful)
        width = max((top - low) / top, LEAST_WIDTH / 8)
        below = float(self.space.capacities.within(float(low - 1))) if low > 1 else 0.0
        return [part._replace(most_bits=int(below), width=width, start=start)]

    def _apart(self, part: _Part, low: int) -> list[_Part]:
        """The same in fewer options: those that close by themselves, and each of the others."""
        options = np.array(part.options)
        ends = [(low, int(min(part.most_bits, self.most_bits[n]))) for n in part.options]
        there = np.array([low <= high for low, high in ends])
        value = np.full(len(options), np.inf)
        rows = np.flatnonzero(there)
        if len(rows):
            mine = [ends[n] for n in rows]
            value[rows] = self._bound(options[rows].tolist(), mine, part.start, True).value
        order = np.argsort(-value, kind="stable")
        easy = [int(options[n]) for n in order if value[n] > self.cutoff]
        hard = [int(options[n]) for n in order if value[n] <= self.cutoff]
        parts = [easy, *([n] for n in hard)]
        if not hard:
            half = len(easy) // 2
            parts = [easy[:half], easy[half:]]
        narrow = part._replace(width=WIDTH_ALONE)
        return [narrow._replace(options=mine) for mine in parts if mine]

    def _enumerated(self, part: _Part, least: int) -> list[_Part] | None:
        """Close a range of the most SRAM of one option by enumeration, as wide a one as goes."""
        width, tried = min(4 * part.width, 1.0), 0
        while True:
            top = min(part.most_bits, self.useful)
            low = self._on_offer(max(least, int(top * (1 - width))), part.most_bits)
            tried, low = low, part.most_bits if low == tried else low
            found = self._bound(part.options, [(low, part.most_bits)], part.start)
            last, lacks = low == part.most_bits, 1 - found.value[0] / self.cutoff
            if lacks <= NEAR or last:
                group = self._group(part.options, (low, part.most_bits))
                try:
                    if self.append(group, found.multipliers, LAST_WORK if last else FIRST_WORK):
                        return self._below(part, low, found.multipliers[0])
                except TooMany:
                    pass
            if last:
                return None
            width *= NARROWER

    def _group(self, options: list[int], sram_bits: Range, finest: bool = False) -> OptionGroup:
        return group_of((self.named[n] for n in options), sram_bits=sram_bits, finest=finest)

    def _bound(
        self, options: list[int], ranges: Sequence[Range], start: Floats, apart: bool = False
    ) -> DualBound:
        """Bounds of ranges: of one option that is as good as any, or ``apart`` of each its own."""
        low, high = np.array(ranges, dtype=np.float64).T
        mine, count = np.array(options), len(ranges)
        begin = np.tile(start, (count, 1))
        if apart or len(options) == 1:
            every = mine if apart else np.repeat(mine, count)
            batch = self.batches.of_options(every, high, powered_bits=low, roughly=True)
            return self.dual.bound(batch, begin, self.target)
        return self.dual.bound(self._shapes(mine, low, high), begin, self.target)

    def _shapes(self, options: Ints, low: Floats, high: Floats) -> Batch:
        """Tables of one option that is as good as any, for each range."""
        count = len(low)
        shapes = np.full(count, self.space.shape_of[options[0]])
        row = np.repeat(np.arange(count), len(options))
        room = np.minimum(high, self.most_bits[options].max())
        return self.batches.of_shapes(np.tile(options, count), shapes, row, room, low)
