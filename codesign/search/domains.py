"""Domains of widths and places: what a MILP may choose from once bounds have excluded the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codesign.arrays import Bools
from codesign.search.bounds.relaxation import Marginals


class Domains(NamedTuple):
    """What is left."""

    pairs: Bools  # (layers, widths, widths): weight width × input width
    variable_allowed: Bools  # (width variables, widths)
    places: Bools = np.zeros((2, 0, 1), dtype=bool)  # (2, placed tensors, widths): DRAM, chip
    runs: Bools = np.zeros(0, dtype=bool)  # (fused runs,)

    @classmethod
    def within(cls, marginals: Marginals, ceiling: float) -> Domains:
        """What costs at most so much where it is forced; without a ceiling, what can be forced.

        A tensor that is on chip for nothing cannot be forced into DRAM: what joint options cost
        counts on it.
        """
        return cls(*((each <= ceiling) & (each < np.inf) for each in marginals))

    def __and__(self, other: Domains) -> Domains:
        """What is left in both."""
        return Domains(*(mine & its for mine, its in zip(self, other, strict=True)))
