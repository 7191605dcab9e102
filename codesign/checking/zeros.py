"""Outputs of windows over inserted zeros, by how much of the window meets stored elements.

Along one direction an output begins at some offset from a stored element; what its window meets is
counted position by position. Offsets repeat after as many outputs as make a phase of each.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product
from typing import NamedTuple

from codesign.checking.network import Layer


class Phase(NamedTuple):
    """Outputs of one offset down and one across, and the positions of the window they use."""

    rows: int
    cols: int
    window: int


def phases(layer: Layer) -> list[Phase]:
    """Every phase of a layer that has outputs."""
    down = _along(layer, 0, layer.P, layer.R)
    across = _along(layer, 1, layer.Q, layer.S)
    return [Phase(rows, cols, r * s) for (rows, r), (cols, s) in product(down, across)]


def _along(layer: Layer, axis: int, outputs: int, taps: int) -> list[tuple[int, int]]:
    steps = layer.stride[axis], layer.dilation[axis], layer.input_dilation[axis]
    return _phases(outputs, taps, *steps)


@cache
def _phases(
    outputs: int, taps: int, stride: int, dilation: int, spacing: int
) -> list[tuple[int, int]]:
    """Outputs of each phase and kernel rows (columns) that they use, most first.

    The padding decides which phases those are, and which has an output more: the most counts.
    """
    offsets: dict[int, int] = {}
    for tap in range(min(taps, spacing)):  # tap and tap + spacing meet data at the same offset
        offset = tap * dilation % spacing
        alike = 1 + (taps - 1 - tap) // spacing
        offsets[offset] = offsets.get(offset, 0) + alike
    met = sorted([*offsets.values()], reverse=True)
    count = spacing // math.gcd(stride, spacing)
    each, more = divmod(outputs, count)
    present = count if each else more
    found = []
    for n in range(min(present, len(met))):
        found.append((each + (n < more), met[n]))
    nothing = outputs - sum(size for size, _ in found)
    return [*found, (nothing, 0)] if nothing else found


def phases_in_turn(layer: Layer) -> tuple[int, int]:
    """Phases of rows, and of columns, until the first comes again."""
    down, across = (
        layer.input_dilation[axis] // math.gcd(layer.stride[axis], layer.input_dilation[axis])
        for axis in (0, 1)
    )
    return down, across


def computed_macs(layer: Layer) -> int:
    """MACs without those of inserted zeros."""
    if layer.moves:
        return 0
    products = sum(phase.rows * phase.cols * phase.window for phase in phases(layer))
    return layer.N * layer.G * layer.K * layer.C * products
