"""All choices of a relaxation that keep every target, but those that others equal or beat: labels.

The classes of widths form trees (`bounds`). From their leaves to their roots, partial choices are
put together layer by layer, then tree by tree, the fewest first; a *label* is what one costs in
all metrics that count, and its slowest stage. Those are dropped which no completion brings within
the targets, by some Lagrangian, or to which another at the same width of its class is as good in
all of that. So where no label is left, no design keeps the targets; and no design within them has
less of a metric than the least of those that are left.

The last two parts need not be put together, each with each: the least of their sums within two
limits is found in order of one (`dominance.least_sums`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import FETCHED, PRUNED, Dual, Relaxed, Sums, Weighted
from codesign.search.dataflow.dominance import (
    AXES,
    Sieve,
    best_rows,
    least_sums,
    on_axes,
    varying,
)
from codesign.search.dataflow.fifos import Cycle
from codesign.search.dataflow.partial_choices import NONE, Effort, Labels, TooManyLabels, joined
from codesign.search.dataflow.programme import LATENCY

AT_ONCE = 2**18  # partial choices that are put together in one step
NEAREST = 64  # choices of the first of the last two parts that are followed up, at least
SOME = 1e-3  # bits: that surely wait
SAME = 4e-9  # relative: of objectives, within which all choices are found


class TwoSided(NamedTuple):
    """What waits on the one of two paths, its *short* one, or on the other, *beside* it.

    Attributes
    ----------
    number : int
        In `Fifos.lasting`.
    beside, dearer : float
        Bits that wait beside, at least, and more bits that wait on the short path if not where
        they are fewest: for each bit there.
    fixed_beside, fixed_main : float
        What a memory takes whatever its size, where something waits that may wait nowhere.
    """

    number: int
    beside: float
    dearer: float
    fixed_beside: float
    fixed_main: float


class LabelSetting:
    """Label setting over a relaxation.

    Parameters
    ----------
    weights : sequence of floats, shape (rows,)
        Lagrange multipliers, at which a choice within all targets has a sum of at most 1.
    least_cycles : float
        Stages of fewer are no better; inf where none are.
    counted : sequence of int, optional
        Rows of metrics by which labels are compared; by default all.
    most_each : int, optional
        Of each part go on with so few, those of the least weighted sum: what is found is then no
        more than some choices, where `cut` says that there were more.
    """

    def __init__(
        self,
        dual: Dual,
        weights: Sequence[Floats],
        least_cycles: float,
        check_time: Callable[[], None],
        effort: Effort | None = None,
        counted: Sequence[int] | None = None,
        most_each: int | None = None,
    ) -> None:
        self.dual, self.slow = dual, min(least_cycles, float(dual.table.cycles.max()))
        self.check_time = check_time
        self.two_sided, self.behind = self._two_sided(), self._behind()
        more = np.zeros((len(self.two_sided) + len(self.behind), len(weights)))
        self.weights = np.vstack([np.stack(weights, axis=1), more])
        self.effort, self.most_each, self.cut = effort or Effort(), most_each, False
        self.counted = [*range(len(dual.rows))] if counted is None else [*counted]
        self.sums: list[Sums] = [dual.sums(x) for x in weights]
        self.main = int(np.argmax([x.best for x in self.sums]))
        forced = [dual.forced(x) for x in self.sums]
        self.above = np.stack([x for x, _ in forced])
        self.of_pair = [x for _, x in forced]
        self.layer = np.stack([x.layer for x in self.sums])
        self.stars = np.stack([x.stars for x in self.sums])
        self.compared = [*self.counted, *range(len(dual.rows), len(self.weights))]
        self.work, self.of_columns = 0, len(dual.table)
        self.count = self.of_columns + len(dual.class_cost) * dual.most
        self.pairs: list[Ints] = []

    def run(self, targets: Mapping[str, float] | None = None) -> Labels:
        """All labels of whole choices.

        Parameters
        ----------
        targets : mapping of str to float, optional
            Of metrics, those of the multipliers, of which better ones are then found.

        Raises
        ------
        TooManyLabels
        """
        one, other, rest = self._two_parts(targets)
        return self._whole(one, other, rest)

    def _whole(self, one: Labels, other: Labels, rest: Floats) -> Labels:
        """Labels of whole choices, made of two parts."""
        whole, rows = self._product(one, other, rest), len(self.dual.rows)
        return Labels(whole.cycles, whole.metrics[:, :rows] + self.dual.constant, whole.made)

    def least(self, row: int, targets: Mapping[str, float]) -> Labels:
        """Labels of whole choices that have least of a metric, and some more.

        All that have it, or within `SAME` of it, but those that others equal or beat.

        Parameters
        ----------
        targets : mapping of str to float
            Of metrics, those of the multipliers.

        Raises
        ------
        TooManyLabels
        """
        one, other, rest = self._two_parts(targets)
        constant = self.dual.constant
        limits = {r: targets[x] for r, x in enumerate(self.dual.rows) if x in targets}
        others = [x for x in self.counted if x != row]
        level = one.cycles.max(initial=self.slow) == self.slow == other.cycles.max(initial=0)
        if level and len(others) < len(AXES):
            limited = [*others, *[row] * (len(AXES) - 1 - len(others))]
            most = np.array([limits.get(x, np.inf) * PRUNED - constant[x] for x in limited])
            each = [x.metrics[:, [row, *limited]] for x in (one, other)]
            sums = least_sums(each[0], each[1], most)
            near = np.argsort(sums, kind="stable")[: int(np.isfinite(sums).sum())]
            least = sums[near[:1]] + constant[row]
            alike = (sums[near] + constant[row] <= least * (1 + SAME)).sum()
            one = one.take(near[: max(int(alike), NEAREST)])
        return self._whole(one, other, rest)

    def choice(self, made: int) -> tuple[Ints, Ints]:
        """Of each layer the column taken, and of each class the index of its width."""
        columns = np.full(len(self.dual.layers), -1)
        widths = np.zeros(len(self.dual.class_cost), dtype=np.int64)
        pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *self.pairs])
        dual, table, first, stack = self.dual, self.dual.table, self.count - len(pairs), [made]
        while stack:
            made = stack.pop()
            if made >= first:
                stack += pairs[made - first].tolist()
            elif made >= self.of_columns:
                c, width = divmod(made - self.of_columns, dual.most)
                widths[c] = width
            elif made >= 0:
                n = int(dual.at[made])
                columns[n] = made
                if not dual.own[dual.leaf[n]]:
                    widths[dual.leaf[n]] = table.weight[made]
        return columns, widths

    def _two_parts(
        self, targets: Mapping[str, float] | None = None
    ) -> tuple[Labels, Labels, Floats]:
        """Labels of two parts of all, and what all else is at least: put together at last.

        What waits is then exact in each tree, and multipliers better, which are found by targets.
        """
        trees = self._trees()
        if targets is not None and all(len(x) for x in trees):
            hull = Hull(self.dual, [x.metrics[:, : len(self.dual.rows)] for x in trees])
            found = ascend(hull, targets, full=True)
            if found.value > PRUNED:
                trees[0] = trees[0].take(NONE)
            some = [
                *found.weights[-self.weights.shape[1] :],
                *(hull.scaled({x: targets[x]}) for x in targets),
            ]
            more = np.zeros((len(self.two_sided) + len(self.behind), len(some)))
            self.weights = np.vstack([np.stack(some, axis=1), more])
        fixed = self.dual.constant @ self.weights[: len(self.dual.rows)]
        least = [(x.metrics @ self.weights).min(axis=0, initial=np.inf) for x in trees]
        best = fixed + sum(least)
        self.main = int(np.argmax(best))
        pairs = zip(trees, least, strict=True)
        if not np.isfinite(best).all():
            return self._none(), trees[0].take(NONE), np.zeros(len(best))
        every = sorted(((self._kept(x, best - y), y) for x, y in pairs), key=self._reach)
        parts = [(self._none(), np.zeros(len(best)))] * 2
        while every:  # to the smaller part: what differs most to one, least to the other
            side = int(len(parts[0][0]) > len(parts[1][0]))
            (labels, done), (tree, more) = parts[side], every.pop(side - 1)
            parts[side] = self._product(labels, tree, best - done - more), done + more
        return parts[0][0], parts[1][0], best - parts[0][1] - parts[1][1]

    def _trees(self) -> list[Labels]:
        """Labels of each tree of classes."""
        dual, found = self.dual, dict[int, list[Labels]]()
        folded = np.zeros(self.above.shape)
        for child, parent, layers in dual.parents:
            for c in (child, parent):
                if c not in found:
                    found[c] = self._star(c, folded)
            self._fold(child, parent, layers, found, folded)
        best, trees = np.array([x.best for x in self.sums]), []
        for root in dual.roots.tolist():
            tree = joined(found.pop(root) if root in found else self._star(root, folded))
            rest = best - self.stars[:, root].min(axis=1)
            tree = self._corrected(self._late(self._kept(tree, rest)))
            trees.append(self._kept(tree, rest))
        return trees

    def _two_sided(self) -> list[TwoSided]:
        """What waits on the one of two paths or on the other, where memories are counted."""
        pricing, table = self.dual.pricing, self.dual.table
        if pricing.memory.metric not in self.dual.rows or not table.joint:
            return []
        fifos, least_bits = pricing.fifos, pricing.least_bits(table.allowed)
        fixed, sure, found = pricing.memory.fixed, fifos.some_wait, []
        each = fifos.elements * np.array([least_bits[c] for c in fifos.width_class])
        for k in fifos.two_sided:
            cycle = fifos.lasting[k]
            if not {*cycle.factors} <= {*self.dual.layers.tolist()}:
                continue
            most = float(table.cycle_bits[k][table.allowed[fifos.main_class(cycle)]].max())
            beside, main = fifos.beside(cycle), fifos.main(cycle)
            others = [float(each[e]) for e in cycle.short if e != main]
            dearer = max(min(others, default=np.inf) / most - 1, 0.0)
            costs = (0.0 if sure[beside].any() else fixed), (0.0 if sure[main] else fixed)
            found.append(TwoSided(k, float(each[beside].min()) / most, dearer, *costs))
        return found

    def _behind(self) -> list[Cycle]:
        """Of two paths, of which the one counts in latency, those where the other may be longer."""
        fifos = self.dual.pricing.fifos
        if LATENCY not in self.dual.rows or not self.dual.table.joint:
            return []
        critical, found = {*fifos.critical.tolist()}, []
        for cycle in (fifos.lasting[k] for k in fifos.two_sided):
            on_path = {x for x, n in cycle.factors.items() if n > 0}
            if {*cycle.factors} <= {*self.dual.layers.tolist()} and (
                critical.intersection(cycle.factors) == on_path
            ):
                found.append(cycle)
        return found

    def _late(self, labels: Labels) -> Labels:
        """With latency by the longer of two paths."""
        dual, metrics = self.dual, labels.metrics.copy()
        rows = [r for r, x in enumerate(dual.rows) if x in (LATENCY, FETCHED.format(LATENCY))]
        for n in range(len(self.behind)):
            more = np.maximum(metrics[:, len(dual.rows) + len(self.two_sided) + n], 0.0)
            metrics[:, rows] += dual.least_s * more[:, None]
        return Labels(labels.cycles, metrics, labels.made)

    def _corrected(self, labels: Labels) -> Labels:
        """With what waits on two paths, counted as less than nothing until here, as it is."""
        pricing, rows = self.dual.pricing, len(self.dual.rows)
        metrics = labels.metrics.copy()
        for n, each in enumerate(self.two_sided):
            beside, short = (np.maximum(x * metrics[:, rows + n], 0.0) for x in (1, -1))
            more = beside * (1 + each.beside) * pricing.memory.slope
            more += (beside > SOME) * each.fixed_beside
            some = short > SOME
            more[some] += np.minimum(
                each.fixed_main, short[some] * each.dearer * pricing.memory.slope
            )
            metrics[:, self.dual.rows.index(pricing.memory.metric)] += more
        metrics[:, rows:] = 0.0
        return Labels(labels.cycles, metrics, labels.made)

    def _reach(self, part: tuple[Labels, Floats]) -> float:
        """By how much labels differ in what they cost, weighted."""
        labels, _ = part
        if not len(labels):
            return 0.0
        return float(np.ptp(labels.metrics, axis=0) @ self.weights[:, self.main])

    def _none(self) -> Labels:
        """Nothing chosen yet."""
        return Labels(np.array([self.slow]), np.zeros((1, len(self.weights))), np.array([-1]))

    def _star(self, c: int, folded: Floats) -> list[Labels]:
        """At each width of a class: its own cost, and the layers that depend on no other."""
        dual, every = self.dual, []
        alone = [n for n in np.flatnonzero(dual.centre == c).tolist() if n not in dual.apart]
        for a, there in enumerate(dual.table.allowed[c]):
            labels = self._none()
            labels.metrics[:, : len(dual.rows)] = dual.class_cost[c][a]
            labels.made[:] = self.of_columns + c * dual.most + a
            folded[:, c, a] = labels.metrics[0] @ self.weights
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
            mine[p] = self._product(labels, joined([*parts, self._none().take(NONE)]), rest)

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
        _, cycle = dual.pricing.fifos.couplings.get(int(dual.layers[n]), (0, -1))
        waits = [-table.tied[mine] * (x.number == cycle) for x in self.two_sided]
        later = [-x.factors.get(int(dual.layers[n]), 0) * table.lag[mine] for x in self.behind]
        metrics = np.column_stack([metrics, *waits, *later])
        return Labels(np.maximum(table.cycles[mine], self.slow), metrics, mine)

    def _kept(self, labels: Labels, rest: Floats) -> Labels:
        """Those that some completion may bring within all targets, and no other equals or beats."""
        return self._product(labels, self._none(), rest)

    def _product(self, one: Labels, other: Labels, rest: Floats) -> Labels:
        """Each with each: what some completion may bring within all targets, and is not beaten."""
        self.check_time()
        if len(one) * len(other) > self.effort.joined:
            raise TooManyLabels
        each = [np.column_stack([x.metrics[:, self.compared], x.cycles]) for x in (one, other)]
        some = [varying(x) for x in each]
        used = np.flatnonzero(some[0] | some[1])
        costs, kept, sieve, count = (each[0][:, used], each[1][:, used]), [], None, 0
        for i, j in self._within(one.metrics @ self.weights, other.metrics @ self.weights + rest):
            self.work += len(i)
            if self.work > self.effort.work:
                raise TooManyLabels
            if len(used) <= len(AXES) and len(i) > AT_ONCE // 64:
                sums = on_axes(self._sums(used, each, costs, i, j))
                sieve = sieve or Sieve(sums)
                passed = sieve.passed(sums)
                i, j = i[passed], j[passed]
            count += len(i)
            if len(used) > len(AXES) and count > self.effort.compared:
                raise TooManyLabels
            kept.append(np.stack([i, j]))
        i, j = np.concatenate(kept, axis=1) if kept else (NONE, NONE)
        best = best_rows(self._sums(used, each, costs, i, j))
        if self.most_each is not None and len(best) > self.most_each:
            self.cut = True
            weighted = (one.metrics @ self.weights)[i[best], self.main]
            weighted = weighted + (other.metrics @ self.weights)[j[best], self.main]
            best = best[np.argsort(weighted, kind="stable")[: self.most_each]]
        if len(best) > self.effort.kept:
            raise TooManyLabels
        i, j = i[best], j[best]
        cycles = np.maximum(one.cycles[i], other.cycles[j])
        return Labels(cycles, one.metrics[i] + other.metrics[j], self._made(one, other, i, j))

    def _made(self, one: Labels, other: Labels, i: Ints, j: Ints) -> Ints:
        """Numbers of labels that are made of two."""
        pairs = np.stack([one.made[i], other.made[j]], axis=1)
        if not len(pairs) or (pairs < 0).any(axis=0).any():
            return np.asarray(pairs.max(axis=1, initial=-1))
        self.pairs.append(pairs)
        self.count += len(pairs)
        return np.arange(self.count - len(pairs), self.count)

    def _sums(
        self,
        used: Ints,
        each: Sequence[Floats],
        costs: Sequence[Floats],
        i: Ints,
        j: Ints,
    ) -> Floats:
        """(n, used): what pairs cost, of metrics that count, and of the slowest stage."""
        sums = costs[0][i] + costs[1][j]
        if len(used) and used[-1] == len(self.compared):
            sums[:, -1] = np.maximum(each[0][i, -1], each[1][j, -1])
        return np.asarray(sums)

    def _within(self, one: Floats, other: Floats) -> Iterator[tuple[Ints, Ints]]:
        """Pairs, step by step, whose weighted sums are within the targets at all multipliers.

        By the multipliers that prove most first, the least sums first.
        """
        rows, columns = (np.argsort(x[:, self.main], kind="stable") for x in (one, other))
        first = other[columns, self.main]
        counts = np.searchsorted(first, PRUNED - one[rows, self.main], "right")
        rows, counts = rows[counts > 0], counts[counts > 0]
        others = [k for k in range(one.shape[1]) if k != self.main]
        mine = [np.ascontiguousarray(x[:, k]) for k in others for x in (one, other)]
        start, ends = 0, np.cumsum(counts)
        while start < len(rows):
            self.check_time()
            before = ends[start] - counts[start]
            end = max(start + 1, int(np.searchsorted(ends, before + AT_ONCE, "right")))
            many = counts[start:end]
            i = np.repeat(rows[start:end], many)
            within = np.arange(len(i)) - np.repeat(np.cumsum(many) - many, many)
            j = columns[within]
            for of_one, of_other in zip(mine[::2], mine[1::2], strict=True):
                kept = of_one[i] + of_other[j] <= PRUNED
                i, j = i[kept], j[kept]
            yield i, j
            start = end


class Hull(Weighted):
    """The least weighted sum over one label of each tree."""

    def __init__(self, dual: Dual, trees: Sequence[Floats]) -> None:
        self.rows, self.constant, self.trees = dual.rows, dual.constant, trees

    def solve(self, weights: Floats) -> Relaxed:
        """Its value and metrics; no widths."""
        metrics = self.constant + sum(x[int((x @ weights).argmin())] for x in self.trees)
        return Relaxed(float(metrics @ weights), metrics, NONE, NONE)
