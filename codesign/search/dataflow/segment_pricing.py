"""What layers that share an array cost: columns of a table beside those of stages.

A column of such a layer is a tiling at a pair of widths. Its time counts as a metric, of `SEGMENTS`
the one of its segment, that all of them together keep below the interval: the longer of what the
array and its own DRAM traffic take, outputs and residuals at their least widths. Its energy, where
that is asked about, is that of its operands; what outputs cost is of their classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.tiling import operand_bits
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.table import Block, Pricing, Range, Table
from codesign.space.energy_tilings import undominated_rows
from codesign.space.segment_energy import SegmentEnergy
from codesign.space.segments import HybridSpace, SegmentSpace

SEGMENTS = ("segment_s", "second_segment_s")  # seconds for an image
ENERGY = "energy_j"


class SegmentPricing(Pricing):
    """Costs of a segment's options beside those of stages."""

    space: SegmentSpace

    @cached_property
    def energy(self) -> SegmentEnergy | None:
        """Of shared layers; None where it is not asked about."""
        if ENERGY not in self.rows or self.rates is None:
            return None
        return SegmentEnergy(self.space, self.rates)

    def class_costs(self) -> list[Floats]:
        """As of `Pricing`; with the time of layers that only move data, and energy of outputs."""
        found = super().class_costs()
        self.add_moving_time(found)
        self.add_output_energy(found)
        return found

    def add_output_energy(self, found: Sequence[Floats]) -> None:
        """Add what shared layers' outputs take beside DRAM to costs of classes."""
        if self.energy is None:
            return
        for c, elements in self._outputs():
            if c is not None:
                each_j = elements * self.energy.output_j_per_bit
                found[c][:, self.rows.index(ENERGY)] += each_j * np.array(self.space.bits[c])

    def _outputs(self) -> list[tuple[int | None, int]]:
        """Of shared layers with MACs the class of the output, None of a result, and elements."""
        space, layers = self.space, self.space.network.layers
        outputs = [(layers[i], layers[i].output) for i in space.shared_layers]
        return [(space.class_of_tensor.get(x), space.network.touched(of, x)) for of, x in outputs]

    def add_moving_time(self, found: Sequence[Floats]) -> None:
        """Add the time of layers that only move data to costs of classes."""
        for i in self._moving():
            r = self.time_row(i)
            for c, count in self.space.other_elements(i):
                if c is not None:
                    found[c][:, r] += count * np.array(self.space.bits[c]) / self.rate

    def table(self, span: Range, allowed: Sequence[Bools], filtered: bool = True) -> Table | None:
        """As of `Pricing`; with what may be shared."""
        found = super().table(span, allowed, filtered)
        if found is None or not isinstance(self.space, HybridSpace):
            return found
        return replace(found, sharings=self.space.sharings)

    def constant(self) -> Floats:
        """As of `Pricing`; without what shared arrays take."""
        found, space = super().constant(), self.space
        for i in self._moving():
            count = sum(n for c, n in space.other_elements(i) if c is None)
            found[self.time_row(i)] += count * space.choices.output_bits / self.rate
        if self.energy is not None:
            results = sum(elements for c, elements in self._outputs() if c is None)
            each_j = self.energy.output_j_per_bit * space.choices.output_bits
            found[self.rows.index(ENERGY)] += results * each_j
        return found

    @property
    def rate(self) -> float:
        """Bits per second of the DRAM."""
        return self.space.platform.dram_bits_per_s

    def time_row(self, layer: int) -> int:
        """The row of the time of a layer's segment."""
        return self.rows.index(SEGMENTS[self.space.inside[layer]])

    def _moving(self) -> list[int]:
        return [i for i in self.space.inside if self.space.network.layers[i].moves]

    def _block(self, number: int, span: Range, allowed: Sequence[Bools], filtered: bool) -> Block:
        if isinstance(self.space, HybridSpace) and number in self.space.tiled:
            return self._tiled(self.space, number, allowed)
        return super()._block(number, span, allowed, filtered)

    def _tiled(self, space: HybridSpace, number: int, allowed: Sequence[Bools]) -> Block:
        """The tilings of a layer that fit, without those that others equal or beat."""
        layer, tiled = space.network.layers[number], space.tiled[number]
        sharing = space.sharings[space.inside[number]]
        w_class, a_class = space.weight_class[number], space.input_class[number]
        assert w_class is not None
        assert a_class is not None
        w, a = np.flatnonzero(allowed[w_class]), np.flatnonzero(allowed[a_class])
        bits_w, bits_a = np.array(space.bits[w_class]), np.array(space.bits[a_class])
        w = w[bits_w[w] <= max(pe[0] for pe in sharing.pes)]
        a = a[bits_a[a] <= max(pe[1] for pe in sharing.pes)]
        each = operand_bits(bits_w[w][:, None], bits_a[a][None, :], layer.accumulation_bits)
        need = np.einsum("no,wao->wan", tiled.tilings.need, each).astype(np.float64)
        moved = np.einsum("no,wao->wan", tiled.tilings.traffic, each).astype(np.float64)
        room = np.maximum(need, sharing.least_sram)
        if self.energy is None:
            spent, there = np.zeros_like(moved), _staircases(room, moved)
        else:
            on = number, space.arrays[space.inside[number]]
            fixed = self.energy.on(*on)[a][:, w].T
            spent = self.energy.tiled(*on, tiled, each) + fixed[:, :, None]
            there = _undominated(room, moved, spent)
        there &= need <= sharing.most_sram
        if w_class == a_class:
            there &= w[:, None, None] == a[None, :, None]
        ai, wi, oi = np.nonzero(there.transpose(1, 0, 2))
        needs, bits = need[wi, ai, oi], moved[wi, ai, oi]
        count = len(wi)
        cost = np.zeros((count, len(self.rows)))
        for r, name in enumerate(self.rows):
            if name == "dram_bits":
                cost[:, r] = bits
            elif name == "bops":
                cost[:, r] = layer_bops(layer, bits_w[w[wi]], bits_a[a[ai]])
            elif name == ENERGY:
                cost[:, r] = spent[wi, ai, oi]
            elif r == self.time_row(number):
                beside = space.other_bits(number, least_bits(space, allowed))
                own_s = tiled.cycles / space.platform.clock_hz
                cost[:, r] = np.maximum(own_s, (bits + beside) / self.rate)
        none = np.zeros(count, dtype=np.int64)
        return Block(
            layer=np.full(count, number),
            weight=w[wi],
            activation=a[ai],
            option=oi,
            beside=none,
            cycles=none,
            lag=np.zeros(count),
            waiting=np.zeros(count),
            cost=cost,
            need=needs,
        )


def least_bits(space: SegmentSpace, allowed: Sequence[Bools]) -> list[int]:
    """The least width of each class that is allowed."""
    return [bits[int(np.argmax(mine))] for bits, mine in zip(space.bits, allowed, strict=True)]


def _undominated(*costs: Floats) -> Bools:
    """Of (..., n) costs: which no other equals or beats in all; of equal ones the first."""
    found = np.zeros(costs[0].shape, dtype=bool)
    for at in np.ndindex(costs[0].shape[:-1]):
        found[at][undominated_rows(*(x[at] for x in costs))] = True
    return found


def _staircases(need: Floats, moved: Floats) -> Bools:
    """Of (..., n) costs: which no other equals or beats in both; of equal ones the first."""
    order: Ints = np.lexsort((moved, need), axis=-1)
    ascending = np.take_along_axis(moved, order, axis=-1)
    least = np.minimum.accumulate(ascending, axis=-1)
    better = np.ones(moved.shape, dtype=bool)
    better[..., 1:] = ascending[..., 1:] < least[..., :-1]
    found = np.empty_like(better)
    np.put_along_axis(found, order, better, axis=-1)
    return found
