"""What layers of a segment take at least on boxes of hardware that it may share.

On a box a layer takes the cycles of the fastest of its arrays, and moves what the tiling of least
traffic moves that any of them has within the most SRAM. Where energy counts, it spends the least
that any of them spends whatever the tiling, and the least of any tiling; on one array it has a
choice of the tilings to which no other that fits is as good in both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.shared_boxes import Boxes
from codesign.checking.certificate.tiling_menus import Menus
from codesign.checking.certificate.tilings import LayerTilings, Staircases, shape_of, steps
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.cost_model import Array, ceil_div, turns
from codesign.checking.problem import Problem

Pair = tuple[int, int]  # widths of weights and of the input
Sides = tuple[int, ...]  # a mapping, first rows and columns, ends of both


class OnBoxes(NamedTuple):
    """A layer on boxes, in one way or in several.

    Attributes
    ----------
    cycles : whole numbers, shape (B,)
    bits : whole numbers, shape (ways, pairs, B)
        Of operands and partial sums to and from DRAM.
    spent : whole numbers
        Of the same shape: energy, in its unit, with that of these bits.
    runs : bools
        Of the same shape: what takes the widths, and has a tiling that fits.
    """

    cycles: Whole
    bits: Whole
    spent: Whole
    runs: Whole


class SharedLayers:
    """What layers take on boxes of a problem's hardware.

    Parameters
    ----------
    energy : EnergyCosts or None
        Where it counts.
    """

    def __init__(
        self,
        problem: Problem,
        energy: EnergyCosts | None = None,
        check_time: Callable[[], None] = lambda: None,
    ) -> None:
        self.problem, self.choices, self.energy = problem, problem.choices, energy
        self.network, self.check_time = problem.network, check_time
        self.block_bits = problem.technology.block_bits
        every = (problem.allowed(source) for source in self.network.sources)
        self.widths = tuple(sorted({bits for each in every for bits in each}))
        self._tilings: dict[object, LayerTilings] = {}
        self._shapes: dict[object, dict[object, Array]] = {}
        self._cycles: dict[object, int] = {}
        self._merged: dict[object, Staircases] = {}
        self._menus: dict[object, Menus] = {}
        self._spent: dict[object, int] = {}
        self._least_spent: dict[object, list[int]] = {}
        self._works: dict[object, tuple[object, ...]] = {}

    def pairs(self, n: int) -> list[Pair]:
        """Pairs of widths that a layer may have, whatever the PEs."""
        layer = self.network.layers[n]
        weights = self.problem.allowed(layer.weight_source or "")
        return [*product(weights, self.problem.allowed(f"tensor:{layer.input}"))]

    def on(self, n: int, boxes: Boxes) -> OnBoxes:
        """A layer with MACs on boxes."""
        pairs, count = self.pairs(n), boxes.size
        cycles = np.zeros(count, dtype=np.int64)
        found: list[tuple[Whole, tuple[Whole, ...]]] = []
        sides = np.column_stack([boxes.mapping, boxes.first[:, :2], boxes.end[:, :2]])
        every, at = np.unique(sides, axis=0, return_inverse=True)
        order = np.argsort(at.ravel(), kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(at.ravel()))[:-1])
        for side, mine in zip(every.tolist(), groups, strict=True):
            key = tuple(side)
            if self._arrays(key):
                cycles[mine] = self._least_cycles(n, key)
                found.append((mine, self._tiled(n, key, boxes.most_sram[mine] * self.block_bits)))
        ways = max((len(bits) for _, (bits, _, _) in found), default=1)
        shape = ways, len(pairs), count
        moved, spent = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        runs = np.zeros(shape, dtype=bool)
        for mine, (bits, energies, fits) in found:
            for into, amount in ((moved, bits), (spent, energies), (runs, fits)):
                into[: len(amount), :, mine] = amount
        wide = self._widest(boxes)
        for k, pair in enumerate(pairs):
            runs[:, k] &= (wide[0] >= pair[0]) & (wide[1] >= pair[1])
        return OnBoxes(cycles, moved, spent, runs)

    def _tiled(self, n: int, sides: Sides, room: Whole) -> tuple[Whole, Whole, Whole]:
        """(ways, pairs, boxes) each: DRAM bits, energy, and whether a tiling fits the room."""
        pairs, shape = len(self.pairs(n)), (-1, len(self.pairs(n)), len(room))
        which, rooms = np.repeat(np.arange(pairs), len(room)), np.tile(room, pairs)
        if self.energy is None:
            bits, fits = self._stairs(n, sides).least_traffic(which, rooms)
            return bits.reshape(shape), np.zeros((1, *shape[1:]), np.int64), fits.reshape(shape)
        if len(self._arrays(sides)) == 1:
            (bits, cost), fits = self._menus_of(n, sides).within(which, rooms)
        else:
            bits, fits = self._stairs(n, sides).least_traffic(which, rooms)
            cost, _ = self._stairs(n, sides, by_cost=True).least_traffic(which, rooms)
        _, unit_j = self.energy.whole_of_dram_bits(self._mapping(sides))
        spent = rounded_down(cost, unit_j / self.energy.unit).reshape(shape)
        beside = np.array(self._beside(n, sides))[:, None]
        return bits.reshape(shape), spent + beside, (fits > 0).reshape(shape)

    def _widest(self, boxes: Boxes) -> tuple[Whole, Whole]:
        offered = self.choices.pe_weight_bits, self.choices.pe_activation_bits
        weights, inputs = (
            np.array(bits)[boxes.end[:, 2 + n] - 1] for n, bits in enumerate(offered)
        )
        return weights, inputs

    def _mapping(self, sides: Sides) -> str:
        return self.choices.machine.mapping[sides[0]]

    def _arrays(self, sides: Sides) -> list[Array]:
        """Of a mapping and ranges of rows and columns."""
        _, r0, c0, r1, c1 = sides
        choices, engine = self.choices, self.problem.technology.engine
        how = engine, self._mapping(sides), choices.machine.skips_zeros
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

    def _least_cycles(self, n: int, sides: Sides) -> int:
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

    # Energy whatever the tiling -----------------------------------------------------------------

    def _beside(self, n: int, sides: Sides) -> list[int]:
        """Of each pair of widths, the least of any of some arrays."""
        assert self.energy is not None
        key = self._geometry[n], sides, tuple(self.pairs(n))
        if key not in self._least_spent:
            alike = {self._work(n, x): x for x in self._arrays(sides)}
            self._least_spent[key] = [
                min(self._spent_on(n, work, x, pair) for work, x in alike.items())
                for pair in self.pairs(n)
            ]
        return self._least_spent[key]

    def _work(self, n: int, array: Array) -> tuple[object, ...]:
        """What a layer's energy depends on of an array."""
        key = self._geometry[n], array
        if key not in self._works:
            layer = self.network.layers[n]
            each = turns(layer, array)
            added = sum(x.outputs * x.reduction for x in each)
            used = sum(x.window * x.pixels for x in each)
            self._works[key] = array.mapping, added, used, ceil_div(layer.K, array.cols)
        return self._works[key]

    def _spent_on(self, n: int, work: object, array: Array, pair: Pair) -> int:
        assert self.energy is not None
        key = self._geometry[n], work, pair
        if key not in self._spent:
            operands = Operands(*pair)
            self._spent[key] = self.energy.beside(self.network.layers[n], array, operands)
        return self._spent[key]

    # Tilings ------------------------------------------------------------------------------------

    def _tilings_of(self, n: int, array: Array) -> tuple[object, LayerTilings]:
        layer, measures = self.network.layers[n], tuple[tuple[int, ...], ...]()
        if self.energy is not None:
            measures = (self.energy.whole_of_dram_bits(array.mapping)[0],)
        key = shape_of(layer, array), measures
        if key not in self._tilings:
            self.check_time()
            self._tilings[key] = LayerTilings(layer, array, self.widths, per_bit=measures)
        return key, self._tilings[key]

    def _on_shapes(self, n: int, sides: Sides) -> dict[object, LayerTilings]:
        """Tilings on arrays of different kinds among some."""
        at = self._geometry[n], sides
        if at not in self._shapes:
            layer = self.network.layers[n]
            self._shapes[at] = {shape_of(layer, x): x for x in self._arrays(sides)}
        return dict(self._tilings_of(n, x) for x in self._shapes[at].values())

    def _stairs(self, n: int, sides: Sides, by_cost: bool = False) -> Staircases:
        """Least traffic by room, of each pair of widths, on any of some arrays; or least cost."""
        shapes, pairs = self._on_shapes(n, sides), self.pairs(n)
        key = frozenset(shapes), tuple(pairs), by_cost
        if key not in self._merged:
            each = [[x.stairs(*y, by_cost) for x in shapes.values()] for y in pairs]
            self._merged[key] = Staircases([_best(x) for x in each])
        return self._merged[key]

    def _menus_of(self, n: int, sides: Sides) -> Menus:
        """Tilings by room, of each pair of widths, on the only array there is."""
        (array,), pairs = self._arrays(sides), self.pairs(n)
        shape, table = self._tilings_of(n, array)
        key = shape, tuple(pairs)
        if key not in self._menus:
            self._menus[key] = Menus([table.fitting(*x) for x in pairs], 2)
        return self._menus[key]

    # Sizes of SRAM ------------------------------------------------------------------------------

    @cached_property
    def least_needs(self) -> dict[int, int]:
        """SRAM without which a layer has no tiling at all; of those with MACs."""
        return {n: min(self._needs(n, 0)) for n in self._macs}

    @cached_property
    def most_needs(self) -> dict[int, int]:
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
                needs, *_ = table.fitting(*pair)
                found[key] = int(needs.max() if which else needs.min())
        return [*found.values()]


def _best(each: list[tuple[Whole, Whole]]) -> tuple[Whole, Whole]:
    """Of several, the least by room."""
    if len(each) == 1:
        return each[0]
    needs, least = (np.concatenate(x) for x in zip(*each, strict=True))
    return steps(needs, least)
