"""What hardware that a segment may share takes at least, in boxes.

Of a box the area is that of the smallest PEs with the least SRAM. More SRAM than any tiling needs
is of no use: boxes end there. What its layers take is of
`codesign.checking.certificate.shared_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from codesign.checking.certificate.shared_boxes import SIDES, Boxes
from codesign.checking.certificate.shared_layers import SharedLayers
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.technology import UM2_PER_MM2, Silicon


class SharedHardware(SharedLayers):
    """Boxes of a problem's hardware, which is of silicon, and what they take."""

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
            np.full(count, least),
            np.full(count, most),
        )

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
