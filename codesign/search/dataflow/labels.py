"""All choices of a relaxation that keep every target, but those that others equal or beat: labels.

The classes of widths form trees (`bounds`). From their leaves to their roots, partial choices are
put together layer by layer; a *label* is what one costs in all metrics, and its slowest stage.
Those are dropped which no completion brings within the targets, by some Lagrangian, or to which
another at the same width of its class is as good in all of that. So where no label is left, no
design keeps the targets; and no design within them has less of a metric than the least of those
that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.dataflow.bounds import PRUNED, Dual, Sums

MOST_JOINED = 2**21  # partial choices that are put together at once
MOST_COMPARED = 2**13  # of them that are compared with each other
MOST_WORK = 2**17  # that are compared in all
NONE = np.zeros(0, dtype=np.int64)
BLOCK = 128  # that are compared pair by pair


class TooManyLabels(Exception):
    """Raised where there are more than are looked at."""


@dataclass(frozen=True)
class Labels:
    """Partial choices.

    Attributes
    ----------
    cycles : floats, shape (n,)
        Of the slowest stage.
    metrics : floats, shape (n, rows)
    columns : ints, shape (n, layers)
        Of each layer the column taken; −1 where none is yet.
    widths : ints, shape (n, classes)
        Index of the width of each class that is put together; else 0.
    """

    cycles: Floats
    metrics: Floats
    columns: Ints
    widths: Ints

    def __len__(self) -> int:
        return len(self.metrics)

    def take(self, kept: Ints | Bools) -> Labels:
        """Some of them."""
        return Labels(*(getattr(self, x.name)[kept] for x in fields(self)))


class LabelSetting:
    """Label setting over a relaxation.

    Parameters
    ----------
    weights : sequence of floats, shape (rows,)
        Lagrange multipliers, at which a choice within all targets has a sum of at most 1.
    least_cycles : float
        Stages of fewer are no better; inf where none are.
    """

    def __init__(
        self,
        dual: Dual,
        weights: Sequence[Floats],
        least_cycles: float,
        check_time: Callable[[], None],
    ) -> None:
        self.dual, self.slow = dual, min(least_cycles, float(dual.table.cycles.max()))
        self.check_time, self.weights = check_time, np.stack(weights, axis=1)
        self.sums: list[Sums] = [dual.sums(x) for x in weights]
        forced = [dual.forced(x) for x in self.sums]
        self.above = np.stack([x for x, _ in forced])
        self.of_pair = [x for _, x in forced]
        self.layer = np.stack([x.layer for x in self.sums])
        self.stars = np.stack([x.stars for x in self.sums])

    def run(self) -> Labels:
        """All labels of whole choices.

        Raises
        ------
        TooManyLabels
        """
        self.work = 0
        dual, found = self.dual, dict[int, list[Labels]]()
        folded = np.zeros(self.above.shape)
        for child, parent, layers in dual.parents:
            for c in (child, parent):
                if c not in found:
                    found[c] = self._star(c, folded)
            self._fold(child, parent, layers, found, folded)
        fixed = dual.constant @ self.weights
        best = np.array([x.best for x in self.sums])
        whole, done = self._none(), fixed
        for root in dual.roots.tolist():
            tree = _joined(found.pop(root) if root in found else self._star(root, folded))
            done = done + self.stars[:, root].min(axis=1)
            whole = self._product(whole, tree, best - done + fixed)
        return replace(whole, metrics=whole.metrics + dual.constant)

    def _none(self) -> Labels:
        """Nothing chosen yet."""
        dual = self.dual
        return Labels(
            np.array([self.slow]),
            np.zeros((1, len(dual.rows))),
            np.full((1, len(dual.layers)), -1),
            np.zeros((1, len(dual.class_cost)), dtype=np.int64),
        )

    def _star(self, c: int, folded: Floats) -> list[Labels]:
        """At each width of a class: its own cost, and the layers that depend on no other."""
        dual, every = self.dual, []
        alone = [n for n in np.flatnonzero(dual.centre == c).tolist() if n not in dual.apart]
        for a, there in enumerate(dual.table.allowed[c]):
            labels = self._none()
            labels.metrics[:] = dual.class_cost[c][a]
            labels.widths[:, c] = a
            folded[:, c, a] = dual.class_cost[c][a] @ self.weights
            if not there or not np.isfinite(self.above[:, c, a]).all():
                every.append(labels.take(np.zeros(1, dtype=bool)))
                continue
            for n in alone:
                folded[:, c, a] += self.layer[:, n, 0, a]
                rest = self.above[:, c, a] - folded[:, c, a]
                labels = self._product(labels, self._columns(n, 0, a), rest)
            every.append(labels)
        return every

    def _fold(
        self,
        child: int,
        parent: int,
        layers: Sequence[int],
        found: dict[int, list[Labels]],
        folded: Floats,
    ) -> None:
        """Add a child's labels, and the layers coupled to both, to its parent's."""
        below, mine = found.pop(child), found[parent]
        for p, labels in enumerate(mine):
            if not len(labels):
                continue
            parts = [
                self._coupled(child, b, p, layers, part)
                for b, part in enumerate(below)
                if len(part)
            ]
            sums = [(x.stars[child] + x.between[child][:, p]).min() for x in self.sums]
            folded[:, parent, p] += sums
            rest = self.above[:, parent, p] - folded[:, parent, p]
            mine[p] = self._product(labels, _joined([*parts, self._none().take(NONE)]), rest)

    def _coupled(self, child: int, b: int, p: int, layers: Sequence[int], labels: Labels) -> Labels:
        """Labels of a child at its width, with the layers coupled to it and its parent."""
        dual, pair = self.dual, np.array([x[child][b, p] for x in self.of_pair])
        if not np.isfinite(pair).all():
            return labels.take(NONE)
        done = self.stars[:, child, b]
        labels = self._kept(labels, pair - done)
        for n in layers:
            k, a = (p, b) if dual.centre[n] == child else (b, p)
            done = done + self.layer[:, n, k, a]
            labels = self._product(labels, self._columns(n, k, a), pair - done)
        return labels

    def _columns(self, n: int, k: int, a: int) -> Labels:
        """The columns of a layer at widths of its input and of what is beside it."""
        dual, table = self.dual, self.dual.table
        most = dual.most
        mine = np.flatnonzero(
            (dual.at == n) & (dual.flat // most**2 % most == k) & (table.activation == a)
        )
        metrics = dual.cost[mine]
        if dual.leaf_share[n]:
            leaf = dual.class_cost[int(dual.leaf[n])]
            metrics = metrics + dual.leaf_share[n] * leaf[table.weight[mine]]
        columns = np.full((len(mine), len(dual.layers)), -1)
        columns[:, n] = mine
        widths = np.zeros((len(mine), len(dual.class_cost)), dtype=np.int64)
        if not dual.own[dual.leaf[n]]:
            widths[:, dual.leaf[n]] = table.weight[mine]
        cycles = np.maximum(table.cycles[mine], self.slow)
        return Labels(cycles, metrics, columns, widths)

    def _kept(self, labels: Labels, rest: Floats) -> Labels:
        """Those that some completion may bring within all targets, and no other equals or beats."""
        return self._product(labels, self._none(), rest)

    def _product(self, one: Labels, other: Labels, rest: Floats) -> Labels:
        """Each with each: what some completion may bring within all targets, and is not beaten."""
        self.check_time()
        if len(one) * len(other) > MOST_JOINED:
            raise TooManyLabels
        sums = one.metrics @ self.weights, other.metrics @ self.weights
        with np.errstate(invalid="ignore"):
            i, j = np.nonzero((sums[0][:, None] + (sums[1] + rest)[None] <= PRUNED).all(axis=2))
        self.work += len(i)
        if len(i) > MOST_COMPARED or self.work > MOST_WORK:
            raise TooManyLabels
        cycles = np.maximum(one.cycles[i], other.cycles[j])
        metrics = one.metrics[i] + other.metrics[j]
        kept = best_rows(np.column_stack([metrics, cycles]))
        i, j = i[kept], j[kept]
        columns = np.maximum(one.columns[i], other.columns[j])
        return Labels(
            cycles[kept], metrics[kept], columns, np.maximum(one.widths[i], other.widths[j])
        )


def best_rows(costs: Floats) -> Ints:
    """Rows of (n, k) costs that no other row equals or beats in all."""
    order = np.lexsort(costs.T[::-1])
    left, kept = costs[order], [np.empty(0, dtype=np.int64)]
    while len(order):
        first, numbers = left[:BLOCK], np.arange(min(BLOCK, len(left)))
        beaten = (first[None, :] <= first[:, None]).all(axis=2) & (numbers < numbers[:, None])
        first, mine = first[~beaten.any(axis=1)], order[:BLOCK][~beaten.any(axis=1)]
        kept.append(mine)
        order, left = order[BLOCK:], left[BLOCK:]
        better = np.ones(len(left), dtype=bool)
        for row in first:
            better[better] = (left[better] < row).any(axis=1)
        order, left = order[better], left[better]
    return np.concatenate(kept)


def _joined(parts: Sequence[Labels]) -> Labels:
    """All of some."""
    each = (np.concatenate([getattr(y, x.name) for y in parts]) for x in fields(Labels))
    return Labels(*each)
