"""Lagrangian bounds over a table: whether any design keeps targets of all metrics at once.

For weights λ ≥ 0 of targets ``t_r`` that sum to 1, ``φ(λ) = min Σ_r λ_r·metric_r / t_r`` over all
choices of widths and options; where ``φ(λ) > 1`` no choice keeps every target. The best λ is found
by `codesign.search.dataflow.ascent`.

The minimum is taken star by star: a layer's options and its weights' width, for each width of its
input; all layers with one class of inputs together. A class that is a weight operand and something
else, or of several layers, has a copy for each: a relaxation. What waits in FIFOs is counted as
`Fifos.lag_prices` says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.dataflow.table import Pricing, Range, Table

FETCHED = "{} as fetched"  # a product whose interval is that of its DRAM bits
PRUNED = 1 + 1e-8  # φ from which nothing keeps the targets, rounding or not


@dataclass(frozen=True)
class Relaxed:
    """The minimum of one weighted sum.

    Attributes
    ----------
    value : float
    metrics : floats, shape (rows,)
        Of the choice that has it.
    widths : ints, shape (classes,)
        Index of each class's width.
    columns : ints, shape (layers with MACs,)
    """

    value: float
    metrics: Floats
    widths: Ints
    columns: Ints


@dataclass(frozen=True)
class Sums:
    """Least weighted sums of parts of a choice.

    Attributes
    ----------
    layer : floats, shape (layers, k, a)
        Of each layer, by the width beside it and that of its input.
    stars : floats, shape (classes, widths)
        Of each class, with all below it in its tree.
    between : mapping of int to floats, shape (widths, widths)
        Of each child in a tree: the layers coupled to it and its parent, by their widths.
    best : float
        The least of all.
    """

    layer: Floats
    stars: Floats
    between: Mapping[int, Floats]
    best: float


class Weighted:
    """What is minimised for given weights of metrics."""

    rows: tuple[str, ...]

    def scaled(self, targets: Mapping[str, float]) -> Floats:
        """(rows,): one over each target; 0 of rows without."""
        found = np.zeros(len(self.rows))
        for r, name in enumerate(self.rows):
            if name in targets:
                found[r] = 1 / targets[name]
        return found

    def solve(self, weights: Floats) -> Relaxed:
        """The least weighted sum and a choice that has it."""
        raise NotImplementedError


class Dual(Weighted):
    """The relaxation of a table in a range of the interval.

    Parameters
    ----------
    floors : mapping of str to float, optional
        Of products with the interval, no design has less of what it is multiplied by. Of these
        there is another row (`FETCHED`): with ``T·S ≥ T_least·S + (T − T_least)·S_least`` and ``T``
        at least what the DRAM bits take (McCormick 1976).
    """

    def __init__(
        self,
        pricing: Pricing,
        table: Table,
        span: Range,
        floors: Mapping[str, float] | None = None,
    ) -> None:
        self.pricing, self.table, self.space = pricing, table, pricing.space
        self.rows, self.least_s = table.rows, span.least_s
        self.cost, self.class_cost, self.constant = self._with_waits(span)
        for name, floor in (floors or {}).items():
            self._add_fetched(name, floor, span)
        self._index()

    # What is summed -----------------------------------------------------------------------------

    def _with_waits(self, span: Range) -> tuple[Floats, list[Floats], Floats]:
        """Costs of columns and classes, with FIFOs, latency and static power at least so much."""
        table, pricing, space = self.table, self.pricing, self.space
        fifos, memory = pricing.fifos, pricing.memory
        cost, constant = table.cost.copy(), table.constant.copy()
        class_cost = [x.copy() for x in table.class_cost]
        moving = np.array([x.moves for x in space.network.layers])
        row = {name: r for r, name in enumerate(self.rows)}
        if memory.metric in row:
            r = row[memory.metric]
            constant[r] += memory.fixed * int(fifos.some_wait.sum())
            cost[:, r] += table.waiting * memory.slope
            for each, waiting in zip(class_cost, table.class_waiting, strict=True):
                each[:, r] += waiting * memory.slope
        if "energy_j" in row and pricing.rates is not None:
            each_j = pricing.rates.sram_read_j_per_bit + pricing.rates.sram_write_j_per_bit
            for read in np.flatnonzero(fifos.some_wait).tolist():
                c = int(fifos.width_class[read])
                passing = fifos.elements[read] * np.array(space.bits[c], dtype=np.float64)
                class_cost[c][:, row["energy_j"]] += passing * each_j
        if "latency_s" in row:
            path = np.zeros(len(moving), dtype=bool)
            path[fifos.critical] = True
            cost[:, row["latency_s"]] = table.lag * path[table.layer] * span.least_s
            least = fifos.least_end - math.fsum(
                x for x, on, m in zip(space.least_lags, path, moving, strict=True) if on and not m
            )
            constant[row["latency_s"]] = span.least_s * (1 + least)
        if "energy_j" in row and (pricing.static_w or pricing.static_w_per_mm2):
            e, per_area = row["energy_j"], pricing.static_w_per_mm2 * span.least_s
            constant[e] += pricing.static_w * span.least_s
            if per_area:
                a = row["area_mm2"]
                cost[:, e] += per_area * cost[:, a]
                constant[e] += per_area * constant[a]
                for each in class_cost:
                    each[:, e] += per_area * each[:, a]
        return cost, class_cost, constant

    def _add_fetched(self, name: str, floor: float, span: Range) -> None:
        """Add the row of a product whose interval is that of its DRAM bits."""
        r, d = self.rows.index(name), self.rows.index("dram_bits")
        each = floor / self.space.platform.dram_bits_per_s

        def added(costs: Floats) -> Floats:
            return np.column_stack([costs, costs[:, r] + each * costs[:, d]])

        self.rows = (*self.rows, FETCHED.format(name))
        self.cost, self.class_cost = added(self.cost), [added(x) for x in self.class_cost]
        self.constant = added(self.constant[None])[0]
        self.constant[-1] -= floor * span.least_s

    def _index(self) -> None:
        """Where each column stands among layers and widths, and who shares what."""
        table, space = self.table, self.space
        macs = space.chosen_layers
        place = np.full(len(space.options), -1)
        place[macs] = np.arange(len(macs))
        self.layers = np.array(macs)
        self.at = place[table.layer]
        centre = np.array([space.input_class[i] for i in macs])
        leaf = np.array([space.weight_class[i] for i in macs])
        couplings = self.pricing.fifos.couplings
        coupled = [couplings.get(i, (centre[n], 0))[0] for n, i in enumerate(macs)]
        self.coupled = np.array(coupled)
        self.apart = np.flatnonzero(self.coupled != centre)
        most = self.most = max(len(x) for x in space.bits)
        beside = np.where(np.isin(self.at, self.apart), table.beside, 0)
        self.flat = ((self.at * most + beside) * most + table.activation) * most + table.weight
        self.cells, self.starts = np.unique(self.flat, return_index=True)
        count = len(space.classes)
        sharing = [i for i in self.beside_table() if i not in macs]
        is_centre = np.zeros(count, dtype=bool)
        is_centre[[*centre, *(space.input_class[i] for i in sharing)]] = True
        leaves = np.array([*leaf, *(space.weight_class[i] for i in sharing)])
        users = np.bincount(leaves, minlength=count)
        self.centre, self.leaf = centre, leaf
        # A class's own cost is that of its star, or is shared among the copies.
        self.leaf_share = np.where(is_centre[leaf], 0.0, 1 / np.maximum(users[leaf], 1))
        self.own = is_centre | (~is_centre & (users == 0))
        self.is_centre, self.users = is_centre, users
        self.every_class = np.zeros((count, most, len(self.rows)))
        self.there = np.zeros((count, most), dtype=bool)
        for c, (costs, mine) in enumerate(zip(self.class_cost, table.allowed, strict=True)):
            self.every_class[c, : len(costs)], self.there[c, : len(mine)] = costs, mine
        self._order_classes()

    def beside_table(self) -> list[int]:
        """Numbers of layers with MACs that are not in the table; here there are none."""
        return []

    def _order_classes(self) -> None:
        """The trees that couplings make of classes: every child before its parent."""
        near: dict[int, dict[int, list[int]]] = {}
        for n in self.apart.tolist():
            c, k = int(self.centre[n]), int(self.coupled[n])
            near.setdefault(c, {}).setdefault(k, []).append(n)
            near.setdefault(k, {}).setdefault(c, []).append(n)
        self.parents: list[tuple[int, int, list[int]]] = []
        seen = set[int]()
        for root in near:
            if root in seen:
                continue
            order, stack = [], [root]
            seen.add(root)
            while stack:
                c = stack.pop()
                for k, layers in near[c].items():
                    if k not in seen:
                        seen.add(k)
                        order.append((k, c, layers))
                        stack.append(k)
            self.parents += order[::-1]
        children = {child for child, _, _ in self.parents}
        self.roots = np.array([c for c in np.flatnonzero(self.own) if c not in children])

    def only(self, kept: Bools) -> Dual:
        """The relaxation of some of the columns."""
        few = copy(self)
        few.table, few.cost = self.table.only(kept, self.table.allowed), self.cost[kept]
        few._index()
        return few

    def cheapest(self, weights: Floats) -> Bools:
        """(n,): columns that are the cheapest at their widths."""
        column = self.cost @ weights
        least = np.minimum.reduceat(column, self.starts)
        return np.asarray(column <= np.repeat(least, np.diff([*self.starts, len(column)])))

    # The relaxation -----------------------------------------------------------------------------

    def _classes(self, weights: Floats) -> Floats:
        """(classes, widths): what each class costs; inf at widths that are not allowed."""
        return np.where(self.there, self.every_class @ weights, np.inf)

    def _tables(self, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Least costs by cell (layers, k, a, w), by (layers, k, a), by class; and by column."""
        most, layers = self.most, len(self.layers)
        column = self.cost @ weights
        flat = np.full(layers * most**3, np.inf)
        flat[self.cells] = np.minimum.reduceat(column, self.starts)
        cell = flat.reshape(layers, most, most, most)
        classes = self._classes(weights)
        share = self.leaf_share[:, None]
        leaf = np.where(share > 0, np.where(np.isfinite(classes), classes, 0)[self.leaf] * share, 0)
        cell = cell + leaf[:, None, None, :]
        layer = cell.min(axis=3)
        stars = np.where(self.own[:, None], classes, 0.0)
        alone = np.ones(layers, dtype=bool)
        alone[self.apart] = False
        np.add.at(stars, self.centre[alone], layer[alone, 0])
        return cell, layer, stars, column

    def _between(self, layer: Floats, child: int, layers: list[int]) -> Floats:
        """(child's width, parent's width): of the layers that are coupled to both."""
        return np.asarray(sum(layer[n].T if self.centre[n] == child else layer[n] for n in layers))

    def _upward(self, layer: Floats, stars: Floats) -> tuple[Floats, dict[int, Floats]]:
        """Stars with all that is below them in their trees; and each child's table."""
        stars, tables = stars.copy(), {}
        for child, parent, layers in self.parents:
            tables[child] = self._between(layer, child, layers)
            stars[parent] += (stars[child][:, None] + tables[child]).min(axis=0)
        return stars, tables

    def sums(self, weights: Floats) -> Sums:
        """The least weighted sums of all parts."""
        _, layer, own, _ = self._tables(weights)
        stars, between = self._upward(layer, own)
        best = float(stars[self.roots].min(axis=1).sum() + self.constant @ weights)
        return Sums(layer, stars, between, best)

    def forced(self, sums: Sums) -> tuple[Floats, dict[int, Floats]]:
        """The least sum where a class has a width, and where a child and its parent have two."""
        return self._forced(sums.stars, dict(sums.between), np.asarray(sums.best))

    def solve(self, weights: Floats) -> Relaxed:
        """The least weighted sum and a choice that has it, which may be of several minds."""
        return self._least(weights, *self._tables(weights))

    def _least(
        self, weights: Floats, cell: Floats, layer: Floats, stars: Floats, column: Floats
    ) -> Relaxed:
        """The same, of what `_tables` says."""
        stars, tables = self._upward(layer, stars)
        widths = stars.argmin(axis=1)
        value = float(stars[self.roots, widths[self.roots]].sum() + self.constant @ weights)
        if not math.isfinite(value):
            none = np.zeros(len(self.layers), dtype=np.int64)
            return Relaxed(value, np.full(len(self.rows), np.inf), widths, none)
        for child, parent, _ in reversed(self.parents):
            widths[child] = int((stars[child] + tables[child][:, widths[parent]]).argmin())
        most, layers = self.most, np.arange(len(self.layers))
        a, k = widths[self.centre], np.zeros(len(self.layers), dtype=np.int64)
        k[self.apart] = widths[self.coupled[self.apart]]
        w = cell[layers, k, a].argmin(axis=1)
        wanted = ((layers * most + k) * most + a) * most + w
        cells = np.searchsorted(self.cells, wanted)
        ends = np.append(self.starts, len(column))
        spans = zip(ends[cells].tolist(), ends[cells + 1].tolist(), strict=True)
        columns = np.array([s + int(column[s:e].argmin()) for s, e in spans])
        metrics = self.cost[columns].sum(axis=0) + self.constant
        for c in np.flatnonzero(self.own):
            metrics = metrics + self.class_cost[c][widths[c]]
        leaves = zip(self.leaf.tolist(), w.tolist(), self.leaf_share.tolist(), strict=True)
        for c, width, share in leaves:
            if share:
                metrics = metrics + share * self.class_cost[c][width]
            if not self.own[c]:
                widths[c] = width
        return Relaxed(value, metrics, widths, columns)

    def worst(self, name: str) -> float:
        """No choice has more of a metric, as it is counted here."""
        r = self.rows.index(name)
        most = np.maximum.reduceat(self.cost[:, r], np.flatnonzero(np.diff(self.at, prepend=-1)))
        classes = sum(float(x[:, r].max()) for x in self.class_cost)
        return float(most.sum()) + classes + float(self.constant[r])

    def of_two_minds(self, choice: Relaxed) -> bool:
        """Whether copies of a class have taken different widths."""
        table, widths = self.table, choice.widths
        mine = table.weight[choice.columns]
        return bool((widths[self.leaf] != mine).any())

    def left(self, weights: Floats, slack: float = PRUNED) -> tuple[Bools, list[Bools]]:
        """Columns, and widths of classes, that some choice below ``slack`` may have."""
        cell, layer, own_stars, column = self._tables(weights)
        stars, tables = self._upward(layer, own_stars)
        best = stars[self.roots].min(axis=1).sum() + self.constant @ weights
        above, of_pair = self._forced(stars, tables, np.asarray(best))
        return self._left(cell, layer, column, above, of_pair, slack)

    def narrowed(self, weights: Iterable[Floats]) -> Table:
        """The table of what some choice may have by every one of the multipliers."""
        kept, allowed = np.ones(len(self.table), dtype=bool), self.table.allowed
        for each in weights:
            mine, widths = self.left(each)
            kept &= mine
            allowed = [a & b for a, b in zip(allowed, widths, strict=True)]
        kept &= self.table.within(allowed, self.space, self.pricing.fifos.couplings)
        return self.table.only(kept, allowed)

    def _left(
        self,
        cell: Floats,
        layer: Floats,
        column: Floats,
        above: Floats,
        of_pair: Mapping[int, Floats],
        slack: float,
    ) -> tuple[Bools, list[Bools]]:
        """The same, of what `_forced` says."""
        table, at, a = self.table, self.at, self.table.activation
        share = self.leaf_share[at] > 0
        least = np.full(cell.size, np.inf)
        least[self.cells] = np.minimum.reduceat(column, self.starts)
        with_leaf = column + np.where(share, cell.ravel()[self.flat] - least[self.flat], 0.0)
        k = self.flat // self.most**2 % self.most
        forced = above[self.centre[at], a].copy()
        for child, _, layers in self.parents:
            for n in layers:
                mine = at == n
                turned = self.centre[n] == child
                pair = of_pair[child].T if turned else of_pair[child]
                forced[mine] = pair[k[mine], a[mine]]
        forced = forced + (with_leaf - layer[at, k, a])
        kept = forced <= slack
        allowed = [x.copy() for x in table.allowed]
        for c in np.flatnonzero(self.own):
            allowed[c] &= above[c, : len(allowed[c])] <= slack
        for n in range(len(self.layers)):
            mine = kept & (at == n)
            for c, index in ((self.leaf[n], table.weight), (self.centre[n], a)):
                seen = np.zeros(len(allowed[c]), dtype=bool)
                seen[index[mine]] = True
                allowed[c] &= seen
        return kept, allowed

    def _forced(
        self, stars: Floats, tables: dict[int, Floats], best: Floats
    ) -> tuple[Floats, dict[int, Floats]]:
        """The least sum where a class has a width, and where a child and its parent have two.

        Parameters
        ----------
        stars : floats, shape (..., classes, widths)
            As of `_upward`.
        best : floats, shape (...,)
            The least sums whatever the widths.
        """
        above = np.full(stars.shape, np.inf)
        above[..., self.own, :] = stars[..., self.own, :]
        of_pair = {}
        for child, parent, _ in reversed(self.parents):
            below = stars[..., child, :, None] + tables[child]
            message = below.min(axis=-2)
            with np.errstate(invalid="ignore"):
                rest = above[..., parent, :] - message
            rest = np.where(np.isfinite(above[..., parent, :]), rest, np.inf)
            pair = below + rest[..., None, :]
            of_pair[child] = pair
            above[..., child, :] = pair.min(axis=-1)
        # So far less what other trees take at best.
        trees = {int(c): stars[..., c, :].min(axis=-1) for c in self.roots}
        root = {c: c for c in trees}
        for child, parent, _ in reversed(self.parents):
            root[child] = root[parent]
        for c in np.flatnonzero(self.own).tolist():
            above[..., c, :] += (best - trees[root[c]])[..., None]
        for child, _, _ in self.parents:
            of_pair[child] = of_pair[child] + (best - trees[root[child]])[..., None, None]
        return above, of_pair
