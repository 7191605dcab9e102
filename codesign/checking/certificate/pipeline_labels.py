"""Whether any pipeline of a range keeps all limits, where multipliers alone do not tell: by labels.

Width classes are eliminated as in `codesign.checking.certificate.pipeline_sums`: upwards, and then
downwards, for the least that everything else adds. Partial choices are put together in that order.
Of each (a *label*) all costs are kept; it is dropped where with the least of the rest it exceeds
the limits' sum at any multipliers, or another at the same widths costs no more of anything. The
multipliers of each metric alone are always among them. No label left: no pipeline keeps the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from codesign.checking.certificate.pipeline_costs import PipelineCosts
from codesign.checking.certificate.pipeline_sums import BEYOND, LeastSums, Scope, Step
from codesign.checking.certificate.stage_options import best_rows
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.certificate.width_variables import TooMany

ROUNDS = 3  # in which columns are ruled out, and the rest is bounded anew
MOST_JOINED = 2**22  # labels that are put together at once
MOST_LABELS = 2**15  # of them that are compared with each other
MOST_WORK = 2**26  # that are put together in all


class PipelineLabels(LeastSums):
    """Sums and labels of the pipelines of a range; see `LeastSums`."""

    def __init__(
        self,
        costs: PipelineCosts,
        prices: Sequence[Mapping[str, Fraction]],
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(costs, prices, check_time)
        self._room: list[Whole | None] = [None] * len(self.scopes)
        self._columns_of: dict[tuple[object, ...], Whole] = {}
        for _ in range(ROUNDS):
            self._upwards()
            self._downwards()
            if self.closed_by_bound():
                break
            self._room = [self._room_of(n) for n in range(len(self.scopes))]
            self._columns_of.clear()

    def _downwards(self) -> None:
        """The least sums of all that is outside steps."""
        self.outside: list[Whole] = [np.empty(0)] * len(self.steps)
        for k in self.roots:
            self.outside[k] = self.best - self._message(k)
        for k in reversed(range(len(self.steps))):
            self._tell_below(k)

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

    @staticmethod
    def _least_over(table: Whole, over: Scope, scope: Scope) -> Whole:
        """The least of a table at each assignment to some of its classes, in their order."""
        least = table.min(axis=tuple(i for i, c in enumerate(over) if c not in scope))
        kept = [c for c in over if c in scope]
        return np.asarray(least.transpose(*(kept.index(c) for c in scope), len(scope)))

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

    # The answers --------------------------------------------------------------------------------

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
