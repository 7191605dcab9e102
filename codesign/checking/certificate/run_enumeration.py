"""The enumeration where layers may be fused: runs are put together of the parts that layers are.

A partial choice holds, behind its metrics, a `Part` of each run of which some layers are in it and
others are not. While it does, the run counts as in the bound. With the last layer of a run, the
longer of its two roofs takes the place of that, and a choice in which the run does not fit the SRAM
is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from operator import add
from typing import Any

from codesign.checking.certificate.enumeration import Enumeration, Labels, nondominated
from codesign.checking.certificate.exact_costs import Vector
from codesign.checking.certificate.run_costs import ROOF_SHARES, Part, RunCosts


class RunEnumeration(Enumeration):
    """One run over the steps of an elimination, where layers may be fused."""

    def __init__(self, run_costs: RunCosts, *terms: Any, **further: Any) -> None:
        super().__init__(*terms, **further)
        names = self.units.names
        self.run_costs, self.metrics_held = run_costs, len(names)
        self.latency, self.dram = (
            names.index(x) if x in names else None for x in ("latency_s", "dram_bits")
        )

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
                if self.latency is not None:
                    metrics[self.latency] += max(part.compute, part.memory)
                del parts[run]
        return (*metrics, *(parts[run] for run in sorted(parts)))

    def _give_back(self, metrics: list[int], part: Part) -> None:
        """Take what counts of a part out of the metrics again."""
        charged = self.run_costs.charged(part)
        if self.latency is not None:
            metrics[self.latency] -= self.run_costs.counted(part)
            metrics[self.latency] -= charged * (self.units.bit // ROOF_SHARES)
        if self.dram is not None:
            metrics[self.dram] -= charged

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

        Of one part, with the latency of all else, what its two roofs make of it.
        """
        metrics, parts = [*label[: self.metrics_held]], label[self.metrics_held :]
        found: list[int] = []
        for part in parts:
            roofs = [part.compute, part.memory]
            self._give_back(metrics, part)
            if self.latency is not None and len(parts) == 1:
                roofs = [x + metrics[self.latency] for x in roofs]
            found += [*roofs, part.held_bits, part.psum_bits]
        if len(parts) == 1 and self.latency is not None:
            del metrics[self.latency]
        return (*metrics, *found)
