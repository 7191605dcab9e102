"""Domains of widths and places: what a MILP may choose from once bounds have excluded the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from codesign.arrays import Bools
from codesign.search.bounds.relaxation import Marginals
from codesign.space.placement import FREE


class Domains(NamedTuple):
    """What is left."""

    pairs: Bools  # (layers, widths, widths): weight width × input width
    variable_allowed: Bools  # (width variables, widths)
    places: Bools = np.zeros((2, 0, 1), dtype=bool)  # (2, placed tensors, widths): DRAM, chip

    @classmethod
    def within(cls, marginals: Marginals, ceiling: float) -> Domains:
        """What costs at most so much where it is forced."""
        return cls(*(each <= ceiling for each in marginals))

    def with_places_in_dram(self, places: bytes) -> Domains:
        """The same where tensors that are on chip for nothing may be in DRAM too."""
        allowed = self.places.copy()
        free = np.frombuffer(places, dtype=np.uint8) == FREE
        allowed[0, free] |= allowed[1, free]
        return self._replace(places=allowed)

    def __and__(self, other: Domains) -> Domains:
        """What is left in both."""
        return Domains(*(mine & its for mine, its in zip(self, other, strict=True)))
