"""The enumeration of one hardware option over a range of SRAM, where power grows with its area.

The bound takes the power of the least SRAM with the tilings of the most. Here a partial choice
holds, behind its metrics, its latency and the SRAM that it takes: the power of what it takes beyond
the least SRAM is added to its energy, so that one range holds many sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from operator import add
from typing import Any, NamedTuple

from codesign.checking.certificate.enumeration import Enumeration, Labels, nondominated
from codesign.checking.certificate.metric_units import Vector
from codesign.checking.technology import ENERGY


class Growth(NamedTuple):
    """Power at all times beyond that of some SRAM.

    Attributes
    ----------
    least_bits : int
        That SRAM.
    per_bit : Fraction
        Units of energy that a further bit takes in a unit of latency.
    """

    least_bits: int
    per_bit: Fraction


class RangeEnumeration(Enumeration):
    """One run over the steps of an elimination, its choices by the SRAM that each takes."""

    def __init__(self, growth: Growth, *terms: Any, **further: Any) -> None:
        super().__init__(*terms, **further)
        self.growth, self.place = growth, self.units.names.index(ENERGY)
        self.scale = growth.per_bit.as_integer_ratio()

    def better(self) -> Labels:
        """Metrics of choices that are better than claimed; of equally good ones, some."""
        mosts = [ceiling.multipliers.most for ceiling in self.ceilings]
        return [x for x in super().better() if self._may_be(x, mosts)]

    def _nothing(self) -> Vector:
        return (*super()._nothing(), 0, self.growth.least_bits)

    def _own(self, variable: int) -> Labels:
        return [(*x, 0, self.growth.least_bits) for x in super()._own(variable)]

    def _added(self, labels: Labels, part: Labels, mosts: list[int]) -> Labels:
        """Every sum of two below every ceiling, but for those dominated."""
        self._count(len(labels) * len(part))
        sums = [(*map(add, x[:-1], y[:-1]), max(x[-1], y[-1])) for x, y in product(labels, part)]
        return self._nondominated(x for x in sums if self._may_be(x, mosts))

    def _may_be(self, label: Vector, mosts: list[int]) -> bool:
        """Whether a partial choice is within every ceiling with the power of what it takes."""
        further = self._further(label)
        return all(
            ceiling.multipliers.of(label) + ceiling.multipliers.each[self.place] * further <= most
            for ceiling, most in zip(self.ceilings, mosts, strict=True)
        )

    def _further(self, label: Vector) -> int:
        """Energy of the SRAM that a partial choice takes beyond the least, at least."""
        numerator, denominator = self.scale
        *_, latency, taken = label
        if taken <= self.growth.least_bits:
            return 0
        bits = self.units.problem.choices.sram_holding(taken) - self.growth.least_bits
        found: int = latency * bits * numerator // denominator
        return found

    def _nondominated(self, labels: Iterable[Vector]) -> Labels:
        return nondominated(labels, self._count)
