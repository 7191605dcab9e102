"""Boxes of hardware that a segment may share.

A box is a mapping, ranges of rows, columns and widths of PEs on offer, and a range of SRAM sizes:
bits, or on an FPGA whole block RAMs.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def halved(self) -> tuple[Boxes, Whole]:
        """All of them cut in half, on every side, and of each the number of the one it is of."""
        found, of = self, np.arange(self.size)
        for side in range(SIDES):
            cut = found.end[:, side] - found.first[:, side] > 1
            middle = (found.first[:, side] + found.end[:, side]) // 2
            low, high = found.end.copy(), found.first.copy()
            low[cut, side] = middle[cut]
            high[cut, side] = middle[cut]
            found = _joined(found._replace(end=low), found._replace(first=high).take(cut))
            of = np.concatenate([of, of[cut]])
        cut = found.most_sram > found.least_sram
        roots = np.sqrt(found.least_sram.astype(float)) * np.sqrt(found.most_sram.astype(float))
        ends = found.least_sram, np.maximum(found.most_sram - 1, found.least_sram)
        middle = np.clip(roots.astype(np.int64), *ends)
        lower = found._replace(most_sram=np.where(cut, middle, found.most_sram))
        upper = found._replace(least_sram=middle + 1).take(cut)
        return _joined(lower, upper), np.concatenate([of, of[cut]])


def _joined(*parts: Boxes) -> Boxes:
    return Boxes(*(np.concatenate(x) for x in zip(*parts, strict=True)))


class BoxesOfEach(NamedTuple):
    """Boxes for each of a hybrid's segments, of each as many, which belong together.

    Attributes
    ----------
    each : tuple of Boxes
    """

    each: tuple[Boxes, ...]

    @property
    def size(self) -> int:
        """How many."""
        return self.each[0].size

    @property
    def whole(self) -> bool:
        """Whether any has more than one of anything."""
        return any(bool(x.whole.any()) for x in self.each)

    def take(self, kept: Whole) -> BoxesOfEach:
        """Some of them."""
        return BoxesOfEach(tuple(x.take(kept) for x in self.each))

    def halved(self, number: int) -> BoxesOfEach:
        """Those of one segment cut in half, in turn, if there is anything to cut.

        Parameters
        ----------
        number : int
            How often they were cut before.
        """
        cut = number % len(self.each)
        if not self.each[cut].whole.any():
            cut = (cut + 1) % len(self.each)
        mine, of = self.each[cut].halved()
        others = [x.take(of) for x in self.each]
        return BoxesOfEach((*others[:cut], mine, *others[cut + 1 :]))

    @staticmethod
    def together(like: BoxesOfEach, parts: Sequence[BoxesOfEach]) -> BoxesOfEach:
        """All of some parts of boxes."""
        none = like.take(np.zeros(like.size, dtype=bool))
        every = (x.each for x in (none, *parts))
        return BoxesOfEach(tuple(_joined(*mine) for mine in zip(*every, strict=True)))

    @staticmethod
    def product(first: Sequence[Boxes]) -> BoxesOfEach:
        """Every box of each with every one of the others."""
        numbers = np.indices(tuple(x.size for x in first)).reshape(len(first), -1)
        return BoxesOfEach(tuple(x.take(n) for x, n in zip(first, numbers, strict=True)))
