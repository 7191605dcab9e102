"""Tensors on chip: where each is, the SRAM that those take which stay there, cycles of moving.

A tensor that a layer writes and a layer reads may stay on chip. It then moves no DRAM bits, and
takes all its bits during every layer from the first that writes it to the last that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codesign.checking.cost_model import Array, ceil_div
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, Network

PLACES = ("chip", "dram")


@dataclass(frozen=True)
class Residency:
    """Which tensors stay on chip.

    Attributes
    ----------
    names : frozenset of str
        Those that do.
    live_bits : tuple of int
        SRAM bits that they take during each layer.
    """

    names: frozenset[str]
    live_bits: tuple[int, ...]


def check_on_chip(
    entry: Entry,
    network: Network,
    tensor_bits: Mapping[str, int],
    pinned: Mapping[str, str],
) -> Residency:
    """Compare the place of every tensor with where it can be, and with where it is pinned."""
    entry.known_keys(network.tensors)
    names = [name for name in network.tensors if entry[name].text(PLACES) == "chip"]
    for name in network.tensors:
        may = name in network.lifetimes or name not in names
        expected = "dram, as an input or a result of the network"
        entry.ledger.holds(entry[name].where, may, "chip", expected)
        if name in pinned:
            entry.ledger.same(entry[name].where, entry[name].value, pinned[name])
    staying = [name for name in names if name in network.lifetimes]
    return Residency(frozenset(staying), _live_bits(network, tensor_bits, staying))


def _live_bits(
    network: Network, tensor_bits: Mapping[str, int], names: list[str]
) -> tuple[int, ...]:
    found = [0] * len(network.layers)
    for name in names:
        first, last = network.lifetimes[name]
        for n in range(first, last + 1):
            found[n] += network.tensors[name] * tensor_bits[name]
    return tuple(found)


def movement_cycles(network: Network, layer: Layer, array: Array) -> int:
    """``⌈max(elements read, elements written)/(rows·engine)⌉``, as the SRAM feeds the array."""
    read = sum(network.touched(layer, name) for name in (layer.input, *layer.residuals))
    moved = max(read, network.touched(layer, layer.output))
    return ceil_div(moved, array.rows * array.engine)


def read_places(entry: Entry, network: Network) -> tuple[bool, dict[str, str]]:
    """Whether a problem lets tensors stay on chip, and the places that it pins."""
    staying = entry.get("on_chip", "none").text(("tensors", "none")) == "tensors"
    given = entry.get("places", {})
    given.known_keys(network.tensors)
    places = {name: place.text(PLACES) for name, place in given.table().items()}
    if places and not staying:
        given.fault("no places where no tensor stays on chip")
    for name, place in given.table().items():
        if place.value == "chip" and name not in network.lifetimes:
            place.fault("dram, as an input or a result of the network")
    return staying, places
