"""Every figure of a layer on an accelerator: tile, cycles, DRAM traffic, times, the roof.

The one exact recomputation: designs found by a search and evaluations of given accelerators are
made of it. The search itself costs many choices at once, from `compute` and `tiling`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.buffers import fitting_tilings, in_unified
from codesign.costs.compute import (
    PEArray,
    cycles,
    movement_cycles,
    precision_passes,
    widened,
)
from codesign.costs.energy import MOVES, TRAFFIC, Accesses, accesses
from codesign.costs.layer_row import LayerDesign as LayerDesign
from codesign.costs.layer_row import Order as Order
from codesign.costs.layer_row import Roof as Roof
from codesign.costs.layer_row import Seconds as Seconds
from codesign.costs.layer_row import Tile as Tile
from codesign.costs.layer_row import Traffic as Traffic
from codesign.costs.layer_row import Whole as Whole
from codesign.costs.port import port_bits, tilings_port_bits
from codesign.costs.residency import Residents, moved_elements, without_resident
from codesign.costs.roofline import longer, roofs
from codesign.costs.stored import stored_tilings
from codesign.costs.tiling import ORDERS, TILE_COLUMNS, Tilings, operand_bits, tilings
from codesign.errors import SpecError
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.network import Layer, Network
from codesign.units import BITS_PER_KBIT, distinct_texts, four_digits


def tiled_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    table: Tilings,
    row: int,
    resident: Residents | None = None,
    mapping: ArrayMapping | None = None,
    count: int | None = None,
) -> LayerDesign:
    """A layer with one tiling, row ``row`` of ``table``.

    ``resident`` tells what is on chip; None: every tensor goes to DRAM and back. ``mapping`` is
    that of the layer, where each has its own; ``count`` its cycles, where its tiles are given.
    """
    bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    table = of_resident(table, layer, resident)
    weights, ifmap, psum = (int(x) for x in table.traffic[row] * bits)
    if count is None:
        count = cycles_on(layer, accelerator, weight_bits, tensor_bits, mapping)
    tile = dict(zip(TILE_COLUMNS, table.tile[row].tolist(), strict=True))
    return _layer_design(
        *(network, layer, accelerator, weight_bits, tensor_bits),
        compute_s=count / accelerator.clock_hz,
        moved=(weights, ifmap, psum),
        resident=resident,
        tile=Tile(**tile),
        order=ORDERS[int(table.order[row])],
        cycles=count,
        sram_bits=int(table.need[row] @ (bits * in_unified(accelerator.buffers))),
        mapping=mapping,
    )


def best_tiled_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    resident: Residents | None = None,
) -> LayerDesign:
    """A layer with the tiling of least DRAM traffic that fits the SRAM, then of least need.

    Where it takes a mapping of its own, with the one of least latency, then of least DRAM traffic;
    where the SRAM's port has a rate, with such a tiling too.
    ``resident`` as of `tiled_layer`: its bits leave a tiling so much less room.

    Raises
    ------
    SpecError
        No tiling fits.
    """
    assert accelerator.sram_bits is not None
    on = network, layer, accelerator, weight_bits, tensor_bits
    if not accelerator.reconfigurable:
        return _best_tiled(*on, resident, None)
    found, refused = [], None
    for mapping in accelerator.mapping:
        try:
            found.append(_best_tiled(*on, resident, mapping))
        except SpecError as error:
            refused = error
    if not found:
        assert refused is not None
        raise refused
    if accelerator.dram_bits_per_s is None:
        return min(found, key=lambda row: (row.dram_bits.total, row.compute_s))
    return min(found, key=lambda row: (row.latency_s, row.dram_bits.total))


def _best_tiled(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    resident: Residents | None,
    mapping: ArrayMapping | None,
) -> LayerDesign:
    """A layer with its best tiling in one mapping."""
    assert accelerator.sram_bits is not None
    array = array_of(layer, accelerator, weight_bits, tensor_bits, mapping)
    table = stored_tilings(tilings(layer, array), network, layer, accelerator.stored_channels)
    table = of_resident(table, layer, resident)
    bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    table = fitting_tilings(table, layer, accelerator, bits)
    need, moved = table.need @ (bits * in_unified(accelerator.buffers)), table.traffic @ bits
    need = need + (0 if resident is None else resident.bits)
    if need.min() > accelerator.sram_bits:
        lacking = layer, accelerator, weight_bits, tensor_bits, int(need.min()), resident
        raise no_room("holds no tile of", *lacking)
    fitting = np.flatnonzero(need <= accelerator.sram_bits)
    on = network, layer, accelerator, weight_bits, tensor_bits
    keys = [need[fitting], moved[fitting]]
    if accelerator.sram_bits_per_cycle is not None and accelerator.dram_bits_per_s is not None:
        keys.append(_latencies_s(*on, table.take(fitting), resident, mapping))
    return tiled_layer(*on, table, int(fitting[np.lexsort(keys)[0]]), resident, mapping)


def _latencies_s(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    table: Tilings,
    resident: Residents | None,
    mapping: ArrayMapping | None,
) -> Floats:
    """(tilings,): latency of a layer with each, where the SRAM's port has a rate."""
    on = network, layer, accelerator, weight_bits, tensor_bits
    assert accelerator.sram_bits_per_cycle is not None
    first = tiled_layer(*on, table, 0, resident, mapping)
    bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    counted = _accesses(layer, accelerator, weight_bits, tensor_bits, resident, mapping)
    moved, port = table.traffic @ bits, tilings_port_bits(counted, bits, table)
    moved = moved + (first.dram_bits.total - moved[0])  # output and residuals
    port = port + (_port_bits(*on, first.dram_bits, resident, mapping) - port[0])
    port_s = port / (accelerator.sram_bits_per_cycle * accelerator.clock_hz)
    own_s = np.maximum(first.compute_s, port_s)
    return longer(own_s, moved / accelerator.dram_bits_per_s, float(accelerator.exposed))


def no_room(
    what: str,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    need: int,
    resident: Residents | None,
) -> SpecError:
    """What to say where the SRAM does not hold what it must: ``need`` bits, residents included."""
    kept = 0 if resident is None else resident.bits
    beside = f" beside what stays on chip, {four_digits(kept / BITS_PER_KBIT)} kbit" * (kept > 0)
    held, (needed,) = distinct_texts(accelerator.sram_bits or 0, [need], BITS_PER_KBIT)
    return SpecError(
        f"accelerator {accelerator.name!r}: its SRAM of {held} kbit {what} layer {layer.name!r}"
        f"{beside}, which needs {needed} kbit at {weight_bits} × {tensor_bits[layer.input]} bit"
    )


def of_resident(table: Tilings, layer: Layer, resident: Residents | None) -> Tilings:
    """The tilings where operands of a layer are resident."""
    if resident is None:
        return table
    names = resident.names
    return without_resident(table, layer.weight_tensor in names, layer.input in names)


def ideal_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
) -> LayerDesign:
    """A layer at the paper's roofline: every multiplier busy, every tensor moved once."""
    factors = network.operand_factors(layer, accelerator.stored_channels)
    weights, ifmap = (math.ceil(n * x) for n, x in zip(_operands(layer), factors, strict=True))
    macs = accelerator.products(layer) * passes_on(layer, accelerator, weight_bits, tensor_bits)
    return _layer_design(
        *(network, layer, accelerator, weight_bits, tensor_bits),
        compute_s=macs / _split_macs_per_s(layer, accelerator, weight_bits, tensor_bits),
        moved=(weights * weight_bits, ifmap * tensor_bits[layer.input], 0),
    )


def _operands(layer: Layer) -> tuple[int, int]:
    return layer.weights, layer.ifmap


def moving_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    tensor_bits: Mapping[str, int],
    tiled: bool,
    resident: Residents | None = None,
) -> LayerDesign:
    """A layer that only moves data: what it reads and writes, each once.

    Where tensors may stay on chip, at most as fast as the SRAM feeds the array.
    """
    factor = network.stored_factor(layer.input, accelerator.stored_channels)
    count, ifmap = 0, math.ceil(layer.ifmap * factor) * tensor_bits[layer.input]
    if resident is not None:
        elements = moved_elements(network, layer)
        count = int(movement_cycles(elements, accelerator.rows, accelerator.engine))
        ifmap = 0 if layer.input in resident.names else ifmap
    return _layer_design(
        *(network, layer, accelerator, None, tensor_bits),
        compute_s=count / accelerator.clock_hz,
        moved=(0, ifmap, 0),
        resident=resident,
        cycles=count if tiled else None,
        sram_bits=0 if tiled else None,
    )


def peak_macs_per_s(
    layer: Layer, design: LayerDesign, accelerator: Accelerator, tensor_bits: Mapping[str, int]
) -> float:
    """MACs of a layer per second with every multiplier busy, at its widths and cycle factor.

    The ideal roofline knows no such factor.
    """
    assert design.weight_bits is not None
    most = _split_macs_per_s(layer, accelerator, design.weight_bits, tensor_bits)
    return most if design.cycles is None else most / float(accelerator.factor_of(layer))


def _split_macs_per_s(
    layer: Layer, accelerator: Accelerator, weight_bits: int, tensor_bits: Mapping[str, int]
) -> float:
    engine = array_of(layer, accelerator, weight_bits, tensor_bits).engine
    return accelerator.pes * engine * accelerator.clock_hz


def utilisation(
    layer: Layer, design: LayerDesign, accelerator: Accelerator, tensor_bits: Mapping[str, int]
) -> float | None:
    """Share of the peak MACs that a layer's latency is worth; the peak at its widths.

    None where that is not known, or the layer has no MACs.
    """
    if design.latency_s is None or layer.moves:
        return None
    return accelerator.products(layer) / (
        design.latency_s * peak_macs_per_s(layer, design, accelerator, tensor_bits)
    )


def operand_bits_on(
    layer: Layer, accelerator: Accelerator, weight_bits: int, tensor_bits: Mapping[str, int]
) -> Ints:
    """Bits of an element of weights, ifmap and partial sums."""
    bits = operand_bits(weight_bits, tensor_bits[layer.input], layer.accumulation_bits)
    if accelerator.psum_bits is not None:
        bits[-1] = accelerator.psum_bits
    return bits


def array_of(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    mapping: ArrayMapping | None = None,
) -> PEArray:
    """The array as a layer has it: in its mapping, its PEs split where they widen."""
    engine = accelerator.engine
    if accelerator.precision == "widening" and not layer.moves:
        pe_bits = accelerator.pe_weight_bits, accelerator.pe_activation_bits
        engine = widened(engine, weight_bits, tensor_bits[layer.input], *pe_bits)
    mapping = mapping or accelerator.mapping[0]
    skips = accelerator.zero_skipping
    return PEArray(accelerator.rows, accelerator.cols, engine, mapping, skips)


def cycles_on(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    mapping: ArrayMapping | None = None,
) -> int:
    """Compute cycles of a layer at its widths."""
    array = array_of(layer, accelerator, weight_bits, tensor_bits, mapping)
    on = array.rows, array.cols, array.engine, array.mapping, accelerator
    return int(cycles(layer, *on)) * passes_on(layer, accelerator, weight_bits, tensor_bits)


def passes_on(
    layer: Layer, accelerator: Accelerator, weight_bits: int, tensor_bits: Mapping[str, int]
) -> int:
    """Times a layer's cycles grow by operands wider than the PE's."""
    if accelerator.precision != "multi-pass":
        return 1
    pe_bits = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    return precision_passes(weight_bits, tensor_bits[layer.input], *pe_bits)


def _layer_design(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int | None,
    tensor_bits: Mapping[str, int],
    *,
    compute_s: float,
    moved: tuple[int, int, int],
    resident: Residents | None = None,
    tile: Tile | None = None,
    order: str | None = None,
    cycles: int | None = None,
    sram_bits: int | None = None,
    mapping: ArrayMapping | None = None,
) -> LayerDesign:
    """All figures of a layer; times and the roof that binds where a DRAM bandwidth is known.

    Parameters
    ----------
    moved : (int, int, int)
        DRAM bits of weights, ifmap and partial sums; output and residuals move once, or stay.
    """
    multiple, names = accelerator.stored_channels, (*layer.residuals, layer.output)
    touched = {x: network.stored(layer, x, multiple) * tensor_bits[x] for x in names}
    if resident is not None:
        touched |= {name: 0 for name in touched if name in resident.names}
    traffic = Traffic(
        weights=moved[0],
        ifmap=moved[1],
        output=touched[layer.output],
        psum=moved[2],
        residual=sum(touched[name] for name in layer.residuals),
    )
    sram_s, own_s = None, compute_s
    if accelerator.sram_bits_per_cycle is not None and sram_bits is not None:
        on = network, layer, accelerator, weight_bits, tensor_bits
        count = _port_bits(*on, traffic, resident, mapping)
        sram_s = count / (accelerator.sram_bits_per_cycle * accelerator.clock_hz)
        own_s = max(compute_s, sram_s)
    memory_s, latency_s = None, None
    roof: Roof | None = None
    if accelerator.dram_bits_per_s is not None:
        memory_s = traffic.total / accelerator.dram_bits_per_s
        latency_s = max(roofs(own_s, memory_s, float(accelerator.exposed)))
        on_chip: Roof = "compute" if compute_s >= own_s else "sram"
        roof = on_chip if own_s >= memory_s else "memory"
    return LayerDesign(
        name=layer.name,
        weight_bits=weight_bits,
        tile=tile,
        order=order,
        cycles=cycles,
        sram_bits=sram_bits,
        dram_bits=traffic,
        compute_s=compute_s,
        memory_s=memory_s,
        latency_s=latency_s,
        bound_by=roof,
        resident_bits=0 if resident is None else resident.bits,
        mapping=mapping,
        sram_s=sram_s,
    )


def _port_bits(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int | None,
    tensor_bits: Mapping[str, int],
    traffic: Traffic,
    resident: Residents | None,
    mapping: ArrayMapping | None,
) -> int:
    """SRAM bits that a layer reads and writes."""
    counted, bits = MOVES, np.zeros(3, np.int64)
    if weight_bits is not None:
        counted = _accesses(layer, accelerator, weight_bits, tensor_bits, resident, mapping)
        bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    moved = {name: getattr(traffic, name) for name in TRAFFIC}
    held = frozenset[str]() if resident is None else resident.names
    return port_bits(network, layer, tensor_bits, counted, bits, moved, held)


def _accesses(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    resident: Residents | None,
    mapping: ArrayMapping | None,
) -> Accesses:
    array = array_of(layer, accelerator, weight_bits, tensor_bits, mapping)
    stays = resident is not None and layer.weight_tensor in resident.names
    on = array.rows, array.cols, array.engine, array.mapping
    return accesses(layer, *on, stays, array.zero_skipping)
