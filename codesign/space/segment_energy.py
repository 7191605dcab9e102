"""What the layers of a segment take in energy, on the arrays on offer, without static power.

The definition is that of `codesign.costs.energy`, of layers whose tensors are all in DRAM. A layer
takes so much on an array at a pair of widths, whatever its tiling; so much for each DRAM bit of
each operand, whatever the array; and the bits of its output are read from the SRAM on their way to
DRAM. What DRAM bits beside operands cost is not of the segment alone, and counted elsewhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.costs.energy import Rates, accesses, constant_j, j_per_dram_bit, mac_j
from codesign.costs.port import OPERANDS
from codesign.costs.tiling import operand_bits
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import LayerTilings, SharedArray
from codesign.specs.machine import Mapping


class SegmentEnergy:
    """Energies of layers with MACs, at all widths of their classes.

    Parameters
    ----------
    rates : Rates
        Static power is not counted.
    """

    def __init__(self, space: PipelineSpace, rates: Rates) -> None:
        self.space, self.rates, self.choices = space, rates, space.choices
        self.engine = space.problem.technology.engine
        self.rows, self.cols = list(self.choices.rows), list(self.choices.cols)
        self._known: dict[tuple[object, ...], Floats] = {}

    def per_bit(self, layer: int, mapping: Mapping) -> Floats:
        """(3,): J for a DRAM bit of weights, ifmap and partial sums, with those of the SRAM."""
        found = accesses(self.space.network.layers[layer], 1, 1, self.engine, mapping)
        return np.asarray(j_per_dram_bit(found, self.rates)[OPERANDS])

    def on(self, layer: int, array: SharedArray) -> Floats:
        """(inputs' widths, weights' widths): J whatever the tiling, MACs included."""
        key = layer, array
        if key not in self._known:
            self._known[key] = self._on(layer, array.mapping, array.rows, array.cols)
        return self._known[key]

    def least_on(self, layer: int, arrays: list[SharedArray]) -> Floats:
        """The same, the least on any of these arrays, of one mapping."""
        key = layer, arrays[0].mapping
        if key not in self._known:
            sides = np.array(self.rows), np.array(self.cols)
            each = (x.reshape(-1, 1, 1) for x in np.meshgrid(*sides, indexing="ij"))
            self._known[key] = self._on(*key, *each)
        at = [self.rows.index(x.rows) * len(self.cols) + self.cols.index(x.cols) for x in arrays]
        return np.asarray(self._known[key][at].min(axis=0))

    def _on(self, layer: int, mapping: Mapping, rows: npt.ArrayLike, cols: npt.ArrayLike) -> Floats:
        of, bits = self.space.network.layers[layer], self._operand_bits(layer)
        skips = self.space.platform.machine.zero_skipping
        found = accesses(of, rows, cols, self.engine, mapping, zero_skipping=skips)
        macs = mac_j(of, bits[..., 0], bits[..., 1], self.rates, skips)
        return np.asarray(constant_j(found, bits, self.rates) + macs)

    def _operand_bits(self, layer: int) -> Ints:
        """(inputs' widths, weights' widths, 3)."""
        space = self.space
        w, a = space.weight_class[layer], space.input_class[layer]
        assert w is not None
        assert a is not None
        of = space.network.layers[layer]
        each = np.array(space.bits[w])[None, :], np.array(space.bits[a])[:, None]
        return operand_bits(*each, of.accumulation_bits)

    def tiled(self, layer: int, array: SharedArray, tiled: LayerTilings, bits: Ints) -> Floats:
        """(..., tilings): J of operands' DRAM bits, at bits (..., 3) of an element of each."""
        per_bit = self.per_bit(layer, array.mapping)
        return np.asarray(bits @ (tiled.tilings.traffic * per_bit).T)

    @property
    def output_j_per_bit(self) -> float:
        """J for a bit of an output, beside DRAM."""
        return self.rates.sram_read_j_per_bit
