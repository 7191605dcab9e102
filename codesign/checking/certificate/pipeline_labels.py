"""Whether any pipeline of a range keeps all limits: by multipliers, and by labels.

Width classes are eliminated one after the other, as in `codesign.checking.certificate.elimination`,
in whole numbers, for several multipliers at once: upwards, the least weighted sum of all that
touches a class and those eliminated before it; downwards, the least that everything else adds.
Where that exceeds the limits' sum at some multipliers, nothing is within them.

Where no multipliers tell, partial choices are put together in the same order. Of each (a *label*)
all costs are kept; it is dropped where with the least of the rest it exceeds the limits' sum at any
multipliers, or another at the same widths costs no more of anything. The multipliers of each
metric alone are always among them. No label left: no pipeline keeps the limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import numpy as np

from codesign.checking.certificate.pipeline_costs import PipelineCosts
from codesign.checking.certificate.stage_options import best_rows
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import TooLarge, TooMany

Scope = tuple[int, ...]
SHARES = 2**14  # of all multipliers together
BEYOND = 2**60  # a weighted sum that nothing keeps
MOST_CELLS = 2**20  # of the tables of all steps together
ROUNDS = 3  # in which columns are ruled out, and the rest is bounded anew
MOST_JOINED = 2**22  # labels that are put together at once
MOST_LABELS = 2**15  # of them that are compared with each other
MOST_WORK = 2**26  # that are put together in all


@dataclass
class Step:
    """Elimination of one class.

    Attributes
    ----------
    scope : tuple of int
        Classes of its table; the one eliminated is the last.
    layers, steps : list of int
        Whose tables are added.
    closes : list of int
        Unsafe detours that are whole there.
    """

    scope: Scope
    layers: list[int]
    steps: list[int]
    closes: list[int] = field(default_factory=list)


class PipelineLabels:
    """Elimination and labels of the pipelines of a range.

    Parameters
    ----------
    prices : sequence of mapping of str to Fraction
        Multipliers, of metrics in their own units.

    Raises
    ------
    TooLarge
    """

    def __init__(
        self,
        costs: PipelineCosts,
        prices: Sequence[Mapping[str, Fraction]],
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.costs, self.check_time = costs, check_time
        self.scopes = [costs.scope(n) for n in range(len(costs.network.layers))]
        several = [c for c, bits in enumerate(costs.domains) if len(bits) > 1]
        self.variables = [c for c in several if not costs.is_private[c]]
        self.steps = self._plan()
        self.weights = self._weights(prices)
        self.most = costs.most @ self.weights[: len(costs.names)]
        self._room: list[Whole | None] = [None] * len(self.scopes)
        self._columns_of: dict[tuple[object, ...], Whole] = {}
        for _ in range(ROUNDS):
            self._tables()
            if self.closed_by_bound():
                break
            self._room = [self._room_of(n) for n in range(len(self.scopes))]
            self._columns_of.clear()

    # The order ----------------------------------------------------------------------------------

    def _plan(self) -> list[Step]:
        """Classes by the size of their tables, the smallest first."""
        parts: dict[tuple[str, int], Scope] = {
            ("layer", n): x for n, x in enumerate(self.scopes) if x
        }
        left, steps, cells = set(self.variables), list[Step](), 0
        open_detours = dict(enumerate(self.costs.unsafe))
        while left:
            joint = {c: self._joint(c, parts) for c in left}
            c = min(left, key=lambda x: (self._cells(joint[x]), x))
            mine = {part: x for part, x in parts.items() if c in x}
            step = Step(
                (*(x for x in joint[c] if x != c), c),
                [n for kind, n in mine if kind == "layer"],
                [n for kind, n in mine if kind == "step"],
            )
            cells += self._cells(joint[c])
            if cells > MOST_CELLS:
                raise TooLarge
            for k, number in [*open_detours.items()]:
                if c in self._waiting(number):
                    step.closes.append(k)
                    del open_detours[k]
            parts = {part: x for part, x in parts.items() if part not in mine}
            if step.scope[:-1]:
                parts["step", len(steps)] = step.scope[:-1]
            steps.append(step)
            left.remove(c)
        self.last_closes = [*open_detours]
        return steps

    def _waiting(self, detour: int) -> set[int]:
        """Classes of several widths of what waits."""
        reads, of = self.costs.detours[detour].waits, self.costs.class_of
        classes = {of[f"tensor:{self.costs.reads[x].tensor}"] for x in reads}
        return {c for c in classes if len(self.costs.domains[c]) > 1}

    @staticmethod
    def _joint(c: int, parts: Mapping[tuple[str, int], Scope]) -> Scope:
        return tuple(sorted({c}.union(*(x for x in parts.values() if c in x))))

    def _cells(self, scope: Scope) -> int:
        return math.prod(len(self.costs.domains[c]) for c in scope)

    # Weighted sums ------------------------------------------------------------------------------

    def _weights(self, prices: Sequence[Mapping[str, Fraction]]) -> Whole:
        """(rows, multipliers): whole numbers; those of each metric alone, then those given."""
        costs = self.costs
        columns = [[SHARES * (x == y) for y in costs.names] for x in costs.names]
        for each in prices:
            shares = [each.get(x, Fraction(0)) * costs.unit[x] for x in costs.names]
            total = sum(shares)
            if total:
                columns.append([math.floor(x / total * SHARES) for x in shares])
        found = np.zeros((costs.rows, len(columns)), dtype=np.int64)
        found[: len(costs.names)] = np.array(columns, dtype=np.int64).T
        return found

    def _assignments(self, scope: Scope) -> Iterator[tuple[tuple[int, ...], dict[int, int]]]:
        """Indices of widths, and the widths by class."""
        domains = [self.costs.domains[c] for c in scope]
        for index in product(*(range(len(x)) for x in domains)):
            yield index, {c: x[i] for c, x, i in zip(scope, domains, index, strict=True)}

    def _shape(self, scope: Scope) -> tuple[int, ...]:
        return (*(len(self.costs.domains[c]) for c in scope), self.weights.shape[1])

    def _tables(self) -> None:
        """Least sums of layers, of steps with all below, and of all that is outside them."""
        self.check_time()
        self.layers = [self._layer(n, scope) for n, scope in enumerate(self.scopes)]
        self.own = {c: self._own(c) for c in self.variables}
        self.joint: list[Whole] = []
        for step in self.steps:
            table = np.zeros(self._shape(step.scope), dtype=np.int64)
            parts = [(self.own[step.scope[-1]], step.scope[-1:])]
            parts += [(self.layers[n], self.scopes[n]) for n in step.layers]
            parts += [(self._message(k), self.steps[k].scope[:-1]) for k in step.steps]
            for part, scope in parts:
                table = np.minimum(table + self._spread(part, scope, step.scope), BEYOND)
            self.joint.append(table)
        self.constant = self.costs.constant()
        for c, bits in enumerate(self.costs.domains):
            if len(bits) == 1 and not self.costs.is_private[c]:
                self.constant = self.constant + self.costs.of_class(c, bits[0])
        alone = [self.layers[n] for n, scope in enumerate(self.scopes) if not scope]
        self.roots = [k for k, step in enumerate(self.steps) if not step.scope[:-1]]
        trees = [self._message(k) for k in self.roots]
        self.best = self.constant @ self.weights
        for part in (*alone, *trees):
            self.best = np.minimum(self.best + part, BEYOND)
        self.outside: list[Whole] = [np.empty(0)] * len(self.steps)
        for k, tree in zip(self.roots, trees, strict=True):
            self.outside[k] = self.best - tree
        for k in reversed(range(len(self.steps))):
            self._tell_below(k)

    def _layer(self, n: int, scope: Scope) -> Whole:
        table = np.full(self._shape(scope), BEYOND, dtype=np.int64)
        for index, bits in self._assignments(scope):
            columns = self._columns(n, index, bits)
            if len(columns):
                table[index] = (columns @ self.weights).min(axis=0)
        return table

    def _room_of(self, n: int) -> Whole:
        """What a layer may have at most, at each assignment to its scope, beside all the rest."""
        scope = self.scopes[n]
        if not scope:
            return np.asarray(self.most - (self.best - self.layers[n]))
        k = next(k for k, step in enumerate(self.steps) if n in step.layers)
        step = self.steps[k]
        whole = self.joint[k] + self._spread(self.outside[k], step.scope[:-1], step.scope)
        least = self._least_over(np.minimum(whole, BEYOND), step.scope, scope)
        return np.where(least >= BEYOND, -BEYOND, self.most - (least - self.layers[n]))

    @staticmethod
    def _least_over(table: Whole, over: Scope, scope: Scope) -> Whole:
        """The least of a table at each assignment to some of its classes, in their order."""
        least = table.min(axis=tuple(i for i, c in enumerate(over) if c not in scope))
        kept = [c for c in over if c in scope]
        return np.asarray(least.transpose(*(kept.index(c) for c in scope), len(scope)))

    def _own(self, c: int) -> Whole:
        costs = [self.costs.of_class(c, bits) for bits in self.costs.domains[c]]
        return np.asarray(np.stack(costs) @ self.weights)

    def _message(self, k: int) -> Whole:
        return np.asarray(self.joint[k].min(axis=-2))

    def _spread(self, table: Whole, scope: Scope, over: Scope) -> Whole:
        """A table over some classes as one over more, in their order."""
        order = sorted(range(len(scope)), key=lambda x: over.index(scope[x]))
        table = table.transpose(*order, len(scope))
        shape = [len(self.costs.domains[c]) if c in scope else 1 for c in over]
        return table.reshape(*shape, table.shape[-1])

    def _tell_below(self, k: int) -> None:
        """What is outside each step whose message a step takes."""
        step = self.steps[k]
        every = np.minimum(
            self.joint[k] + self._spread(self.outside[k], step.scope[:-1], step.scope), BEYOND
        )
        for below in step.steps:
            scope = self.steps[below].scope[:-1]
            least = self._least_over(every, step.scope, scope)
            self.outside[below] = np.where(least >= BEYOND, BEYOND, least - self._message(below))

    # The answers --------------------------------------------------------------------------------

    def closed_by_bound(self) -> bool:
        """Whether some multipliers rule every pipeline out."""
        return bool((self.best > self.most).any())

    def closed(self) -> bool:
        """Whether labels rule every pipeline out.

        Raises
        ------
        TooMany
        """
        if self.closed_by_bound():
            return True
        self.work, found = 0, dict[int, dict[tuple[int, ...], Whole]]()
        for k in range(len(self.steps)):
            found[k] = self._labels(k, found)
            for below in self.steps[k].steps:
                del found[below]
        whole, rest = self.constant[None], self.best - self.constant @ self.weights
        for n, scope in enumerate(self.scopes):
            if not scope:
                rest = rest - self.layers[n]
                whole = self._added(whole, self._columns(n, (), {}), rest)
        for k in self.roots:
            rest = rest - self._message(k)
            whole = self._added(whole, found[k].get((), whole[:0]), rest)
        whole = self._corrected(whole, self.last_closes, {})
        return not len(self._added(whole, self.costs.nothing(1), rest))

    def _labels(
        self, k: int, found: Mapping[int, dict[tuple[int, ...], Whole]]
    ) -> dict[tuple[int, ...], Whole]:
        """By assignments to the rest of a step's scope: its labels, those that may be of use."""
        step, parts = self.steps[k], dict[tuple[int, ...], list[Whole]]()
        outside = self._spread(self.outside[k], step.scope[:-1], step.scope)
        alive = np.asarray((self.joint[k] + outside <= self.most).all(axis=-1))
        for index, bits in self._assignments(step.scope):
            if not alive[index]:
                continue
            self.check_time()
            rest = np.broadcast_to(outside, self.joint[k].shape)[index]
            labels = self._at(step, bits, found, self.joint[k][index] + rest)
            labels = self._corrected(labels, step.closes, bits)
            parts.setdefault(index[:-1], []).append(labels)
        return {index: _best(np.concatenate(each)) for index, each in parts.items()}

    def _at(
        self,
        step: Step,
        bits: Mapping[int, int],
        found: Mapping[int, dict[tuple[int, ...], Whole]],
        best: Whole,
    ) -> Whole:
        """Labels at one assignment, of which the best has a weighted sum with all the rest."""
        c = step.scope[-1]
        labels = self.costs.of_class(c, bits[c])[None]
        rest = best - labels[0] @ self.weights
        for k in step.steps:
            index = self._index(self.steps[k].scope[:-1], bits)
            rest = rest - self._message(k)[index]
            labels = self._added(labels, found[k].get(index, labels[:0]), rest)
        for n in step.layers:
            index = self._index(self.scopes[n], bits)
            rest = rest - self.layers[n][index]
            mine = {x: bits[x] for x in self.scopes[n]}
            labels = self._added(labels, self._columns(n, index, mine), rest)
        return labels

    def _index(self, scope: Scope, bits: Mapping[int, int]) -> tuple[int, ...]:
        return tuple(self.costs.domains[c].index(bits[c]) for c in scope)

    def _columns(self, n: int, index: tuple[int, ...], bits: Mapping[int, int]) -> Whole:
        """What a layer may be at widths, but what multipliers rule out."""
        key = n, index
        if key not in self._columns_of:
            room = self._room[n]
            if room is not None and (room[index] <= -BEYOND).any():
                columns = self.costs.nothing(0)
            else:
                columns = self.costs.of_layer(n, bits)
            if room is not None and len(columns):
                columns = columns[(columns @ self.weights <= room[index]).all(axis=1)]
            self._columns_of[key] = columns
        return self._columns_of[key]

    def _corrected(self, labels: Whole, closes: Sequence[int], bits: Mapping[int, int]) -> Whole:
        """With what detours cost beyond what was counted, where they are whole."""
        if not closes or not len(labels):
            return labels
        labels, memory = labels.copy(), self.costs.names.index(self.costs.memory)
        for k in closes:
            column = len(self.costs.names) + k
            labels[:, memory] += self.costs.correction(k, bits, labels[:, column])
            labels[:, column] = 0
        return labels

    def _added(self, one: Whole, other: Whole, rest: Whole) -> Whole:
        """Each with each; those that may be of use."""
        count = len(one) * len(other)
        self.work += count
        if count > MOST_JOINED or self.work > MOST_WORK:
            raise TooMany
        sums = one @ self.weights, other @ self.weights
        i, j = np.nonzero((sums[0][:, None] + (sums[1] + rest)[None] <= self.most).all(axis=2))
        if len(i) > MOST_LABELS:
            raise TooMany
        return _best(one[i] + other[j])


def _best(labels: Whole) -> Whole:
    return labels[best_rows(labels)]
