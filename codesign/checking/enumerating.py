"""Every choice of widths that could beat a claim, enumerated exactly.

Where the priced bound does not settle a claim (budgets leave a duality gap), choices whose priced
cost is within what a better design may cost are enumerated: step by step in the order of the
elimination, partial choices as vectors of metrics. Dropped is a partial choice

- that costs too much at the prices, together with the least the rest can cost;
- to which another one of the same widths towards the rest is as good in every metric.

If none that keeps every limit is left at the end, no better design exists.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from codesign.checking.couplings import Couplings, Step
from codesign.checking.pricing import Prices, Threshold, Units, Vector, own_vectors
from codesign.checking.sweeping import Costs, Sweep, Table, sweep_down, with_outside

MOST_PARTIAL = 2_000_000  # partial choices looked at, before giving up
Labels = list[Vector]


class TooMany(Exception):
    """Raised where there is too much to enumerate."""


@dataclass
class Enumeration:
    """One run over the steps of an elimination.

    ``most``: partial choices to look at before giving up.
    """

    couplings: Couplings
    units: Units
    prices: Prices
    costs: Costs
    swept: Sweep
    most: int = MOST_PARTIAL
    looked_at: int = 0

    def better(self, threshold: Threshold) -> Labels:
        """Metrics of choices better than a claim, or as good as one not enumerated.

        Raises
        ------
        TooMany
        """
        outside = sweep_down(self.couplings, self.swept)
        messages: list[dict[int, Labels]] = []
        whole: list[Labels] = [
            unbeaten(self.costs.vectors[n][self.couplings.layers[n].entries[0]])
            for n in self.couplings.alone
        ]
        for n, step in enumerate(self.couplings.steps):
            totals = with_outside(self.couplings, step, self.swept.joints[n], outside[n])
            messages.append(self._step(step, totals, messages))
            if not step.rest:
                whole.append(messages[-1].get(0, []))
        labels: Labels = [self.units.vector()]
        for part in whole:
            labels = unbeaten(self._added(labels, part, self.prices.most))
        return [x for x in labels if not self._passed(x, threshold)]

    def _step(
        self, step: Step, totals: Table, messages: list[dict[int, Labels]]
    ) -> dict[int, Labels]:
        """Partial choices up to a step, by their widths towards the rest."""
        own = own_vectors(self.units, self.couplings, step.variable)
        width = len(self.couplings.domains[step.variable])
        found: dict[int, Labels] = {}
        for entry, total in enumerate(totals):
            slack = self.prices.most - total
            if slack < 0:
                continue
            parts = [
                self.costs.vectors[n][self.couplings.layers[n].entries[places[entry]]]
                for n, places in step.layers
            ]
            parts += [messages[n].get(places[entry], []) for n, places in step.messages]
            labels = [own[step.own[entry]]]
            least = self.prices.of(labels[0])
            for part in sorted(parts, key=len):
                least += min(map(self.prices.of, part), default=0)
                labels = unbeaten(self._added(labels, part, least + slack))
            found.setdefault(entry // width, []).extend(labels)
        return {rest: unbeaten(labels) for rest, labels in found.items()}

    def _added(self, labels: Labels, part: Labels, most: int) -> Labels:
        """Every sum of two that costs no more than it may."""
        self.looked_at += len(labels) * len(part)
        if self.looked_at > self.most:
            raise TooMany
        sums = (tuple(a + b for a, b in zip(x, y, strict=True)) for x in labels for y in part)
        return [x for x in sums if self.prices.of(x) <= most]

    def _passed(self, vector: Vector, threshold: Threshold) -> bool:
        """Whether some metric alone is too large for a better design."""
        return any(
            threshold.passed(name, x * self.units.unit[name])
            for name, x in zip(self.units.names, vector, strict=True)
        )


def unbeaten(labels: Iterable[Vector]) -> Labels:
    """Those to which no other is as good in every metric; of equal ones, one."""
    ascending = sorted(set(labels))
    dimensions = len(ascending[0]) if ascending else 0
    if dimensions == 0:
        return ascending
    if dimensions <= 3:
        return _unbeaten_in_space(ascending)
    kept: Labels = []
    for mine in ascending:
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) for other in kept):
            kept.append(mine)
    return kept


def _unbeaten_in_space(ascending: Labels) -> Labels:
    """The same for one to three metrics.

    Taken by the first metric, ascending, a label is beaten by those before it alone: where the
    least third metric among those of no larger second one is no larger.
    """
    kept: Labels = []
    seconds: list[int] = []  # ascending, with thirds descending: a staircase of those kept
    thirds: list[int] = []
    for mine in ascending:
        second, third = (*mine, 0, 0)[1:3]
        place = bisect_right(seconds, second)
        if place and thirds[place - 1] <= third:
            continue
        kept.append(mine)
        start = end = bisect_left(seconds, second)
        while end < len(seconds) and thirds[end] >= third:
            end += 1
        seconds[start:end], thirds[start:end] = [second], [third]
    return kept
