"""Least weighted sums of the pipelines of a range, in whole numbers, for several multipliers.

Width classes are eliminated one after another, as in `codesign.checking.certificate.elimination`:
of each the least weighted sum of all that touches it and those eliminated before it. Where that of
all exceeds the limits' sum at some multipliers, nothing is within them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import numpy as np

from codesign.checking.certificate.pipeline_costs import PipelineCosts
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import TooLarge

Scope = tuple[int, ...]
SHARES = 2**14  # of all multipliers together
BEYOND = 2**60  # a weighted sum that nothing keeps
MOST_CELLS = 2**20  # of the tables of all steps together


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


class LeastSums:
    """Elimination of the pipelines of a range.

    Attributes
    ----------
    most_cells : int
        Assignments of the largest table.

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
        self.most_cells = 1
        self.steps = self._plan()
        self.weights = self._weights(prices)
        self.most = costs.most @ self.weights[: len(costs.names)]

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
            self.most_cells = max(self.most_cells, self._cells(joint[c]))
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

    def _upwards(self) -> None:
        """Least sums of layers, of steps with all below, and of all."""
        self.check_time()
        self.layers = [self._layer(n, scope) for n, scope in enumerate(self.scopes)]
        self.own = {c: self._own(c) for c in self.variables}
        self.joint: list[Whole] = []
        for step in self.steps:
            c = step.scope[-1]
            table = self._spread(self.own[c], (c,), step.scope)
            parts = [(self.layers[n], self.scopes[n]) for n in step.layers]
            parts += [(self._message(k), self.steps[k].scope[:-1]) for k in step.steps]
            for part, scope in parts:
                table = self._plus(table, self._spread(part, scope, step.scope))
            self.joint.append(table)
        self.constant = self.costs.constant()
        for c, bits in enumerate(self.costs.domains):
            if len(bits) == 1 and not self.costs.is_private[c]:
                self.constant = self.constant + self.costs.of_class(c, bits[0])
        alone = [self.layers[n] for n, scope in enumerate(self.scopes) if not scope]
        self.roots = [k for k, step in enumerate(self.steps) if not step.scope[:-1]]
        self.best = self._fixed()
        for part in (*alone, *(self._message(k) for k in self.roots)):
            self.best = self._plus(self.best, part)

    def _fixed(self) -> Whole:
        """What all have."""
        return np.asarray(self.constant @ self.weights)

    def _plus(self, one: Whole, other: Whole) -> Whole:
        return np.asarray(np.minimum(one + other, BEYOND))

    def _layer(self, n: int, scope: Scope) -> Whole:
        """Of a layer, the least at each assignment to its scope."""
        table = np.full(self._shape(scope), BEYOND, dtype=np.int64)
        for index, bits in self._assignments(scope):
            columns = self._columns(n, index, bits)
            if len(columns):
                table[index] = (columns @ self.weights).min(axis=0)
        return table

    def _columns(self, n: int, index: tuple[int, ...], bits: Mapping[int, int]) -> Whole:
        """What a layer may be at widths, which have these indices."""
        return self.costs.of_layer(n, bits)

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

    # The answers --------------------------------------------------------------------------------

    def closed_by_bound(self) -> bool:
        """Whether some multipliers rule every pipeline out."""
        return bool((self.best > self.most).any())
