"""What hardware that a segment may share takes at least, in boxes.

Of a box that is what the smallest PEs take, and the least SRAM. More SRAM than any tiling needs is
of no use: boxes end there. On an FPGA the SRAM is of whole block RAMs, of which all bits may be
used. What layers take is of `codesign.checking.certificate.shared_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from codesign.checking.certificate.shared_boxes import SIDES, Boxes
from codesign.checking.certificate.shared_layers import SharedLayers
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.technology import UM2_PER_MM2, Fpga

Ranges = tuple[int, ...]  # first rows and columns, ranges of PE widths


class SharedHardware(SharedLayers):
    """Boxes of a problem's hardware, and what they take."""

    def first(self, segment: Sequence[int]) -> Boxes:
        """One box for each mapping, of all there is for a segment."""
        choices, macs = self.choices, [n for n in segment if not self.network.layers[n].moves]
        count = len(choices.machine.mapping)
        sides = choices.rows, choices.cols, choices.pe_weight_bits, choices.pe_activation_bits
        most = max(self.most_needs[n] for n in macs)
        least = min(max(self.least_needs[n] for n in macs), most)
        return Boxes(
            np.arange(count),
            np.zeros((count, SIDES), dtype=np.int64),
            np.tile(np.array([len(x) for x in sides]), (count, 1)),
            np.full(count, -(-least // self.block_bits)),
            np.full(count, -(-most // self.block_bits)),
        )

    def taken(self, boxes: Boxes, name: str, unit: Fraction) -> Whole:
        """(B,): the least of each of a metric of the hardware, in units, rounded down."""
        pes = np.column_stack([boxes.first, boxes.end[:, 2:]])
        every, at = np.unique(pes, axis=0, return_inverse=True)
        each = [int(self._pes(name, tuple(x)) // unit) for x in every.tolist()]
        slope = self.problem.technology.per_bit[name] * self.block_bits
        srams = rounded_down(boxes.least_sram, slope / unit)
        fixed = self._sram_intercept // unit
        return np.asarray(np.array(each, dtype=object)[at.ravel()] + srams + int(fixed))

    @property
    def _sram_intercept(self) -> Fraction:
        """Of an SRAM beside its bits or blocks."""
        technology = self.problem.technology
        if isinstance(technology, Fpga):
            return Fraction(0)
        return technology.sram_intercept / UM2_PER_MM2

    def _pes(self, name: str, ranges: Ranges) -> Fraction:
        """Of the fewest rows and columns, and the smallest PE of ranges of widths."""
        row, col, w0, a0, w1, a1 = ranges
        choices, technology = self.choices, self.problem.technology
        widths = product(choices.pe_weight_bits[w0:w1], choices.pe_activation_bits[a0:a1])
        rows, cols, overhead = choices.rows[row], choices.cols[col], self.problem.area_overhead
        if isinstance(technology, Fpga):
            on = rows * cols, overhead
            each = (technology.terms(*on, x, (), cols)[name] for x in widths)
            return min(sum(terms, Fraction(0)) for terms in each)
        pe_um2 = min(sum(technology.pe_terms_um2(*x), Fraction(0)) for x in widths)
        return overhead * rows * cols * pe_um2 / UM2_PER_MM2
