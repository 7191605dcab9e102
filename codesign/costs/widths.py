"""What widths cost on any hardware: bit operations, model size and quantisation noise.

A source of noise is ``weight:<layer>`` or ``tensor:<tensor>``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.specs.network import Layer, Network


def layer_bops(layer: Layer, weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike) -> Floats:
    """``macs·(bw·ba + bw + ba + log2(C·R·S))`` (Baskin et al., UNIQ); widths broadcast together."""
    bw = np.asarray(weight_bits, dtype=np.float64)
    ba = np.asarray(activation_bits, dtype=np.float64)
    return np.asarray(layer.macs * (bw * ba + bw + ba + layer.log2_reduction), dtype=np.float64)


def default_noise(bits: npt.ArrayLike) -> Floats:
    """``4^(−b)``: quantisation noise of a tensor at ``b`` bits, relative to sensitivity 1.

    Uniform quantisation halves its step with each bit, so the noise power falls by four. It is the
    ratio of that power to the tensor's own where values are uniformly distributed over the range
    (`codesign.quality.budget` derives it).
    """
    return np.asarray(np.exp2(-2.0 * np.asarray(bits, dtype=np.float64)), dtype=np.float64)


class HasWeightBits(Protocol):
    """One layer of a result."""

    @property
    def weight_bits(self) -> int | None:
        """Width of the weight operand; None where data only moves."""


def owned_weights(
    network: Network, rows: Sequence[HasWeightBits], member: int | None = None
) -> list[tuple[Layer, int]]:
    """Every layer with weights of its own, and their width; of one member, or of all.

    Of a member also the first layer with weights that it shares with members before it.
    """
    each = zip(network.layers, rows, network.member_of, network.first_uses, strict=True)
    return [
        (layer, row.weight_bits)
        for layer, row, m, first in each
        if row.weight_bits is not None
        and (layer.owns_weights if member is None else first and m == member)
    ]


def all_widths(
    network: Network, rows: Sequence[HasWeightBits], tensor_bits: Mapping[str, int]
) -> dict[str, int]:
    """The width of every source, the network's results included."""
    widths = {f"weight:{layer.name}": bits for layer, bits in owned_weights(network, rows)}
    return widths | {f"tensor:{name}": bits for name, bits in tensor_bits.items()}


def model_bits(network: Network, rows: Sequence[HasWeightBits], member: int | None = None) -> float:
    """Bits of all weights; of one member, or of all."""
    return float(sum(layer.weights * bits for layer, bits in owned_weights(network, rows, member)))


def noise(
    network: Network,
    rows: Sequence[HasWeightBits],
    tensor_bits: Mapping[str, int],
    noise_of: Callable[[str, int], float],
    member: int | None = None,
) -> float:
    """Noise of all weights and inner tensors; of one member, or of all.

    Parameters
    ----------
    noise_of : callable
        Noise of a source at a width.
    """
    owned, of = owned_weights(network, rows, member), network.members_of_source
    each = [noise_of(layer.weight_source, bits) for layer, bits in owned]
    for name in network.inner_tensors:
        if member is None or member in of[f"tensor:{name}"]:
            each.append(noise_of(f"tensor:{name}", tensor_bits[name]))
    return math.fsum(each)
