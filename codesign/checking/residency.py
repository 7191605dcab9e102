"""Tensors on chip: where each is, the SRAM that those take which stay there, cycles of moving.

A tensor that a layer writes and a layer reads may stay on chip. It then moves no DRAM bits, and
takes all its bits during every layer from the first that writes it to the last that reads it; of a
fused run, see `codesign.checking.fusion`, during all layers what it takes during one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from codesign.checking.cost_model import Array, ceil_div
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.fusion import (
    LEAST_FUSED,
    MOST_FUSED,
    FusedRun,
    check_runs,
    may_be_bands,
)
from codesign.checking.network import Layer, Network

MODES = ("bands", "tensors", "none")
PLACES = ("chip", "dram")
WITH_BANDS = (*PLACES, "band")


@dataclass(frozen=True)
class Residency:
    """Which tensors stay on chip.

    Attributes
    ----------
    names : frozenset of str
        Those that do as a whole.
    live_bits : tuple of int
        SRAM bits that they take during each layer.
    runs : tuple of FusedRun
        Layers whose tensors in between are bands.
    """

    names: frozenset[str]
    live_bits: tuple[int, ...]
    runs: tuple[FusedRun, ...]


class Places(NamedTuple):
    """What a problem says of places.

    Attributes
    ----------
    on_chip : bool
        Whether tensors may stay on chip.
    fused_layers : int
        Layers of a fused run at most; 1 where tensors are no bands.
    pinned : dict of str to str
        Places that are given.
    """

    on_chip: bool
    fused_layers: int
    pinned: dict[str, str]


def check_on_chip(
    entry: Entry,
    network: Network,
    tensor_bits: Mapping[str, int],
    pinned: Mapping[str, str],
    fused_layers: int | None,
) -> Residency:
    """Compare the place of every tensor with where it can be, and with where it is pinned.

    Parameters
    ----------
    fused_layers : int or None
        As of `Places`; None: any.
    """
    entry.known_keys(network.tensors)
    known = PLACES if fused_layers == 1 else WITH_BANDS
    places = {name: entry[name].text(known) for name in network.tensors}
    for name, place in places.items():
        may = name in network.lifetimes or place != "chip"
        expected = "dram, as an input or a result of the network"
        entry.ledger.holds(entry[name].where, may, "chip", expected)
        if name in pinned:
            entry.ledger.same(entry[name].where, place, pinned[name])
    bands = {name: entry[name] for name, place in places.items() if place == "band"}
    runs = check_runs(network, bands, fused_layers)
    if runs is None:
        raise Unreadable
    staying = [name for name in network.lifetimes if places[name] == "chip"]
    return Residency(frozenset(staying), _live_bits(network, tensor_bits, staying, runs), runs)


def _live_bits(
    network: Network,
    tensor_bits: Mapping[str, int],
    names: Sequence[str],
    runs: Sequence[FusedRun],
) -> tuple[int, ...]:
    steps = [range(n, n + 1) for n in range(len(network.layers))]
    for run in runs:
        for n in run.layers:
            steps[n] = run.layers
    found = [0] * len(network.layers)
    for name in names:
        first, last = network.lifetimes[name]
        for n, step in enumerate(steps):
            if step.start <= last and step.stop > first:
                found[n] += network.tensors[name] * tensor_bits[name]
    return tuple(found)


def movement_cycles(network: Network, layer: Layer, array: Array) -> int:
    """``⌈max(elements read, elements written)/(rows·engine)⌉``, as the SRAM feeds the array."""
    read = sum(network.touched(layer, name) for name in (layer.input, *layer.residuals))
    moved = max(read, network.touched(layer, layer.output))
    return ceil_div(moved, array.rows * array.engine)


def read_places(entry: Entry, network: Network) -> Places:
    """What the choices of a problem say of places; without a word on them, all are in DRAM."""
    mode = entry.get("on_chip", "none").text(MODES)
    fused_layers, most = 1, entry.get("fused_layers", None)
    if mode == "bands":
        fused_layers = entry["fused_layers"].whole(LEAST_FUSED, MOST_FUSED)
    elif most.value is not None:
        most.fault("no entry where no tensor is a band")
    given = entry.get("places", {})
    given.known_keys(network.tensors)
    known = WITH_BANDS if mode == "bands" else PLACES
    places = {name: place.text(known) for name, place in given.table().items()}
    if places and mode == "none":
        given.fault("no places where no tensor stays on chip")
    may_be = may_be_bands(network, fused_layers)
    for name, place in given.table().items():
        if place.value == "chip" and name not in network.lifetimes:
            place.fault("dram, as an input or a result of the network")
        if place.value == "band" and name not in may_be:
            place.fault(f"a tensor between two of at most {fused_layers} layers that may be fused")
    return Places(mode != "none", fused_layers, places)
