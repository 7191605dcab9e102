"""What a result shares with its network: a width per tensor, a row per layer, what is known.

Every function refuses what does not fit by a `SpecError` that names it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from codesign.costs.fusion import FusedRun, runs_of
from codesign.costs.layers import LayerDesign, Tile
from codesign.costs.residency import residents
from codesign.costs.roofline import roofs
from codesign.errors import SpecError
from codesign.problem.choices import Place
from codesign.results.records import PipelineHardware
from codesign.specs.accelerator import Hardware
from codesign.specs.machine import MACHINE_FIELDS, PLAIN, Machine
from codesign.specs.network import Network

OF_TILES = ("tile", "order", "cycles", "sram_bits")  # None where there are no tiles
OF_TIMES = ("memory_s", "latency_s", "bound_by")  # None where no DRAM bandwidth is known
MOVES_ONLY = "a layer that only moves data has none"


def check_names(what: str, right: Iterable[str], given: Iterable[str]) -> None:
    """Refuse names that are not the right ones, naming one that is missing or unknown."""
    known = {*right}
    odd = known ^ {*given}
    if odd:
        name = min(odd)
        raise SpecError(f"{what}: {name!r} is {'missing' if name in known else 'unknown'}")


def check_positive(metrics: Mapping[str, float]) -> None:
    """Refuse a design without time or area, which rates are divided by."""
    for name in ("latency_s", "area_mm2"):
        if metrics.get(name) == 0:
            raise SpecError(f"metrics.{name}: must be above 0")


def check_layers(network: Network, names: Sequence[str]) -> None:
    """Refuse rows of these names unless they are one for each layer, in the network's order."""
    if [*names] != [layer.name for layer in network.layers]:
        raise SpecError(
            f"layers: {len(names)} that are not the network's {len(network.layers)}, in its order"
        )


def check_known(layer: str, field: str, value: object, known: bool, why_not: str) -> None:
    """Refuse a row that lacks a value, or has one that cannot be known, for the reason given."""
    if (value is not None) != known:
        raise SpecError(f"layers ({layer!r}).{field}: {'missing' if known else why_not}")


def check_rows(
    network: Network,
    rows: Sequence[LayerDesign],
    tiled: bool,
    timed: bool,
    on_chip: Mapping[str, Place] | None,
    tensor_bits: Mapping[str, int],
    machine: Machine,
) -> None:
    """Refuse costs of layers that are not the network's, or lack or have what they may not.

    Parameters
    ----------
    tiled, timed : bool
        Whether tiles, and whether latencies, are known.
    on_chip : mapping of str to "chip", "dram" or "band", or None
        Where each tensor is; None: all in DRAM, and what only moves takes no cycles.
    tensor_bits : mapping of str to int
        Width of every tensor.
    machine : Machine
    """
    runs = _checked_runs(network, on_chip)
    check_layers(network, [row.name for row in rows])
    names = names_on_chip(on_chip)
    held = residents(network, tensor_bits, names, [run.layers for run in runs])
    for row, resident in zip(rows, held, strict=True):
        if row.resident_bits != resident.bits:
            raise SpecError(
                f"layers ({row.name!r}).resident_bits: {row.resident_bits}, but what stays on chip "
                f"by then takes {resident.bits}"
            )
    for layer, row in zip(network.layers, rows, strict=True):
        known = dict.fromkeys(OF_TILES, tiled) | dict.fromkeys(OF_TIMES, timed)
        known["sram_s"] = tiled and machine.sram_bits_per_cycle is not None
        known["weight_bits"] = True
        if layer.moves:
            known |= dict.fromkeys(("weight_bits", "tile", "order"), False)
        why_not = MOVES_ONLY if layer.moves else "not known of this accelerator and roofline"
        for field, there in known.items():
            check_known(row.name, field, getattr(row, field), there, why_not)
        if (row.compute_s == 0) != (layer.moves and on_chip is None):
            fault = "must be above 0" if row.compute_s == 0 else "a layer that only moves has none"
            raise SpecError(f"layers ({row.name!r}).compute_s: {fault}")
    for run in runs:
        _check_run(network, run, rows, float(machine.exposed))


def check_mappings(
    network: Network, rows: Sequence[LayerDesign], machine: Machine, tiled: bool
) -> None:
    """Refuse mappings of layers that are none of the machine's, or are the machine's to have."""
    for layer, row in zip(network.layers, rows, strict=True):
        own = machine.reconfigurable and tiled and not layer.moves
        why_not = MOVES_ONLY if layer.moves else "layers of this machine have none of their own"
        check_known(row.name, "mapping", row.mapping, own, why_not)
        if own and row.mapping not in machine.mapping:
            offered = ", ".join(machine.mapping)
            raise SpecError(f"layers ({row.name!r}).mapping: {row.mapping}, none of {offered}")


def _checked_runs(network: Network, on_chip: Mapping[str, Place] | None) -> tuple[FusedRun, ...]:
    """The fused runs of places, once each tensor may have its own."""
    if on_chip is None:
        return ()
    check_names("on_chip", network.tensors, on_chip)
    for name, place in on_chip.items():
        if place != "dram" and name not in network.lifetimes:
            raise SpecError(f"on_chip: {name!r} is an input or a result of the network: in DRAM")
    found = runs_of(network, names_in_bands(on_chip))
    if found is None:
        raise SpecError("on_chip: the tensors held as bands are not those between fused layers")
    return found


def _check_run(
    network: Network, run: FusedRun, rows: Sequence[LayerDesign], exposed: float
) -> None:
    """Refuse layers of a fused run that are not one step: rows of all channels, one need, roof."""
    head = rows[run.first]
    for i in run.layers:
        layer, row = network.layers[i], rows[i]
        whole = None if row.tile is None or row.tile.q is None else layer.Q
        right: dict[str, object] = {
            "tile": Tile(g=layer.G, k=layer.K, c=layer.C, p=1, q=whole, images=1),
            "order": "pkc",
            "sram_bits": head.sram_bits,
            "bound_by": head.bound_by,
        }
        if row.bound_by is not None:
            own = roofs(row.compute_s, row.memory_s or 0.0, exposed)
            right["latency_s"] = own[row.bound_by == "memory"]
        for field, value in right.items():
            if getattr(row, field) != value:
                raise SpecError(
                    f"layers ({row.name!r}).{field}: does not suit layers {run.first + 1} to "
                    f"{run.last + 1}, which are fused"
                )


def places_of(
    network: Network, on_chip: Collection[str], bands: Collection[str] = ()
) -> dict[str, Place]:
    """The place of every tensor, where some stay on chip and of others some rows do."""
    inner: dict[str, Place] = dict.fromkeys(network.tensors, "dram")
    return inner | dict.fromkeys(on_chip, "chip") | dict.fromkeys(bands, "band")


def names_on_chip(on_chip: Mapping[str, Place] | None) -> tuple[str, ...]:
    """The tensors that stay on chip, whole."""
    return tuple(name for name, place in (on_chip or {}).items() if place == "chip")


def names_in_bands(on_chip: Mapping[str, Place] | None) -> tuple[str, ...]:
    """The tensors of which only the rows in flight are on chip."""
    return tuple(name for name, place in (on_chip or {}).items() if place == "band")


def hardware_entry(hardware: Hardware | PipelineHardware) -> dict[str, Any]:
    """What a result's file holds of hardware: nothing of what is as usual."""
    return _unusual(asdict(hardware))


def without_usual(content: dict[str, Any], rows: str) -> dict[str, Any]:
    """The content of a result's file; without what is about tensors on chip where none may stay.

    And without what of the machine is as usual, and output columns of tiles of an older file.
    """
    for part in ("accelerator", "hardware"):
        if part in content:
            content[part] = _unusual(content[part])
    for row in content[rows]:
        for name in ("mapping", "sram_s"):
            if row[name] is None:
                del row[name]
        if row["tile"] is not None and row["tile"]["q"] is None:
            del row["tile"]["q"]
    if content["on_chip"] is None:
        del content["on_chip"]
        for row in content[rows]:
            del row["resident_bits"]
    return content


def _unusual(given: Mapping[str, Any]) -> dict[str, Any]:
    """A section without the fields of a machine that are as usual."""
    usual = {name for name in MACHINE_FIELDS if given.get(name) == getattr(PLAIN, name)}
    return {name: value for name, value in given.items() if name not in usual}
