"""Enumerated designs of `oracle`, in the numbers of a `HardwareSpace`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import oracle
import oracle_bands

from codesign.space.hardware import HardwareSpace


class PlacedPoint(NamedTuple):
    """A design: hardware option, indices of widths, and what is on chip or fused.

    ``on_chip`` tells of each placed tensor, then of each fused run of the space.
    """

    option: int
    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    on_chip: tuple[bool, ...]
    point: oracle.Point

    @property
    def choice(self) -> tuple[object, ...]:
        """All but the SRAM."""
        return self[:4]


def options_of(space: HardwareSpace) -> list[oracle.HardwareOption]:
    """The hardware options of a space, in the oracle's words."""
    sides = zip(space.rows, space.cols, space.pe_weight_bits, space.pe_activation_bits, strict=True)
    return [
        oracle.HardwareOption(*map(int, side), space.mappings_of(n)) for n, side in enumerate(sides)
    ]


class PlacedPoints:
    """Translates designs of one problem."""

    def __init__(self, space: HardwareSpace) -> None:
        self.space, self.problem = space, space.problem
        self._bits = space.widths.tolist()
        self._option = {hardware: n for n, hardware in enumerate(options_of(space))}
        network = self.problem.network
        self._inside = [
            frozenset(oracle_bands.inside(network, range(r.first, r.last + 1))) for r in space.runs
        ]

    def of(self, point: oracle.Point) -> PlacedPoint:
        """One design."""
        widths, layers = point.widths, self.problem.network.layers
        ways = oracle_bands.all_runs(self.problem.network, self.problem.choices.fused_layers)
        fused = {
            frozenset(oracle_bands.inside(self.problem.network, run))
            for runs in ways
            if frozenset().union(*(oracle_bands.inside(self.problem.network, x) for x in runs))
            == point.bands
            for run in runs
        }
        return PlacedPoint(
            self._option[point.hardware],
            tuple(self._bits.index(widths[members[0]]) for members in self.space.variables),
            tuple(
                0 if x.moves else self._bits.index(oracle.layer_widths(x, widths)[0])
                for x in layers
            ),
            tuple(name in point.on_chip for name in self.space.placed)
            + tuple(each in fused for each in self._inside),
            point,
        )


def live_bits(space: HardwareSpace, placed: PlacedPoint) -> list[int]:
    """SRAM bits of resident tensors during each layer, as the space counts them."""
    widths, on_chip = np.array(placed.variable_width), np.array(placed.on_chip, dtype=bool)
    found: list[int] = space.resident_bits(widths, on_chip).tolist()
    return found
