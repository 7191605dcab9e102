"""The widths of a network's sources, as the rows of a result have them, and what they cost.

A source is ``weight:<layer>`` or ``tensor:<tensor>``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from codesign.specs.network import Layer, Network


class Row(Protocol):
    """One layer of a result."""

    @property
    def weight_bits(self) -> int | None:
        """Width of the weight operand; None where data only moves."""


def owned_weights(network: Network, rows: Sequence[Row]) -> list[tuple[Layer, int]]:
    """Every layer with weights of its own, and their width."""
    return [
        (layer, row.weight_bits)
        for layer, row in zip(network.layers, rows, strict=True)
        if layer.owns_weights and row.weight_bits is not None
    ]


def all_widths(
    network: Network, rows: Sequence[Row], tensor_bits: Mapping[str, int]
) -> dict[str, int]:
    """The width of every source, the network's results included."""
    widths = {f"weight:{layer.name}": bits for layer, bits in owned_weights(network, rows)}
    return widths | {f"tensor:{name}": bits for name, bits in tensor_bits.items()}


def model_bits(network: Network, rows: Sequence[Row]) -> float:
    """Bits of all weights."""
    return float(sum(layer.weights * bits for layer, bits in owned_weights(network, rows)))


def noise(
    network: Network,
    rows: Sequence[Row],
    tensor_bits: Mapping[str, int],
    noise_of: Callable[[str, int], float],
) -> float:
    """Noise of all weights and inner tensors.

    Parameters
    ----------
    noise_of : callable
        Noise of a source at a width.
    """
    each = [noise_of(f"weight:{layer.name}", bits) for layer, bits in owned_weights(network, rows)]
    each += [noise_of(f"tensor:{name}", tensor_bits[name]) for name in network.inner_tensors]
    return math.fsum(each)
