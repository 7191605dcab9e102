"""Ranges of SRAM that options are bounded over where power at all times grows with it.

More SRAM moves less data, and takes more power as long as the network runs. A range is bounded with
the tilings of its most SRAM and the power of its least; where that leaves a gap, it is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.space.capacities import Capacities

SramRange = tuple[float, float, float]  # least and most bits, and the bound known


@dataclass(frozen=True)
class SramRanges:
    """Ranges of SRAM of hardware options, one row each.

    Attributes
    ----------
    option : ints
    low, high : floats
        SRAM bits.
    bound : floats
        On the goal's metric of all designs within.
    multipliers : floats, shape (rows, limits)
        Good ones.
    latency_s : floats
        Of what the bound is of; that of the wider range where it was not bounded itself.
    """

    option: Ints
    low: Floats
    high: Floats
    bound: Floats
    multipliers: Floats
    latency_s: Floats

    def __len__(self) -> int:
        return len(self.option)

    def take(self, rows: Bools | Ints) -> SramRanges:
        """Some of them."""
        return SramRanges(
            self.option[rows],
            self.low[rows],
            self.high[rows],
            self.bound[rows],
            self.multipliers[rows],
            self.latency_s[rows],
        )

    def __add__(self, other: SramRanges) -> SramRanges:
        """All of both."""
        return SramRanges(
            np.concatenate([self.option, other.option]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.high, other.high]),
            np.concatenate([self.bound, other.bound]),
            np.concatenate([self.multipliers, other.multipliers]),
            np.concatenate([self.latency_s, other.latency_s]),
        )

    def halves(self, middle: Floats, capacities: Capacities) -> SramRanges:
        """Those below so many bits each, then those from there on; both end at capacities."""
        most = capacities.within(middle - 1)
        below, above = replace(self, high=most), replace(self, low=middle)
        return below.take(below.high >= below.low) + above.take(above.high >= above.low)

    def within(self, ranges: Sequence[SramRange]) -> SramRanges:
        """What they have of each of some ranges, whose bounds hold for them."""
        found = self.take(np.zeros(len(self), dtype=bool))
        for low, high, bound in ranges:
            ends = {"low": np.maximum(self.low, low), "high": np.minimum(self.high, high)}
            part = replace(self, **ends, bound=np.maximum(self.bound, bound))
            found = found + part.take(part.high >= part.low)
        return found

    def range(self, n: int) -> SramRange:
        """SRAM bits from and to, and the bound, of one."""
        return float(self.low[n]), float(self.high[n]), float(self.bound[n])

    def least_bounds(self, options: Ints) -> Floats:
        """(options,): the least bound of each option's ranges; inf where it has none."""
        found = np.full(int(max(options.max(initial=0), self.option.max(initial=0))) + 1, np.inf)
        np.minimum.at(found, self.option, self.bound)
        return np.asarray(found[options])


def split_at(
    bits: float | None, low: float, high: float, capacities: Capacities
) -> list[tuple[float, float]]:
    """A range from so many SRAM bits on, and below, as far as capacities are on offer.

    In the middle of the ratio of its ends where the bits are none, or would leave it whole.
    """
    if bits is None or not low < bits <= high:
        bits = float(np.ceil(np.sqrt(max(low, 1.0) * high)))
    above = float(capacities.holding(bits)), high
    below = low, float(capacities.within(bits - 1))
    return [part for part in (above, below) if part[0] <= part[1]]


def least_bound(ranges: Sequence[SramRange]) -> float:
    """The least bound of some ranges; inf of none."""
    return min((bound for _, _, bound in ranges), default=np.inf)


def adjacent_joined(ranges: Sequence[SramRange], capacities: Capacities) -> list[SramRange]:
    """The same ranges, those as one between which no capacity lies."""
    joined: list[SramRange] = []
    for low, high, bound in sorted(ranges):
        if joined and float(capacities.holding(joined[-1][1] + 1)) >= low:
            first, _, least = joined[-1]
            joined[-1] = first, high, min(least, bound)
        else:
            joined.append((low, high, bound))
    return joined
