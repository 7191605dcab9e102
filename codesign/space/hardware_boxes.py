"""Boxes of hardware that a segment may share: ranges of rows, columns, PE widths and SRAM sizes.

Of a box the least that anything in it costs is known: the area of its smallest corner, and of each
layer the cycles of its fastest array and the DRAM traffic that its largest SRAM allows. Tiles are
those of the smallest array on offer, of which those of larger ones are some; where that is not so,
or a box is small, those of each of its arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.errors import SpecError
from codesign.space.box_costs import BoxCosts, KindCosts
from codesign.space.segment_energy import SegmentEnergy
from codesign.space.segments import SRAM_RATIO, SharedArray, SharedTables, tiles_as_well
from codesign.specs.fpga import Fpga
from codesign.units import UM2_PER_MM2

FIRST_HALVINGS, MANY_LAYERS = 2, 30  # of every side, to begin with; of so many layers one
FEW = 1  # arrays, of which each one's tiles are listed
MOST_RANGES = 160  # of SRAM sizes


class Boxes(NamedTuple):
    """Boxes, B in all; ends of ranges of indices, the upper ones excluded.

    Attributes
    ----------
    mapping : ints, shape (B,)
        Index in ``choices.mapping``.
    least, most : ints, shape (B, 5)
        Of rows, columns, widths of PEs for weights and for activations, and SRAM ranges.
    """

    mapping: Ints
    least: Ints
    most: Ints

    def take(self, kept: Ints | Bools) -> Boxes:
        """Some of them."""
        return Boxes(self.mapping[kept], self.least[kept], self.most[kept])

    @property
    def whole(self) -> Bools:
        """Which have more than one of something."""
        return np.asarray((self.most - self.least > 1).any(axis=1))

    def halved(self) -> tuple[Boxes, Ints]:
        """Boxes cut in half in all five, and of each the number of the one that it is of."""
        found, of = self, np.arange(len(self.mapping))
        for side in range(5):
            cut = found.most[:, side] - found.least[:, side] > 1
            middle = (found.least[:, side] + found.most[:, side]) // 2
            low, high = found.most.copy(), found.least.copy()
            low[cut, side] = middle[cut]
            high[cut, side] = middle[cut]
            upper = Boxes(found.mapping[cut], high[cut], found.most[cut])
            found, of = (
                Boxes(
                    *(np.concatenate(x) for x in zip(found._replace(most=low), upper, strict=True))
                ),
                np.concatenate([of, of[cut]]),
            )
        return found, of


class BoxTables:
    """Costs of boxes, for the widths that are allowed.

    Parameters
    ----------
    most_taken : float
        Of what memories take: mm², or block RAMs.
    energy : SegmentEnergy or None
        Where that is asked about.
    """

    def __init__(
        self,
        tables: SharedTables,
        allowed: Sequence[Bools],
        most_taken: float,
        energy: SegmentEnergy | None = None,
    ) -> None:
        self.tables, self.space, self.allowed = tables, tables.space, allowed
        self.energy = energy
        choices = self.choices = self.space.choices
        self.layers = self.space.chosen_layers
        self.rows, self.cols = list(choices.rows), list(choices.cols)
        self.pe_bits = [np.array(x) for x in (choices.pe_weight_bits, choices.pe_activation_bits)]
        self.finest = [
            SharedArray(x, math.gcd(*choices.rows), math.gcd(*choices.cols))
            for x in choices.mapping
        ]
        self._traffic: dict[object, Floats] = {}
        self._of_sides: dict[object, tuple[list[float], list[Floats], list[Floats]] | None] = {}
        self._as_well: dict[tuple[int, int], dict[SharedArray, bool]] = {}
        self.lows, self.highs = self._sram_ranges(most_taken)
        self.least_srams = np.array([self._platform.sram(x) for x in self.lows])

    @property
    def _platform(self) -> Any:
        return self.space.platform.of_segment

    def _sram_ranges(self, most_taken: float) -> tuple[Floats, Floats]:
        """Ends of ranges of all sizes there are, the last without an end."""
        arrays = self.tables.arrays
        small = [
            min((x for x in arrays if x.mapping == m), key=lambda x: x[1:])
            for m in self.choices.mapping
        ]
        needs = [self.tables.needs(i, x) for i in self.layers for x in small]
        least, most = min(x for x, _ in needs), max(x for _, x in needs)
        room, technology = math.inf, self._platform.technology
        if isinstance(technology, Fpga):
            room = most_taken * technology.bram_bits
        elif technology.sram_area_um2.slope > 0:
            room = most_taken * UM2_PER_MM2 / technology.sram_area_um2.slope
        most = max(min(most, room), least * SRAM_RATIO)
        count = min(math.ceil(math.log(most / least) / math.log(SRAM_RATIO)), MOST_RANGES)
        ends = least * (most / least) ** (np.arange(count + 1) / count)
        return np.array([1.0, *ends]), np.array([*ends, np.inf])

    def first(self) -> Boxes:
        """A few that hold all."""
        count = len(self.choices.mapping)
        most = [len(self.rows), len(self.cols), *(len(x) for x in self.pe_bits), len(self.lows)]
        found = Boxes(
            np.arange(count),
            np.zeros((count, 5), dtype=np.int64),
            np.tile(np.array(most), (count, 1)),
        )
        for _ in range(1 if len(self.layers) > MANY_LAYERS else FIRST_HALVINGS):
            found, _ = found.halved()
        return found

    def of_array(self, array: SharedArray) -> Boxes:
        """One box, of an array with all PEs and SRAM sizes."""
        row, col = self.rows.index(array.rows), self.cols.index(array.cols)
        most = [row + 1, col + 1, *(len(x) for x in self.pe_bits), len(self.lows)]
        mapping = np.array([self.choices.mapping.index(array.mapping)])
        return Boxes(mapping, np.array([[row, col, 0, 0, 0]]), np.array([most]))

    def costs(self, boxes: Boxes) -> BoxCosts:
        """What they cost at least."""
        least, most = boxes.least, boxes.most
        sides = np.column_stack([boxes.mapping, least[:, :2], most[:, :2], most[:, 4] - 1])
        every, kind = np.unique(sides, axis=0, return_inverse=True)
        hardware, pes = self._hardware(boxes), most[:, 2:4] - 1
        return BoxCosts(hardware, kind.ravel(), pes, self._kinds(every), self.widest)

    def _kinds(self, every: Ints) -> KindCosts:
        """Of ranges of sides with an index of the largest SRAM, (U, 6)."""
        space, count = self.space, len(self.layers)
        wide = max(len(x) for x in space.bits)
        shape = wide, count, wide, len(every)
        traffic, cycles = np.full(shape, np.inf), np.zeros((count, len(every)))
        energy = np.zeros((1, 1, 1, 1) if self.energy is None else shape)
        sides, at = np.unique(every[:, :5], axis=0, return_inverse=True)
        for k, key in enumerate(sides.tolist()):
            of = self._sides(tuple(key))
            if of is None:
                continue
            mine = np.flatnonzero(at.ravel() == k)
            cycles[:, mine] = np.array(of[0])[:, None]
            for n in range(count):
                traffic[:, n, :, mine] = of[1][n][every[mine, 5]].transpose(0, 2, 1)
                if self.energy is not None:
                    energy[:, n, :, mine] = of[2][n][every[mine, 5]].transpose(0, 2, 1)
        impossible = np.where(np.isinf(traffic), np.inf, 0.0)
        traffic = np.where(np.isinf(traffic), 0.0, traffic)
        energy = np.where(np.isfinite(energy), energy, 0.0)
        beside = np.array([self.beside(i) for i in self.layers], dtype=np.float64)
        moved_s = (traffic + beside[:, None, None]) / space.platform.dram_bits_per_s
        time = np.maximum(cycles[:, None, :] / space.platform.clock_hz, moved_s)
        return KindCosts(traffic, time, impossible, energy)

    @cached_property
    def widest(self) -> tuple[Ints, Ints]:
        """(widths of PEs, n), for weights and inputs: index of the widest taken; −1: none."""
        space, found = self.space, []
        for classes, offered in zip(
            (space.weight_class, space.input_class), self.pe_bits, strict=True
        ):
            bits = [np.array(space.bits[classes[i] or 0]) for i in self.layers]
            taken = [[int((x <= most).sum()) - 1 for x in bits] for most in offered.tolist()]
            found.append(np.array(taken))
        return found[0], found[1]

    def beside(self, layer: int) -> int:
        """Bits that a layer moves beside operands and partial sums, at least."""
        segment = self.tables.alone(layer)
        pairs = zip(self.space.bits, self.allowed, strict=True)
        return segment.other_bits(layer, [bits[int(np.argmax(x))] for bits, x in pairs])

    def _hardware(self, boxes: Boxes) -> Floats:
        least, platform = boxes.least, self._platform
        bits = [x[least[:, 2 + n]] for n, x in enumerate(self.pe_bits)]
        rows, cols = np.array(self.rows)[least[:, 0]], np.array(self.cols)[least[:, 1]]
        pes = platform.pes(rows, cols, *bits)
        return np.asarray(pes + self.least_srams[least[:, 4]])

    def arrays(self, mapping: int, low: Sequence[int], high: Sequence[int]) -> list[SharedArray]:
        """Of ranges of rows and columns."""
        return [
            SharedArray(self.choices.mapping[mapping], r, c)
            for r in self.rows[low[0] : high[0]]
            for c in self.cols[low[1] : high[1]]
            if r == c or not self.choices.square
        ]

    def _sides(self, key: tuple[int, ...]) -> tuple[list[float], list[Floats], list[Floats]] | None:
        """Of ranges of sides, of each layer: cycles, traffic and energy (SRAM ranges, a, w).

        None where there is no array.
        """
        if key not in self._of_sides:
            arrays = self.arrays(key[0], key[1:3], key[3:5])
            if not arrays:
                self._of_sides[key] = None
            else:
                of = [self._layer(i, key[0], arrays) for i in self.layers]
                self._of_sides[key] = [x[0] for x in of], [x[1] for x in of], [x[2] for x in of]
        return self._of_sides[key]

    def _layer(
        self, layer: int, mapping: int, arrays: list[SharedArray]
    ) -> tuple[float, Floats, Floats]:
        cycles = min(self.tables.cycles(layer, x) for x in arrays)
        finest, each = self.finest[mapping], arrays
        if len(arrays) > FEW:
            as_well = self._finer(layer, mapping)
            each = [x for x in arrays if not as_well[x]]
            each += [finest] * (len(each) < len(arrays))
        grids = list({id(x): x for x in (self._grid(layer, y) for y in each)}.values())
        traffic = grids[0] if len(grids) == 1 else np.minimum.reduce(grids)
        if self.energy is None:
            return cycles, traffic, np.zeros(1)
        spent = np.minimum.reduce([self._grid(layer, x, self.energy) for x in each])
        fixed = np.zeros(spent.shape[1:])
        least = self.energy.least_on(layer, arrays)
        fixed[: least.shape[0], : least.shape[1]] = least
        return cycles, traffic, spent + fixed

    def _finer(self, layer: int, mapping: int) -> dict[SharedArray, bool]:
        """Whether each array's tiles are also those of the finest."""
        key = layer, mapping
        if key not in self._as_well:
            arrays = [x for x in self.tables.arrays if x.mapping == self.choices.mapping[mapping]]
            try:
                self._grid(layer, self.finest[mapping])
            except SpecError:  # too many, on an array that is not on offer
                self._as_well[key] = dict.fromkeys(arrays, False)
                return self._as_well[key]
            finest = self.tables.granules(layer, self.finest[mapping])
            self._as_well[key] = {
                x: tiles_as_well(finest, self.tables.granules(layer, x)) for x in arrays
            }
        return self._as_well[key]

    def _grid(self, layer: int, array: SharedArray, energy: SegmentEnergy | None = None) -> Floats:
        """(SRAM ranges, a, w): least traffic in the largest SRAM; inf where nothing fits.

        Or the least energy of operands' traffic.
        """
        space = self.space
        w_class, a_class = space.weight_class[layer], space.input_class[layer]
        assert w_class is not None
        assert a_class is not None
        w, a = (np.flatnonzero(self.allowed[c]) for c in (w_class, a_class))
        same = w_class == a_class, energy is not None
        key = (*self.tables.key(layer, array), *same, *w.tolist(), None, *a.tolist())
        if key in self._traffic:
            return self._traffic[key]
        wide, bits = max(len(x) for x in space.bits), self.tables.operand_bits(layer)[w][:, a]
        table = self.tables.on(layer, array).tilings
        need = np.einsum("no,wao->awn", table.need, bits)
        per_bit = 1.0 if energy is None else energy.per_bit(layer, array.mapping)
        moved = np.einsum("no,wao->awn", table.traffic * per_bit, bits).astype(np.float64)
        at = np.searchsorted(self.highs, need)
        found = np.full((len(a), len(w), len(self.highs)), np.inf)
        rows = np.arange(len(a) * len(w))[:, None] * len(self.highs)
        np.minimum.at(found.ravel(), (rows + at.reshape(len(rows), -1)).ravel(), moved.ravel())
        found = np.minimum.accumulate(found, axis=2)
        if w_class == a_class:
            found[~np.eye(len(w), dtype=bool)] = np.inf
        grid = np.full((len(self.highs), wide, wide), np.inf)
        grid[:, a[:, None], w[None, :]] = np.moveaxis(found, 2, 0)
        self._traffic[key] = grid
        return grid
