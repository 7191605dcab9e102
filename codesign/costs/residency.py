"""Tensors that stay on chip: what they take of the SRAM, and what they save.

A resident tensor takes all its bits during every layer from the first that writes it to the last
that reads it, and moves no DRAM bits, whole or in parts. An operand that is resident needs no tile
and is not fetched; partial sums that spill go to DRAM wherever the output stays. Nothing is written
in place: while a layer runs, its input and its output both take their room.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from codesign.costs.tiling import Tilings
from codesign.specs.network import Layer, Network


@dataclass(frozen=True)
class Residents:
    """What is on chip while one layer runs.

    Attributes
    ----------
    names : frozenset of str
        Every tensor that is resident at some time.
    bits : int
        SRAM bits of those that are while this layer runs.
    """

    names: frozenset[str]
    bits: int


def residents(
    network: Network,
    tensor_bits: Mapping[str, int],
    on_chip: Collection[str],
    runs: Iterable[range] = (),
) -> list[Residents]:
    """What is on chip during each layer, in the network's order.

    During all layers of a fused run, what is there during one.
    """
    each, born = resident_bits(network, tensor_bits, on_chip), [0] * len(network.layers)
    for name in on_chip:
        born[network.lifetimes[name][0]] += network.tensors[name] * tensor_bits[name]
    for run in runs:
        live = each[run[0]] + sum(born[n] for n in run[1:])
        each[run[0] : run.stop] = [live] * len(run)
    names = frozenset(on_chip)
    return [Residents(names, bits) for bits in each]


def resident_bits(
    network: Network, tensor_bits: Mapping[str, int], on_chip: Collection[str]
) -> list[int]:
    """SRAM bits of resident tensors during each layer, in the network's order."""
    change = [0] * (len(network.layers) + 1)
    for name in on_chip:
        first, last = network.lifetimes[name]
        bits = network.tensors[name] * tensor_bits[name]
        change[first] += bits
        change[last + 1] -= bits
    held, found = 0, []
    for step in change[:-1]:
        held += step
        found.append(held)
    return found


def without_resident(table: Tilings, weights: bool, ifmap: bool) -> Tilings:
    """The same tilings where the weight operand, or the ifmap, or both are resident."""
    fetched = [not weights, not ifmap, True]
    return replace(table, need=table.need * fetched, traffic=table.traffic * fetched)


def moved_elements(network: Network, layer: Layer) -> int:
    """The larger of what a layer that only moves data reads and writes, in elements."""
    read = sum(network.touched(layer, name) for name in layer.reads)
    return max(read, network.touched(layer, layer.output))
