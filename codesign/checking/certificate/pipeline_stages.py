"""Limits of pipelines better than claimed in a range of the interval, and their stages.

Of every metric that is limited an amount is counted in a unit of which the limit is ``2^36``,
rounded down. Block RAMs are whole: a limit of 7.8 is one of 7. Stages are those that keep the
range's end in cycles, and all DRAM bits together do so too; latency and static energy are those of
its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.pipeline_waits import Detour
from codesign.checking.certificate.stage_options import NoStage, Offer, StageOption
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.dataflow import Read, reads
from codesign.checking.energy import Energies
from codesign.checking.problem import INTERVAL, Problem
from codesign.checking.segment import edge_bits, within
from codesign.checking.technology import ENERGY, Fpga

PARTS = 2**36  # of a limit
MOST_PARTS = 2**38  # of any cost: what is more is as good as out of reach
LATENCY, DRAM, AREA, BRAM = "latency_s", "dram_bits", "area_mm2", "bram"


@dataclass(frozen=True)
class Range:
    """Of the interval, s; no end: None."""

    least_s: Fraction
    most_s: Fraction | None


class PipelineStages:
    """The stages of the pipelines of a problem that are better than claimed, in a range.

    Attributes
    ----------
    names : tuple of str
        Metrics, by column.
    most : whole numbers, shape (metrics,)
        Of a better pipeline, in the metric's unit.
    segments : tuple of range
        Of layers that are no stages.
    domains : list of tuple of int
        Widths of each class.
    unsafe : list of int
        Detours of which ``W`` may be below 0; their columns are behind those of the metrics.

    Parameters
    ----------
    like : PipelineStages, optional
        Of the same problem, claim and range: what is known of its stages is taken over.

    Raises
    ------
    NoStage
    """

    segments: tuple[range, ...] = ()

    def __init__(
        self,
        problem: Problem,
        threshold: Threshold,
        span: Range,
        detours: Sequence[Detour],
        offers: Mapping[int, Offer],
        like: PipelineStages | None = None,
    ) -> None:
        self.problem, self.network, self.span = problem, problem.network, span
        self.threshold, self.detours, self.offers = threshold, detours, offers
        self.reads = self._reads()
        self.domains = [problem.allowed(x[0]) for x in problem.classes]
        self.class_of = {x: c for c, members in enumerate(problem.classes) for x in members}
        self.energies = self._energies()
        self.most_s: dict[str, Fraction] = self._limits()
        self.names = tuple(self.most_s)
        self.unit = {x: (y or Fraction(1)) / PARTS for x, y in self.most_s.items()}
        self.most = np.array([math.floor(y / self.unit[x]) for x, y in self.most_s.items()])
        self._offered: dict[tuple[object, ...], list[StageOption]] = {}
        self._known: dict[tuple[object, ...], Whole] = {}
        if like is not None:
            self._offered, self._known = like._offered, like._known
        self.options = [self._options(n) for n in range(len(self.network.layers))]
        negative = [n for n, x in enumerate(detours) if self._least_more(x) < 0]
        self.unsafe = negative if self.charged else []
        self.rows = len(self.names) + len(self.unsafe)

    def _reads(self) -> list[Read]:
        return reads(self.network, self.segments)

    @cached_property
    def moved(self) -> dict[str, Fraction]:
        """Elements of each tensor that stages move from and to DRAM."""
        none = dict.fromkeys(self.network.tensors, 0)
        return {x: edge_bits(self.network, self.segments, {**none, x: 1}) for x in none}

    # What is limited ----------------------------------------------------------------------------

    def _energies(self) -> tuple[Energies, Fraction] | None:
        """Energies without an area, and static power of each mm²."""
        if ENERGY not in (self.problem.objective, *self.threshold.limits):
            return None
        silicon = not isinstance(self.problem.technology, Fpga)
        none, one = (self.problem.energies(Fraction(x) if silicon else None) for x in (0, 1))
        if none is None or one is None:
            return None
        return none, one.static_w - none.static_w

    def _limits(self) -> dict[str, Fraction]:
        names = dict.fromkeys((self.problem.objective, *self.threshold.limits))
        found = {}
        for name in names:
            most = self.threshold.most(name)
            if name != INTERVAL and most is not None:
                found[name] = Fraction(math.floor(most)) if name == BRAM else most
        if self.span.most_s is not None:
            moved = self.span.most_s * self.problem.dram_bits_per_s
            found[DRAM] = min(moved, found.get(DRAM, moved))
        by_area = self.span.least_s * (self.energies[1] if self.energies else 0)
        if by_area and AREA not in found:
            found[AREA] = found[ENERGY] / by_area
        return found

    def _units(self, name: str, amount: Fraction) -> int:
        """An amount of a metric in its unit, rounded down."""
        return min(math.floor(amount / self.unit[name]), MOST_PARTS)

    # Stages -------------------------------------------------------------------------------------

    def _options(self, n: int) -> list[StageOption]:
        layer = self.network.layers[n]
        if layer.moves or within(self.segments, n) is not None:
            return []
        most_s = self.span.most_s
        cycles = None if most_s is None else most_s * self.problem.clock_hz
        mine = [x for x in self.detours if n in x.signs]
        signs = {x.signs[n] > 0 for x in mine}
        if any(self._may_lack(x) for x in mine):  # then more lag may be better, and less
            signs = {True, False}
        signs |= {True} if LATENCY in self.names or self._residuals(n) else set()
        key = id(self.offers[n]), tuple(sorted(signs))
        if key not in self._offered:
            each = [1 if x else -1 for x in sorted(signs)]
            self._offered[key] = self.offers[n].within(cycles, each)
        if not self._offered[key]:
            raise NoStage
        return self._offered[key]

    def _residuals(self, n: int) -> list[Read]:
        return [x for x in self.reads if x.reader == n and x.until_output]

    def _lags(self, n: int) -> list[Fraction]:
        found = [x.lag for x in self.options[n]]
        return found or [*self._lag_without(n)]

    def _lag_without(self, n: int) -> tuple[Fraction]:
        """Of a layer without options: one that moves data, or is of the segment."""
        return (Fraction(within(self.segments, n) is None),)

    def _may_lack(self, detour: Detour) -> bool:
        """Whether ``W`` may be below 0, whatever stages are on offer."""
        found = Fraction(detour.more)
        for n, sign in detour.signs.items():
            ends = self.offers[n].lag_ends if n in self.offers else self._lag_without(n)
            found += min(sign * x for x in ends)
        return found < 0

    def _least_more(self, detour: Detour) -> Fraction:
        """The least that ``W`` may be."""
        each = (min(sign * x for x in self._lags(n)) for n, sign in detour.signs.items())
        return sum(each, Fraction(detour.more))

    @property
    def memory(self) -> str:
        """The metric that memories take."""
        return BRAM if isinstance(self.problem.technology, Fpga) else AREA

    @property
    def charged(self) -> bool:
        """Whether memories count."""
        return self.memory in self.names
