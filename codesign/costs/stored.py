"""Tensors as DRAM stores them: their channels in multiples of a number.

A tensor is stored with all channels that a layer writes, G·K, rounded up to a multiple of ``n``: of
several that write parts of it, each by itself; an input of the network with those of its first
reader. So it has one size,

    stored = Σ_writers outputs·⌈G·K/n⌉·n/(G·K)

to all that read it, whatever shape they read it in, and ``stored/elements`` is its factor: what a
layer moves of it between DRAM and SRAM counts so many times, each operand of a tiling and each
output or residual rounded up to whole elements. What passes the SRAM on that way, for its energy
and its port, is as much, padding too; what is held there, tiles and residents, is not padded.
Weights that are no tensor, and partial sums, are stored as they are.

Left out: rows, columns and images that are aligned too, and readers that skip the padding of a
tensor they read in another shape.
"""

from __future__ import annotations

from dataclasses import replace

from codesign.costs.tiling import Tilings
from codesign.specs.network import Layer, Network


def stored_tilings(table: Tilings, network: Network, layer: Layer, multiple: int | None) -> Tilings:
    """Tilings of a layer with what they move as DRAM stores it."""
    factors = network.operand_factors(layer, multiple)
    if all(factor == 1 for factor in factors):
        return table
    traffic = table.traffic.copy()
    for operand, factor in enumerate(factors):
        exact = traffic[:, operand].astype(object)  # times a numerator, of more than 64 bits
        traffic[:, operand] = -(-exact * factor.numerator // factor.denominator)
    return replace(table, traffic=traffic)
