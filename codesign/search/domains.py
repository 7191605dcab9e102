"""Domains of the widths: what a MILP may choose from once bounds have excluded the rest."""

from __future__ import annotations

from typing import NamedTuple

from codesign.arrays import Bools, Floats

Marginals = tuple[Floats, Floats]  # of width variables and of pairs; see `Relaxation.marginals`


class Domains(NamedTuple):
    """Widths left."""

    pairs: Bools  # (layers, widths, widths): weight width × input width
    variable_allowed: Bools  # (width variables, widths)

    @classmethod
    def within(cls, marginals: Marginals, ceiling: float) -> Domains:
        """What costs at most so much where it is forced."""
        width, pair = marginals
        return cls(pair <= ceiling, width <= ceiling)

    def __and__(self, other: Domains) -> Domains:
        """What is left in both."""
        return Domains(self.pairs & other.pairs, self.variable_allowed & other.variable_allowed)
