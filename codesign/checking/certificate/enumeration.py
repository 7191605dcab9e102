"""Every choice of widths and places that could be better than claimed, enumerated exactly.

Where the bound does not prove a claim (budgets leave a duality gap), choices whose weighted
cost is within what a better design may cost are enumerated: step by step in the order of the
elimination, partial choices as vectors of metrics. Dropped is a partial choice

- that costs too much together with the least that the rest can cost, at the multipliers, at any
  others that are given, or in one metric alone;
- to which another one of the same widths and places towards the rest is as good in every metric.

If none that keeps every limit is left at the end, no better design exists.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from codesign.checking.certificate.elimination import (
    CostTables,
    eliminate,
    least_outside,
    table_entry,
    with_outside,
)
from codesign.checking.certificate.exact_costs import Multipliers, own_vectors
from codesign.checking.certificate.metric_units import Threshold, Units, Vector
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import Step, TooMany, WidthVariables

MOST_WORK = 10_000_000  # partial choices made or compared, before giving up
ALL_WORK = 10 * MOST_WORK  # the same for all groups of a certificate together
Index = tuple[int, ...]
Labels = list[Vector]


class Ceiling:
    """What a better design cannot exceed, and what whole choices take of it at least.

    Attributes
    ----------
    multipliers : Multipliers
        Of the metrics: those that the bound was found at, others, or of one metric alone.
    totals : list of whole numbers
        For each step, at each entry of its joint table, the least of a whole choice.
    """

    def __init__(
        self, variables: WidthVariables, multipliers: Multipliers, costs: CostTables
    ) -> None:
        self.multipliers = multipliers
        elimination = eliminate(variables, costs)
        outside = least_outside(variables, elimination)
        self.totals = [*map(with_outside, elimination.joints, outside)]


class Enumeration:
    """One run over the steps of an elimination.

    Parameters
    ----------
    costs : Costs
        At the multipliers that the bound was found at.
    further : iterable of mapping of str to Fraction
        Other multipliers, each of which leaves out other choices.
    most : int
        Partial choices to make or compare before giving up.
    check_time : callable
        Called on the way; may raise.
    """

    def __init__(
        self,
        variables: WidthVariables,
        units: Units,
        threshold: Threshold,
        multipliers: Multipliers,
        costs: CostTables,
        further: Iterable[Mapping[str, Fraction]] = (),
        most: int = MOST_WORK,
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.variables, self.units, self.check_time = variables, units, check_time
        self.metrics, self.most, self.work = costs.metrics, most, 0
        self.ceilings = [Ceiling(variables, multipliers, costs)]
        for given in (*further, *({name: Fraction(1)} for name in units.names)):
            other = Multipliers(units, threshold, given)
            weighted = costs.at(variables, units, other)
            self.ceilings.append(Ceiling(variables, other, weighted))

    def better(self) -> Labels:
        """Metrics of choices that are better than claimed; of equally good ones, some."""
        messages: dict[int, dict[Index, Labels]] = {}
        whole = [self._nondominated(self.metrics[n].vectors(0)) for n in self.variables.alone]
        for steps in sorted(self.variables.apart, key=self._least_left):
            for n in steps:
                messages[n] = self._step(n, self.variables.steps[n], messages)
            whole.append(messages[steps[-1]].get((), []))
            if not whole[-1]:  # then there is no whole choice, whatever the others have
                return []
        labels: Labels = [self._nothing()]
        mosts = [self._most_beside(ceiling.multipliers, whole) for ceiling in self.ceilings]
        for part, *beside in zip(whole, *mosts, strict=True):
            labels = self._added(labels, part, beside)
        return labels

    @staticmethod
    def _most_beside(of: Multipliers, whole: list[Labels]) -> list[int]:
        """What a choice may cost with each part, those after it costing the least they can.

        Which is below 0 only of layers of a fused run that another part holds, too.
        """
        found, most = list[int](), of.most
        for part in reversed(whole):
            found.append(most)
            most -= min(0, min(map(of.of, part), default=0))
        return found[::-1]

    def _least_left(self, steps: Sequence[int]) -> int:
        """Entries of some steps that no ceiling rules out."""
        return sum(int(self._left(n).sum()) for n in steps)

    def _left(self, n: int) -> Whole:
        """At each entry of a step's joint table, whether no ceiling rules it out."""
        each = [ceiling.totals[n] <= ceiling.multipliers.most for ceiling in self.ceilings]
        found: Whole = np.logical_and.reduce(each).astype(bool)
        return found

    def _step(
        self, n: int, step: Step, messages: Mapping[int, dict[Index, Labels]]
    ) -> dict[Index, Labels]:
        """Partial choices up to a step, by their values of the variables towards the rest."""
        own = self._own(step.variable)
        each = [(ceiling.multipliers, ceiling.totals[n]) for ceiling in self.ceilings]
        found: dict[Index, Labels] = {}
        for index in map(tuple, np.argwhere(self._left(n)).tolist()):
            parts = [self._layer_vectors(i, step, index) for i in step.layers]
            for m in step.messages:
                rest = table_entry(step, index, self.variables.steps[m].rest)
                parts.append(messages[m].get(rest, []))
            labels = [own[index[-1]]]
            mosts = [of.of(labels[0]) + of.most - int(totals[index]) for of, totals in each]
            for part in sorted(parts, key=len):
                for i, (of, _) in enumerate(each):
                    mosts[i] += min(map(of.of, part), default=0)
                labels = self._added(labels, part, mosts)
            found.setdefault(index[:-1], []).extend(labels)
        return {rest: self._nondominated(labels) for rest, labels in found.items()}

    def _nothing(self) -> Vector:
        """A choice of nothing."""
        return self.units.nothing()

    def _own(self, variable: int) -> Labels:
        """Metrics of a variable alone, at each of its values."""
        return own_vectors(self.units, self.variables, variable)

    def _layer_vectors(self, number: int, step: Step, index: Index) -> Labels:
        """Metrics of a layer's choices at an entry of a step's joint table."""
        scope = self.variables.layers[number].scope
        shape = [len(self.variables.domains[v]) for v in scope]
        entry = int(np.ravel_multi_index(table_entry(step, index, scope), shape))
        return self.metrics[number].vectors(entry)

    def _added(self, labels: Labels, part: Labels, mosts: list[int]) -> Labels:
        """Every sum of two below every ceiling, but for those dominated."""
        self._count(len(labels) * len(part))
        sums = [tuple(map(sum, zip(x, y, strict=True))) for x in labels for y in part]
        for ceiling, most in reversed([*zip(self.ceilings, mosts, strict=True)]):
            of = ceiling.multipliers.of
            sums = [x for x in sums if of(x) <= most]
        return self._nondominated(sums)

    def _nondominated(self, labels: Iterable[Vector]) -> Labels:
        return nondominated(labels, self._count)

    def _count(self, work: int) -> None:
        self.check_time()
        self.work += work
        if self.work > self.most:
            raise TooMany


def nondominated(
    labels: Iterable[Vector], count: Callable[[int], None] = lambda work: None
) -> Labels:
    """Those to which no other is as good in every metric; of equal ones, one.

    ``count`` is told of the comparisons made, four of which are about the work of one choice.
    """
    ascending = sorted(set(labels))
    dimensions = len(ascending[0]) if ascending else 0
    if dimensions == 0:
        return ascending
    if dimensions <= 3:
        return _nondominated_in_space(ascending)
    telling = _telling(ascending)
    if len(telling) < dimensions:
        by_these = {tuple(x[n] for n in telling): x for x in ascending}
        return [by_these[x] for x in nondominated(by_these, count)]
    kept: Labels = []
    for mine in ascending:
        count(len(kept) // 4)
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) for other in kept):
            kept.append(mine)
    return kept


def _telling(labels: Labels) -> list[int]:
    """Metrics to compare by: none that all have alike, or that rises as another one does.

    So are metrics of other members of a suite, and sums beside one member's share of them.
    """
    columns: dict[int, list[int]] = {}
    for n, start in enumerate(labels[0]):
        rise = [label[n] - start for label in labels]
        at = next((i for i, x in enumerate(rise) if x), None)
        if at is not None and not any(_as_one(rise, x, at) for x in columns.values()):
            columns[n] = rise
    return [*columns]


def _as_one(one: list[int], other: list[int], at: int) -> bool:
    """Whether two rise together, in proportion; the first does at some place."""
    if one[at] * other[at] <= 0:
        return False
    return all(x * other[at] == y * one[at] for x, y in zip(one, other, strict=True))


def _nondominated_in_space(ascending: Labels) -> Labels:
    """The same for one to three metrics.

    Taken by the first metric, ascending, a label is dominated by those before it alone: where the
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
