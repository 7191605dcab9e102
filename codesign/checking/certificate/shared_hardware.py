"""Boxes of hardware that a segment may share, and what its layers take on them at least.

A box is a mapping, ranges of rows, columns and widths of PEs on offer, and a range of SRAM bits. On
it a layer takes the cycles of the fastest of its arrays, and moves what the tiling of least traffic
moves that any of them has within the most SRAM; its area is that of the smallest PEs with the least
SRAM. More SRAM than any tiling needs is of no use: boxes end there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.tilings import LayerTilings, Staircases, shape_of, steps
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.cost_model import Array
from codesign.checking.problem import Problem
from codesign.checking.technology import UM2_PER_MM2, Silicon

SIDES = 4  # rows, columns, and widths of PEs for weights and activations
Pair = tuple[int, int]  # widths of weights and of the input


class Boxes(NamedTuple):
    """Boxes, B in all.

    Attributes
    ----------
    mapping : whole numbers, shape (B,)
        Index of the mapping.
    first, end : whole numbers, shape (B, 4)
        Of ranges of indices of rows, columns, PE widths for weights and activations.
    least_sram, most_sram : whole numbers, shape (B,)
        Bits.
    """

    mapping: Whole
    first: Whole
    end: Whole
    least_sram: Whole
    most_sram: Whole

    @property
    def size(self) -> int:
        """How many."""
        return len(self.mapping)

    def take(self, kept: Whole) -> Boxes:
        """Some of them."""
        return Boxes(*(x[kept] for x in tuple(self)))

    @property
    def whole(self) -> Whole:
        """Which have more than one of anything."""
        several = (self.end - self.first > 1).any(axis=1)
        return np.asarray(several | (self.most_sram > self.least_sram))

    def halved(self) -> Boxes:
        """All of them cut in half, on every side."""
        found = self
        for side in range(SIDES):
            cut = found.end[:, side] - found.first[:, side] > 1
            middle = (found.first[:, side] + found.end[:, side]) // 2
            low, high = found.end.copy(), found.first.copy()
            low[cut, side] = middle[cut]
            high[cut, side] = middle[cut]
            found = _joined(found._replace(end=low), found._replace(first=high).take(cut))
        cut = found.most_sram > found.least_sram
        roots = np.sqrt(found.least_sram.astype(float)) * np.sqrt(found.most_sram.astype(float))
        ends = found.least_sram, np.maximum(found.most_sram - 1, found.least_sram)
        middle = np.clip(roots.astype(np.int64), *ends)
        lower = found._replace(most_sram=np.where(cut, middle, found.most_sram))
        return _joined(lower, found._replace(least_sram=middle + 1).take(cut))


def _joined(one: Boxes, other: Boxes) -> Boxes:
    return Boxes(*(np.concatenate(x) for x in zip(tuple(one), tuple(other), strict=True)))


class OnBoxes(NamedTuple):
    """A layer on boxes.

    Attributes
    ----------
    cycles : whole numbers, shape (B,)
    bits : whole numbers, shape (pairs, B)
        Of operands and partial sums to and from DRAM.
    runs : bools, shape (pairs, B)
        What takes the widths, and has a tiling that fits.
    """

    cycles: Whole
    bits: Whole
    runs: Whole


class SharedHardware:
    """What layers take on boxes of a problem's hardware.

    Parameters
    ----------
    problem : Problem
        Its technology is silicon.
    """

    def __init__(self, problem: Problem, check_time: Callable[[], None] = lambda: None) -> None:
        self.problem, self.choices = problem, problem.choices
        self.network, self.check_time = problem.network, check_time
        every = (problem.allowed(source) for source in self.network.sources)
        self.widths = tuple(sorted({bits for each in every for bits in each}))
        self._tilings: dict[object, LayerTilings] = {}
        self._shapes: dict[object, dict[object, Array]] = {}
        self._cycles: dict[object, int] = {}
        self._merged: dict[object, Staircases] = {}

    def pairs(self, n: int) -> list[Pair]:
        """Pairs of widths that a layer may have, whatever the PEs."""
        layer = self.network.layers[n]
        weights = self.problem.allowed(layer.weight_source or "")
        return [*product(weights, self.problem.allowed(f"tensor:{layer.input}"))]

    def first(self, segment: Sequence[int]) -> Boxes:
        """One box for each mapping, of all there is for a segment."""
        choices, macs = self.choices, [n for n in segment if not self.network.layers[n].moves]
        count = len(choices.machine.mapping)
        sides = choices.rows, choices.cols, choices.pe_weight_bits, choices.pe_activation_bits
        most = max(self._most_needs[n] for n in macs)
        least = min(max(self._least_needs[n] for n in macs), most)
        return Boxes(
            np.arange(count),
            np.zeros((count, SIDES), dtype=np.int64),
            np.tile(np.array([len(x) for x in sides]), (count, 1)),
            np.full(count, least),
            np.full(count, most),
        )

    # Layers -------------------------------------------------------------------------------------

    def on(self, n: int, boxes: Boxes) -> OnBoxes:
        """A layer with MACs on boxes."""
        pairs, count = self.pairs(n), boxes.size
        cycles = np.zeros(count, dtype=np.int64)
        bits = np.zeros((len(pairs), count), dtype=np.int64)
        runs = np.zeros(bits.shape, dtype=bool)
        sides = np.column_stack([boxes.mapping, boxes.first[:, :2], boxes.end[:, :2]])
        every, at = np.unique(sides, axis=0, return_inverse=True)
        order = np.argsort(at.ravel(), kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(at.ravel()))[:-1])
        for side, mine in zip(every.tolist(), groups, strict=True):
            key = tuple(side)
            if not self._arrays(key):
                continue
            cycles[mine] = self._least_cycles(n, key)
            stairs = self._stairs(n, key)
            which = np.repeat(np.arange(len(pairs)), len(mine))
            room = np.tile(boxes.most_sram[mine], len(pairs))
            found, fits = stairs.least_traffic(which, room)
            bits[:, mine] = found.reshape(len(pairs), -1)
            runs[:, mine] = fits.reshape(len(pairs), -1)
        wide = self._widest(boxes)
        for k, pair in enumerate(pairs):
            runs[k] &= (wide[0] >= pair[0]) & (wide[1] >= pair[1])
        return OnBoxes(cycles, bits, runs)

    def _widest(self, boxes: Boxes) -> tuple[Whole, Whole]:
        offered = self.choices.pe_weight_bits, self.choices.pe_activation_bits
        weights, inputs = (
            np.array(bits)[boxes.end[:, 2 + n] - 1] for n, bits in enumerate(offered)
        )
        return weights, inputs

    def _arrays(self, sides: tuple[int, ...]) -> list[Array]:
        """Of a mapping and ranges of rows and columns."""
        mapping, r0, c0, r1, c1 = sides
        choices, engine = self.choices, self.problem.technology.engine
        how = engine, choices.machine.mapping[mapping], choices.machine.skips_zeros
        return [
            Array(r, c, *how)
            for r in choices.rows[r0:r1]
            for c in choices.cols[c0:c1]
            if r == c or not choices.square
        ]

    @cached_property
    def _every(self) -> list[Array]:
        """All arrays on offer."""
        whole = 0, 0, len(self.choices.rows), len(self.choices.cols)
        return [
            x for m in range(len(self.choices.machine.mapping)) for x in self._arrays((m, *whole))
        ]

    def _least_cycles(self, n: int, sides: tuple[int, ...]) -> int:
        key = self._geometry[n], sides
        if key not in self._cycles:
            layer, machine = self.network.layers[n], self.choices.machine
            self._cycles[key] = min(machine.cycles(layer, x) for x in self._arrays(sides))
        return self._cycles[key]

    @cached_property
    def _geometry(self) -> list[object]:
        """Of each layer what its costs depend on."""
        factor, none = self.choices.machine.factor, Array(1, 1, 1)
        return [(*shape_of(x, none), factor(x)) for x in self.network.layers]

    def _tilings_of(self, n: int, array: Array) -> tuple[object, LayerTilings]:
        layer = self.network.layers[n]
        key = shape_of(layer, array)
        if key not in self._tilings:
            self.check_time()
            self._tilings[key] = LayerTilings(layer, array, self.widths)
        return key, self._tilings[key]

    def _stairs(self, n: int, sides: tuple[int, ...]) -> Staircases:
        """Least traffic by room, of each pair of widths, on any of some arrays."""
        at = self._geometry[n], sides
        if at not in self._shapes:
            layer = self.network.layers[n]
            self._shapes[at] = {shape_of(layer, x): x for x in self._arrays(sides)}
        pairs, shapes = self.pairs(n), self._shapes[at]
        key = frozenset(shapes), tuple(pairs)
        if key not in self._merged:
            every = [self._tilings_of(n, x)[1] for x in shapes.values()]
            self._merged[key] = Staircases([_best([x.stairs(*y) for x in every]) for y in pairs])
        return self._merged[key]

    @cached_property
    def _least_needs(self) -> dict[int, int]:
        """SRAM without which a layer has no tiling at all; of those with MACs."""
        return {n: min(self._needs(n, 0)) for n in self._macs}

    @cached_property
    def _most_needs(self) -> dict[int, int]:
        """SRAM beyond which it has no better one."""
        return {n: max(self._needs(n, -1)) for n in self._macs}

    @property
    def _macs(self) -> list[int]:
        return [n for n, x in enumerate(self.network.layers) if not x.moves]

    def _needs(self, n: int, which: int) -> list[int]:
        """The least (0) or the most (−1) that tilings need on each array, whatever the widths."""
        pair, found = self.pairs(n)[which], dict[object, int]()
        for array in self._every:
            key, table = self._tilings_of(n, array)
            if key not in found:
                needs, _, _ = table.fitting(*pair)
                found[key] = int(needs.max() if which else needs.min())
        return [*found.values()]

    # Area ---------------------------------------------------------------------------------------

    def areas(self, boxes: Boxes, unit: Fraction) -> Whole:
        """(B,): the least of each, in units, rounded down."""
        technology = self.problem.technology
        assert isinstance(technology, Silicon)
        pes = np.column_stack([boxes.first, boxes.end[:, 2:]])
        every, at = np.unique(pes, axis=0, return_inverse=True)
        each = [int(self._pes_mm2(tuple(x)) // unit) for x in every.tolist()]
        srams = rounded_down(boxes.least_sram, technology.sram_slope / UM2_PER_MM2 / unit)
        fixed = technology.sram_intercept / UM2_PER_MM2 // unit
        return np.asarray(np.array(each, dtype=object)[at.ravel()] + srams + int(fixed))

    def _pes_mm2(self, ranges: tuple[int, ...]) -> Fraction:
        """Of the fewest rows and columns, and the smallest PE of ranges of widths."""
        row, col, w0, a0, w1, a1 = ranges
        choices, technology = self.choices, self.problem.technology
        assert isinstance(technology, Silicon)
        widths = product(choices.pe_weight_bits[w0:w1], choices.pe_activation_bits[a0:a1])
        pe_um2 = min(sum(technology.pe_terms_um2(*x), Fraction(0)) for x in widths)
        pes = choices.rows[row] * choices.cols[col]
        return self.problem.area_overhead * pes * pe_um2 / UM2_PER_MM2


def _best(each: Sequence[tuple[Whole, Whole]]) -> tuple[Whole, Whole]:
    """Of several, the least traffic by room."""
    if len(each) == 1:
        return each[0]
    needs, moved = (np.concatenate(x) for x in zip(*each, strict=True))
    return steps(needs, moved)
