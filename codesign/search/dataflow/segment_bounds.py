"""The Lagrangian of `bounds` for all arrays at once that a segment may share.

For given weights every array, PE width and range of SRAM sizes has a minimum of its own over the
choices of widths, options of stages and tilings; the least of them holds for all, and those above
1 are ruled out. Within a range of SRAM sizes a layer has the least DRAM traffic that the largest
allows, and the area of the least.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.bounds import PRUNED, Dual, Relaxed
from codesign.search.dataflow.segment_pricing import ENERGY, SEGMENTS, SegmentPricing
from codesign.search.dataflow.table import Range, Table
from codesign.space.hardware_boxes import Boxes, BoxTables
from codesign.space.segments import SegmentSpace, SharedArray, Sharing


@dataclass(frozen=True)
class SharedOptions:
    """Arrays with ranges of SRAM sizes, H in all, and PEs of each width, for the n MAC layers.

    Attributes
    ----------
    arrays : list of SharedArray, of H
    least_sram, most_sram : floats, shape (H,)
    pe_weight_bits, pe_activation_bits : ints, shape (W,), (A,)
    traffic, time : floats, shape (H, n, widths of inputs, widths of weights)
        Bits and seconds; finite.
    impossible : floats
        Of the same shape: inf where nothing fits, or a width is none; else 0.
    energy : floats
        Of the same shape, J of operands and MACs; (H, 1, 1, 1) where that is not asked about.
    pes, hardware : floats, shape (H, W, A, metrics of the hardware)
        Of PEs, and with the least of the SRAM, mm²; inf where that is too much, or too slow.
    """

    arrays: list[SharedArray]
    least_sram: Floats
    most_sram: Floats
    pe_weight_bits: Ints
    pe_activation_bits: Ints
    traffic: Floats
    time: Floats
    impossible: Floats
    energy: Floats
    pes: Floats
    hardware: Floats

    def take(self, kept: Ints) -> SharedOptions:
        """Some of the H."""
        return SharedOptions(
            [self.arrays[h] for h in kept.tolist()],
            self.least_sram[kept],
            self.most_sram[kept],
            self.pe_weight_bits,
            self.pe_activation_bits,
            self.traffic[kept],
            self.time[kept],
            self.impossible[kept],
            self.energy[kept],
            self.pes[kept],
            self.hardware[kept],
        )

    def of_array(self, array: SharedArray) -> SharedOptions:
        """Those of one array."""
        return self.take(np.array([h for h, x in enumerate(self.arrays) if x == array]))

    def only(self, alive: Bools) -> SharedOptions:
        """Some of all (H, W, A)."""
        found = replace(self, hardware=np.where(alive[..., None], self.hardware, np.inf))
        return found.take(np.flatnonzero(alive.any(axis=(1, 2))))

    @property
    def there(self) -> Bools:
        """(H, W, A): which are on offer."""
        return np.asarray(np.isfinite(self.hardware[..., 0]))

    @property
    def sharing(self) -> Sharing:
        """Of an array, what its SRAM and its PEs may be."""
        pairs = np.argwhere(self.there.any(axis=0)).tolist()
        w_bits, a_bits = self.pe_weight_bits.tolist(), self.pe_activation_bits.tolist()
        pes = [(w_bits[w], a_bits[a], tuple(self.pes[0, w, a].tolist())) for w, a in pairs]
        return Sharing(float(self.least_sram.min()), float(self.most_sram.max()), tuple(pes))


def options_of_boxes(space: SegmentSpace, tables: BoxTables, boxes: Boxes) -> SharedOptions:
    """Boxes of one array each and one width of PEs, or of all widths, as a segment's options."""
    choices, platform = space.choices, space.platform.of_segment
    pe_bits = [np.array(x) for x in (choices.pe_weight_bits, choices.pe_activation_bits)]
    sides = [
        boxes.mapping,
        boxes.least[:, 0],
        boxes.least[:, 1],
        boxes.least[:, 4],
        boxes.most[:, 4],
    ]
    every, at = np.unique(np.column_stack(sides), axis=0, return_inverse=True)
    count = len(every)
    first = np.column_stack([every[:, 1:3], np.zeros((count, 2), dtype=np.int64), every[:, 3]])
    ends = [np.full(count, len(x)) for x in pe_bits]
    last = np.column_stack([every[:, 1:3] + 1, *ends, every[:, 4]])
    costs = tables.costs(Boxes(every[:, 0], first, last))
    arrays = [tables.arrays(m, (r, c), (r + 1, c + 1))[0] for m, r, c in every[:, :3].tolist()]
    needs = [[tables.tables.needs(i, x) for i in space.shared_layers] for x in arrays]
    least = np.array([max(low for low, _ in x) for x in needs])
    most = np.array([max(high for _, high in x) for x in needs])
    lows = np.maximum(tables.lows[every[:, 3]], least)
    highs = np.maximum(np.minimum(tables.highs[every[:, 4] - 1], most), lows)
    widths = pe_bits[0][:, None], pe_bits[1][None, :]
    pes = np.array([platform.pes(*x[1:], *widths) for x in arrays])
    srams = np.array([platform.sram(x) for x in lows])
    there = np.zeros(pes.shape[:3], dtype=bool)
    for b, h in enumerate(at.ravel().tolist()):
        (w0, a0), (w1, a1) = boxes.least[b, 2:4].tolist(), boxes.most[b, 2:4].tolist()
        there[h, w0:w1, a0:a1] = True
    hardware = np.where(there[..., None], pes + srams[:, None, None], np.inf)
    mine = [tables.layers.index(i) for i in space.shared_layers]
    return SharedOptions(
        arrays,
        lows,
        highs,
        pe_bits[0],
        pe_bits[1],
        costs.traffic[:, mine],
        costs.time[:, mine],
        costs.impossible[:, mine],
        costs.energy[:, mine] if tables.energy is not None else costs.energy,
        pes,
        hardware,
    )


@dataclass(frozen=True)
class SharedRelaxed(Relaxed):
    """As `Relaxed`; and which of the hardware it has: numbers among H, W and A."""

    at: tuple[int, int, int]


class SegmentDual(Dual):
    """The relaxation for all that a segment may share."""

    def __init__(
        self, pricing: SegmentPricing, table: Table, span: Range, options: SharedOptions
    ) -> None:
        self.shared, self.options = pricing.space.shared_layers, options
        super().__init__(pricing, table, span)
        space = pricing.space
        centre, leaf = (
            np.array([-1 if of[i] is None else of[i] for i in self.shared])
            for of in (space.input_class, space.weight_class)
        )
        self.shared_centre, self.shared_leaf = centre, leaf
        self.shared_share = np.where(self.is_centre[leaf], 0.0, 1 / np.maximum(self.users[leaf], 1))
        row = {name: r for r, name in enumerate(self.rows)}
        self.moved_row, self.time_row = row["dram_bits"], row[SEGMENTS[0]]
        self.bops_row = row.get("bops")
        known = enumerate(space.hardware_metrics)
        self.hardware_rows = [(m, row[name]) for m, name in known if name in row]
        self.energy_row = row.get(ENERGY)
        self.static_j_per_mm2 = pricing.static_w_per_mm2 * span.least_s
        self.bops = self._bops()
        self.widest = self._widest(leaf, options.pe_weight_bits)
        self.too_wide = {
            int(c): np.where(self._at_most(int(c), options.pe_activation_bits), 0.0, np.inf)
            for c in np.unique(centre)
        }

    @cached_property
    def touched(self) -> list[int]:
        """Classes of the trees that a layer of the segment is in."""
        found = {*self.shared_centre.tolist()}
        while True:
            pairs = [(c, p) for c, p, _ in self.parents if (c in found) != (p in found)]
            if not pairs:
                return sorted(found)
            found |= {x for pair in pairs for x in pair}

    def beside_table(self) -> list[int]:
        """As of `Dual`: those of the segment."""
        return self.shared

    def _bops(self) -> Floats:
        """(n, widths of inputs, widths of weights)."""
        found = np.zeros((len(self.shared), self.most, self.most))
        for n, i in enumerate(self.shared):
            w, a = (np.array(self.space.bits[of]) for of in self._classes_of(i))
            each = layer_bops(self.space.network.layers[i], w[None, :], a[:, None])
            found[n, : len(a), : len(w)] = each
        return found

    def _classes_of(self, layer: int) -> tuple[int, int]:
        w, a = self.space.weight_class[layer], self.space.input_class[layer]
        assert w is not None
        assert a is not None
        return w, a

    def _at_most(self, c: int, offered: Ints) -> Bools:
        """(offered, widths): which of a class's widths a PE takes."""
        bits = np.full(self.most, 10**6)
        bits[: len(self.space.bits[c])] = self.space.bits[c]
        return np.asarray(bits[None, :] <= offered[:, None])

    def _widest(self, leaf: Ints, offered: Ints) -> Ints:
        """(n, offered): index of the widest weights that a PE takes; −1: none."""
        return np.array([self._at_most(int(c), offered).sum(axis=1) - 1 for c in leaf])

    # The relaxation -----------------------------------------------------------------------------

    def _shared_cells(self, weights: Floats) -> Floats:
        """(H, n, a, w): what each layer costs."""
        fixed = self.leaf_costs(weights)[:, None, :]
        if self.bops_row is not None:
            fixed = fixed + self.bops * weights[self.bops_row]
        of = self.options
        found = of.traffic * weights[self.moved_row] + of.impossible
        if self.energy_row is not None:
            found = found + of.energy * weights[self.energy_row]
        return np.asarray(found + of.time * weights[self.time_row] + fixed)

    def _values(self, weights: Floats, layer: Floats, stars: Floats, cells: Floats) -> Floats:
        """(H, W, A): the least weighted sums; trees without a layer of the segment count once."""
        layers, (alone, _) = self._layers(cells), self._upward(layer, stars)
        every: dict[int, Floats] = {c: stars[c] for c in self.touched}
        for n, c in enumerate(self.shared_centre.tolist()):
            every[c] = every[c] + layers[n][:, :, None, :]
        for c, mask in self.too_wide.items():
            every[c] = every[c] + mask
        for child, parent, between in self.parents:
            if child in every:
                table = self._between(layer, child, between)
                every[parent] = every[parent] + (every[child][..., None] + table).min(axis=-2)
        total = np.asarray(float(self.constant @ weights))
        for c in self.roots.tolist():
            total = total + (every[c] if c in every else alone[c]).min(axis=-1)
        return total + self._spent(weights)

    def _spent(self, weights: Floats) -> Floats:
        """(H, W, A): what the hardware counts; inf where it is none."""
        there, taken = self.options.there, self.options.hardware
        each = np.zeros(taken.shape[-1])
        for m, r in self.hardware_rows:
            each[m] = weights[r]
        if self.energy_row is not None:
            each[0] += self.static_j_per_mm2 * float(weights[self.energy_row])
        return np.where(there, np.where(there[..., None], taken, 0.0) @ each, np.inf)

    def _layers(self, cells: Floats) -> Floats:
        """(n, H, W, widths of inputs): each layer's least, among weights that the PEs take."""
        count, wide = len(cells), len(self.options.pe_weight_bits)
        within = np.minimum.accumulate(cells, axis=3)
        layers = np.full((len(self.shared), count, wide, self.most), np.inf)
        for n, last in enumerate(self.widest):
            for w in np.flatnonzero(last >= 0).tolist():
                layers[n, :, w] = within[:, n, :, int(last[w])]
        return layers

    def _batched(self, stars: Floats, cells: Floats) -> tuple[Floats, Floats]:
        """(H, W, A, classes, widths): stars with the segment's layers; and `_layers`."""
        layers, wide = self._layers(cells), len(self.options.pe_weight_bits)
        shape = len(cells), wide, len(self.options.pe_activation_bits)
        every = np.broadcast_to(stars, (*shape, *stars.shape)).copy()
        for n, c in enumerate(self.shared_centre.tolist()):
            every[..., c, :] += layers[n][:, :, None, :]
        for c, mask in self.too_wide.items():
            every[..., c, :] += mask
        return every, layers

    def _totals(self, weights: Floats, every: Floats) -> Floats:
        """(H, W, A): the least weighted sums, of stars with all that is below them."""
        total = sum((every[..., int(c), :].min(axis=-1) for c in self.roots), np.zeros(1))
        return np.asarray(total + float(self.constant @ weights) + self._spent(weights))

    def values(self, weights: Floats) -> Floats:
        """(H, W, A): the least weighted sum with each."""
        _, layer, stars, _ = self._tables(weights)
        return self._values(weights, layer, stars, self._shared_cells(weights))

    def left_of(
        self, weights: Floats, slack: float = PRUNED
    ) -> tuple[Bools, Bools, list[Bools], Floats]:
        """What some choice below ``slack`` may have.

        Hardware (H, W, A); columns of stages and widths of classes, as of `Dual.left`; and for each
        layer of the segment and width of its input the least sum of all but its own cell, (n, a).
        """
        cell, layer, stars, column = self._tables(weights)
        every, layers = self._batched(stars, self._shared_cells(weights))
        tables = self._messages(layer, every)
        totals = self._totals(weights, every)
        alive = totals <= slack
        if not alive.any():
            none = [np.zeros_like(x) for x in self.table.allowed]
            return alive, np.zeros(len(column), bool), none, np.zeros(layers.shape[::3])
        above, of_pair = self._forced(every[alive], tables, totals[alive])
        pairs = {child: pair.min(axis=0) for child, pair in of_pair.items()}
        h, w, _ = np.nonzero(alive)
        rest = np.full((len(self.shared), self.most), np.inf)
        for n, c in enumerate(self.shared_centre.tolist()):
            own = layers[n, h, w]
            there = np.isfinite(above[:, c]) & np.isfinite(own)
            spread = np.where(there, above[:, c], 0.0) - np.where(there, own, 0.0)
            rest[n] = np.where(there, spread, np.inf).min(axis=0)
        kept, allowed = self._left(cell, layer, column, above.min(axis=0), pairs, slack)
        return alive, kept, allowed, rest

    def _messages(self, layer: Floats, every: Floats) -> dict[int, Floats]:
        """Add to every star what is below it in its tree; each child's table."""
        tables = {}
        for child, parent, layers in self.parents:
            tables[child] = self._between(layer, child, layers)
            every[..., parent, :] += (every[..., child, :, None] + tables[child]).min(axis=-2)
        return tables

    def leaf_costs(self, weights: Floats) -> Floats:
        """(n, weights' widths): what a layer's column has of its class of weights."""
        classes = self._classes(weights)
        leaf = np.where(np.isfinite(classes), classes, 0.0)[self.shared_leaf]
        return np.asarray(leaf * self.shared_share[:, None])

    def solve(self, weights: Floats) -> Relaxed:
        """The least of all, and a choice that has it; its columns are those of stages alone."""
        cell, layer, stars, column = self._tables(weights)
        cells = self._shared_cells(weights)
        values = self._values(weights, layer, stars, cells)
        h, w, a = (int(x) for x in np.unravel_index(int(values.argmin()), values.shape))
        value = float(values[h, w, a])
        if not np.isfinite(value):
            none = np.zeros(len(self.layers), dtype=np.int64)
            widths = np.zeros(len(self.class_cost), dtype=np.int64)
            return Relaxed(value, np.full(len(self.rows), np.inf), widths, none)
        mine, stars = cells[h].copy(), stars.copy()
        for n, c in enumerate(self.shared_centre.tolist()):
            mine[n, :, int(self.widest[n][w]) + 1 :] = np.inf
            stars[c] = stars[c] + mine[n].min(axis=1)
        for c, mask in self.too_wide.items():
            stars[c] = stars[c] + mask[a]
        found = self._least(weights, cell, layer, stars, column)
        return Relaxed(
            value, self._with_shared(found, mine, int(h), w, a), found.widths, found.columns
        )

    def _with_shared(self, found: Relaxed, cells: Floats, h: int, w: int, a: int) -> Floats:
        """Metrics of a choice with those of the segment."""
        metrics, of = found.metrics.copy(), self.options
        for n, c in enumerate(self.shared_centre.tolist()):
            at = int(found.widths[c])
            weight = int(cells[n, at].argmin())
            metrics[self.moved_row] += of.traffic[h, n, at, weight]
            metrics[self.time_row] += of.time[h, n, at, weight]
            if self.bops_row is not None:
                metrics[self.bops_row] += self.bops[n, at, weight]
            if self.energy_row is not None:
                metrics[self.energy_row] += of.energy[h, n, at, weight]
            if self.shared_share[n]:
                leaf = int(self.shared_leaf[n])
                metrics += self.shared_share[n] * self.class_cost[leaf][weight]
            if not self.own[self.shared_leaf[n]]:
                found.widths[self.shared_leaf[n]] = weight
        for m, r in self.hardware_rows:
            metrics[r] += of.hardware[h, w, a, m]
        if self.energy_row is not None:
            metrics[self.energy_row] += self.static_j_per_mm2 * of.hardware[h, w, a, 0]
        return metrics
