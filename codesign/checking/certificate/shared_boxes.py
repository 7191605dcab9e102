"""Boxes of hardware that a segment may share.

A box is a mapping, ranges of rows, columns and widths of PEs on offer, and a range of SRAM sizes:
bits, or on an FPGA whole block RAMs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.whole_numbers import Whole

SIDES = 4  # rows, columns, and widths of PEs for weights and activations


class Boxes(NamedTuple):
    """Boxes, B in all.

    Attributes
    ----------
    mapping : whole numbers, shape (B,)
        Index of the mapping.
    first, end : whole numbers, shape (B, 4)
        Of ranges of indices of rows, columns, PE widths for weights and activations.
    least_sram, most_sram : whole numbers, shape (B,)
        Bits, or block RAMs.
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
