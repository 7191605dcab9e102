"""The enumeration where layers may be fused: runs are put together of the parts that layers are.

A partial choice holds, behind its metrics, a `Part` of each run of which some layers are in it and
others are not. While it does, the run counts as in the bound. With the last layer of a run, the
longer of its two roofs takes the place of that, in its latency and in the energy of power at all
times, and a choice in which the run does not fit the SRAM is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from operator import add
from typing import Any

from codesign.checking.certificate.enumeration import Enumeration, Labels, nondominated
from codesign.checking.certificate.metric_units import Vector, kind_of
from codesign.checking.certificate.run_costs import ROOF_SHARES, Part, RunCosts
from codesign.checking.technology import ENERGY


class RunEnumeration(Enumeration):
    """One run over the steps of an elimination, where layers may be fused."""

    def __init__(
        self, run_costs: RunCosts, static_w: Fraction, *terms: Any, **further: Any
    ) -> None:
        super().__init__(*terms, **further)
        self.run_costs, self.metrics_held = run_costs, len(self.units.names)
        energy, per_unit = self.units.energy, Fraction(0)
        if energy is not None:
            per_unit = static_w * self.units.of_kind["latency_s"] / energy.unit
        self.standing = per_unit.as_integer_ratio()  # energy in a unit of latency

    def _added(self, labels: Labels, part: Labels, mosts: list[int]) -> Labels:
        """Every sum of two below every ceiling, but for those dominated."""
        self._count(len(labels) * len(part))
        joined = (self._joined(x, y) for x, y in product(labels, part))
        sums = [x for x in joined if x is not None]
        for ceiling, most in reversed([*zip(self.ceilings, mosts, strict=True)]):
            of = ceiling.multipliers.of
            sums = [x for x in sums if of(x) <= most]
        return self._nondominated(sums)

    def _joined(self, one: Vector, other: Vector) -> Vector | None:
        """The sum of two partial choices; None where a run does not fit."""
        many = self.metrics_held
        metrics = [*map(add, one[:many], other[:many])]
        parts: dict[int, Part] = {part.run: part for part in one[many:]}
        for part in other[many:]:
            found = parts.get(part.run)
            parts[part.run] = part if found is None else found.with_others(part)
        for run, part in [*parts.items()]:
            if self.run_costs.is_whole(part):
                if not self.run_costs.fits(part):
                    return None
                self._give_back(metrics, part)
                latency, (energy, unit) = max(part.compute, part.memory), self.standing
                for n, count in self._counts("latency_s", part):
                    metrics[n] += count * latency
                for n, count in self._counts(ENERGY, part):
                    metrics[n] += count * (latency * energy // unit)
                del parts[run]
        return (*metrics, *(parts[run] for run in sorted(parts)))

    def _give_back(self, metrics: list[int], part: Part) -> None:
        """Take what counts of a part out of the metrics again."""
        charged = self.run_costs.charged(part)
        latency = self.run_costs.counted(part) + charged * (self.units.bit // ROOF_SHARES)
        for kind, value in (("latency_s", latency), ("dram_bits", charged), (ENERGY, part.spent)):
            for n, count in self._counts(kind, part):
                metrics[n] -= count * value

    def _counts(self, kind: str, part: Part) -> list[tuple[int, int]]:
        """Metrics of a kind that a run counts for, and how often in each."""
        member = self.units.member_of[self.run_costs.fused_runs.runs[part.run - 1].layers[0]]
        every = enumerate((x, self.units.counts[x][member]) for x in self.units.names)
        return [(n, count) for n, (name, count) in every if kind_of(name) == kind and count]

    def _nondominated(self, labels: Iterable[Vector]) -> Labels:
        """Those to which no other is as good in everything that may still matter.

        Choices of the same parts are compared.
        """
        alike: dict[tuple[tuple[int, int], ...], dict[Vector, Vector]] = {}
        for label in labels:
            kind = tuple((part.run, part.layers) for part in label[self.metrics_held :])
            alike.setdefault(kind, {}).setdefault(self._compared(label), label)
        return [every[x] for every in alike.values() for x in nondominated(every, self._count)]

    def _compared(self, label: Vector) -> Vector:
        """Numbers, each no larger of a choice that is as good: metrics, and of each part its own.

        Of one part, with the latency and the energy of all else, what its two roofs make of them.
        """
        metrics, parts = [*label[: self.metrics_held]], label[self.metrics_held :]
        found: list[int] = []
        for part in parts:
            self._give_back(metrics, part)
            found += [part.held_bits, part.psum_bits]
        if len(parts) != 1:
            return (*metrics, *found, *(x for part in parts for x in (part.compute, part.memory)))
        for kind, (rate, unit) in (("latency_s", (1, 1)), (ENERGY, self.standing)):
            for n, count in self._counts(kind, parts[0]):
                roofs = parts[0].compute, parts[0].memory
                found += [metrics[n] * unit + count * rate * x for x in roofs]
                metrics[n] = 0
        return (*metrics, *found)
