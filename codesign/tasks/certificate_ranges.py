"""Closes hardware options range by range of SRAM, where power at all times grows with it.

A range is argued for with the tilings of its most SRAM and the power of its least. One that does
not close is split where that says the more: into options, or into less and more SRAM.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.width_variables import TooMany
from codesign.checking.problem import Option
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual
from codesign.search.option_batches import OptionBatches
from codesign.space.energy import EnergyCosts
from codesign.space.hardware import HardwareSpace
from codesign.tasks.certificate_options import group_of

Range = tuple[int, int]  # SRAM bits, from and to
Append = Callable[[OptionGroup, Floats, int], bool]

SPLIT_ALIKE = 2e-2  # relative growth of power in a range, from which it is split for all options
LEAST_GROWTH = 1e-8  # relative, below which no range is split
FIRST_WORK = 20_000  # partial choices to look at before a range is split
LAST_WORK = 1_000_000  # the same of one that is not split any more
WORTH = 8  # times the growth of power: what a bound lacks, from which on it is no more split


class _Part(NamedTuple):
    """Options of one array shape with SRAM of a range.

    Attributes
    ----------
    start : floats, shape (limits,)
        Multipliers that are good for what it is a part of.
    """

    options: list[int]
    sram_bits: Range
    start: Floats


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
        assert batches.energy is not None
        self.energy: EnergyCosts = batches.energy
        self.space: HardwareSpace = batches.space
        self.batches, self.dual, self.most_bits = batches, dual, most_bits
        self.named, self.append, self.check_time = named, append, check_time
        self.cutoff, self.target = cutoff, target

    def close(self, options: list[int], start: Floats) -> list[int]:
        """Close options of one array shape; those left over.

        Parameters
        ----------
        start : floats, shape (limits,)
            Good multipliers.
        """
        shape, failed = int(self.space.shape_of[options[0]]), set[int]()
        useful = self.space.useful_sram_bits(shape, self.batches.moves_data)
        most = int(self.most_bits[options].max())
        self.most = most
        self.useful = min(max(int(useful), 1), most)
        whole = _Part(options, (1, self.useful), start)
        stack = self._on_offer([whole, whole._replace(sram_bits=(self.useful + 1, most))])
        while stack:
            part = stack.pop()
            mine = [option for option in part.options if option not in failed]
            part = part._replace(options=self._with_room(mine, part.sram_bits[0]))
            if not part.options:
                continue
            self.check_time()
            try:
                closed, halves = self._closed(part)
            except TooMany:
                closed, halves = False, []
            if not closed and not halves:
                failed.update(part.options)
            stack += halves
        return sorted(failed)

    def _with_room(self, options: list[int], bits: int) -> list[int]:
        return [option for option in options if self.most_bits[option] >= bits]

    def _closed(self, part: _Part) -> tuple[bool, list[_Part]]:
        """Whether a part closes; what else to close, which may be nothing."""
        found = self.dual.bound(self._batch(part), part.start[None], self.target)
        bound, multipliers = float(found.value[0]), found.multipliers
        group = group_of((self.named[n] for n in part.options), sram_bits=part.sram_bits)
        if bound > self.cutoff and self.append(group, multipliers, 0):
            return True, []
        part = part._replace(start=multipliers[0])
        growth, single = self._growth(part), len(part.options) == 1
        if not single:
            return False, self._split(part) if growth > SPLIT_ALIKE else self._halved(part)
        short = (self.cutoff - bound) / abs(self.cutoff) if self.cutoff else 0.0
        last = growth <= LEAST_GROWTH
        if last or growth < short:
            final = last or WORTH * growth < short  # splitting leaves as many to look at
            work = LAST_WORK if final else FIRST_WORK
            try:
                if self.append(group, multipliers, work):
                    return True, []
            except TooMany:
                if final:
                    raise
        return False, [] if last else self._split(part)

    def _batch(self, part: _Part) -> Batch:
        """Tables of one option that is as good as any of a part."""
        options, (low, high) = np.array(part.options), part.sram_bits
        powered = np.array([float(low)])
        if len(options) == 1:
            room = np.minimum(self.most_bits[options], float(high))
            return self.batches.of_options(options, room, powered_bits=powered)
        room = np.minimum(self.most_bits[options].max(keepdims=True), float(high))
        shape, row = self.space.shape_of[options[:1]], np.zeros(len(options), dtype=np.int64)
        return self.batches.of_shapes(options, shape, row, room, powered)

    def _growth(self, part: _Part) -> float:
        """By how much power at all times grows in a range, as far as SRAM is of use."""
        ends = (part.sram_bits[0], max(part.sram_bits[0], min(part.sram_bits[1], self.useful)))
        options = np.array(part.options)
        low, high = (
            float(self.energy.static_w(self._area_mm2(options, bits)).min()) for bits in ends
        )
        return high / low - 1 if low > 0 else math.inf if high > low else 0.0

    def _area_mm2(self, options: Ints, bits: int) -> Floats:
        return self.space.least_area_mm2(options, np.full(len(options), float(bits)))

    # Parts of a part ----------------------------------------------------------------------------

    def _halved(self, part: _Part) -> list[_Part]:
        half = len(part.options) // 2
        return [
            part._replace(options=part.options[half:]),
            part._replace(options=part.options[:half]),
        ]

    def _split(self, part: _Part) -> list[_Part]:
        """Less and more SRAM; nothing where there is one size alone."""
        low, high = part.sram_bits
        if low >= high:
            return []
        middle = max(math.isqrt(low * high), low + 1)
        on_offer = float(self.space.capacities.holding(float(middle)))
        middle = int(on_offer) if on_offer <= high else high
        return self._on_offer(
            [
                part._replace(sram_bits=(low, middle - 1)),
                part._replace(sram_bits=(middle, high)),
            ]
        )

    def _on_offer(self, parts: list[_Part]) -> list[_Part]:
        """Parts with ranges from one size on offer to another; without those of none."""
        capacities, found = self.space.capacities, []
        for part in parts:
            low = float(capacities.holding(float(part.sram_bits[0])))
            high = part.sram_bits[1]
            if high < self.most:  # else to the very last
                high = int(capacities.within(float(high)))
            if low <= high:
                found.append(part._replace(sram_bits=(int(low), high)))
        return found
