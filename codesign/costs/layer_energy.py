"""Energy of every layer of a design or an evaluation by part, from its tiles, widths and places.

The definition is that of `codesign.costs.energy`; here it is counted in whole bits, layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Ints
from codesign.costs.energy import (
    MOVES,
    TRAFFIC,
    Accesses,
    Rates,
    accesses,
    fused_accesses,
    mac_j,
)
from codesign.costs.fusion import FusedRun
from codesign.costs.layers import LayerDesign, array_of, operand_bits_on
from codesign.costs.port import sram_bits
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.technology import Energies

PARTS = ("macs", *(f"sram_{operand}" for operand in TRAFFIC), "dram", "static")


@dataclass(frozen=True)
class LayerEnergy:
    """What a layer does in the SRAM, and the energy of all it does.

    Attributes
    ----------
    sram_read_bits, sram_written_bits : mapping of str to int
        By operand: those of `TRAFFIC`.
    parts_j : mapping of str to float
        By part: `PARTS`.
    """

    sram_read_bits: Mapping[str, int]
    sram_written_bits: Mapping[str, int]
    parts_j: Mapping[str, float]

    @cached_property
    def total_j(self) -> float:
        """All parts together."""
        return math.fsum(self.parts_j.values())


def rates_of(
    accelerator: Accelerator, area_mm2: float | None
) -> tuple[Rates | None, tuple[str, ...]]:
    """The energies of an accelerator; None, and why, where one that is needed is not known.

    Parameters
    ----------
    area_mm2 : float or None
        Of the whole, where known.
    """
    given = energies_of(accelerator)
    missing = _missing(accelerator, given, area_mm2)
    if missing or given is None:
        return None, missing
    assert accelerator.dram_energy_j_per_bit is not None
    static_w = (given.static_w or 0.0) + (given.static_w_per_mm2 or 0.0) * (area_mm2 or 0.0)
    found = Rates(
        given.j_per_bop or 0.0,
        given.j_per_mac or 0.0,
        given.sram_read_j_per_bit or 0.0,
        given.sram_write_j_per_bit or 0.0,
        accelerator.dram_energy_j_per_bit,
        static_w,
    )
    return found, ()


def energies_of(accelerator: Accelerator) -> Energies | None:
    """Its own, or those of its technology."""
    technology = accelerator.technology
    if accelerator.energy is not None or technology is None:
        return accelerator.energy
    return technology.energy


def _missing(
    accelerator: Accelerator, given: Energies | None, area_mm2: float | None
) -> tuple[str, ...]:
    """Why the energy of an accelerator is not known; nothing where it is."""
    if given is None:
        known = accelerator.technology
        why = (
            "neither energies nor a technology are given"
            if known is None
            else f"{known.name} has no energies"
        )
        return (why,)
    found = []
    if accelerator.number_format != "integer":
        found.append("energies of MACs are those of integers, not of floating point")
    elif given.j_per_bop is None and given.j_per_mac is None:
        found.append("no energy of a MAC is given")
    if given.sram_read_j_per_bit is None or given.sram_write_j_per_bit is None:
        found.append("no energy of an SRAM bit read, or written, is given")
    if accelerator.dram_energy_j_per_bit is None:
        found.append("no energy of a DRAM bit is given (--dram-pj-per-bit)")
    if given.static_w or given.static_w_per_mm2:
        if accelerator.dram_bits_per_s is None:
            found.append("static power needs a latency, and no DRAM bandwidth is given")
        if given.static_w_per_mm2 and area_mm2 is None:
            found.append("static power by area needs an area")
    return tuple(found)


def layer_energies(
    network: Network,
    accelerator: Accelerator,
    rates: Rates,
    tensor_bits: Mapping[str, int],
    rows: Sequence[LayerDesign],
    on_chip: Collection[str],
    runs: Sequence[FusedRun],
) -> list[LayerEnergy]:
    """Of every layer, in the network's order.

    Parameters
    ----------
    rows : sequence of LayerDesign
        On tiles.
    on_chip : collection of str
        Tensors that are resident.
    runs : sequence of FusedRun
    """
    run_of, resident = {i: run for run in runs for i in run.layers}, {*on_chip}
    found = []
    for i, (layer, row) in enumerate(zip(network.layers, rows, strict=True)):
        run, held = run_of.get(i), resident
        if run is not None:
            names = {layer.output, *layer.residuals}
            held = resident | (names - {*run.moved[i - run.first]})
        counted = _accesses(layer, accelerator, tensor_bits, row, resident, run is not None)
        on = network, layer, accelerator, rates, tensor_bits, row
        found.append(_counted_energy(*on, counted, held))
    return found


def energy_through_dram(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    rates: Rates,
    tensor_bits: Mapping[str, int],
    row: LayerDesign,
) -> LayerEnergy:
    """Of a layer by itself, all of whose tensors go through DRAM."""
    counted = _accesses(layer, accelerator, tensor_bits, row, (), False)
    return _counted_energy(network, layer, accelerator, rates, tensor_bits, row, counted, ())


def _counted_energy(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    rates: Rates,
    tensor_bits: Mapping[str, int],
    row: LayerDesign,
    counted: Accesses,
    held: Collection[str],
) -> LayerEnergy:
    bits: Ints = np.zeros(3, np.int64)
    if row.weight_bits is not None:
        bits = operand_bits_on(layer, accelerator, row.weight_bits, tensor_bits)
    moved = {name: getattr(row.dram_bits, name) for name in TRAFFIC}
    read, written = sram_bits(network, layer, tensor_bits, counted, bits, moved, held)
    return _energy(layer, tensor_bits, row, rates, read, written, accelerator.zero_skipping)


def _accesses(
    layer: Layer,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    row: LayerDesign,
    resident: Collection[str],
    fused: bool,
) -> Accesses:
    if row.weight_bits is None:  # it only moves data
        return MOVES
    array = array_of(layer, accelerator, row.weight_bits, tensor_bits, row.mapping)
    on = array.rows, array.cols, array.engine, array.mapping
    if fused:
        return fused_accesses(layer, *on)
    return accesses(layer, *on, layer.weight_tensor in resident, array.zero_skipping)


def _energy(
    layer: Layer,
    tensor_bits: Mapping[str, int],
    row: LayerDesign,
    rates: Rates,
    read: Mapping[str, int],
    written: Mapping[str, int],
    zero_skipping: bool,
) -> LayerEnergy:
    macs = 0.0
    if row.weight_bits is not None:
        widths = np.asarray(row.weight_bits), np.asarray(tensor_bits[layer.input])
        macs = float(mac_j(layer, *widths, rates, zero_skipping))
    parts = {"macs": macs}
    for name in TRAFFIC:
        parts[f"sram_{name}"] = (
            read[name] * rates.sram_read_j_per_bit + written[name] * rates.sram_write_j_per_bit
        )
    parts["dram"] = row.dram_bits.total * rates.dram_j_per_bit
    parts["static"] = rates.static_w * (row.latency_s or 0.0)
    return LayerEnergy(read, written, parts)
