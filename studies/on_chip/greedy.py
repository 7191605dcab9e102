"""Resident tensors by a good heuristic, to be set against the proven optimum.

For given hardware and widths: tensors in the order of DRAM bits saved per bit and layer held, each
kept where every layer still fits and the network is no slower. Widths and hardware come from
somewhere else: from the optimum with every tensor in DRAM, or from one width everywhere and every
array tried.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import codesign
from codesign.costs.compute import cycles
from codesign.costs.layers import LayerDesign, best_tiled_layer, moving_layer
from codesign.costs.residency import Residents, resident_bits
from codesign.costs.totals import areas_mm2
from codesign.errors import SpecError

UM2_PER_MM2 = 1e6


class Kept(NamedTuple):
    """What the heuristic keeps on chip, and how fast the network is then."""

    names: frozenset[str]
    latency_s: float


def keep(
    network: codesign.Network, accelerator: codesign.Accelerator, widths: Mapping[str, int]
) -> Kept | None:
    """Tensors kept one by one, and the latency; None where not even the tiles fit.

    Parameters
    ----------
    widths : mapping of str to int
        By ``"weight:<layer>"`` and ``"tensor:<tensor>"``, as of `Design.widths`.
    """
    everywhere = range(len(network.layers))
    layers = _layers(network, accelerator, widths, frozenset(), everywhere)
    if layers is None:
        return None
    kept: frozenset[str] = frozenset()
    for name in sorted(network.lifetimes, key=lambda x: _order(network, widths, x)):
        changed = _layers(network, accelerator, widths, kept | {name}, _affected(network, name))
        if changed is not None and _cost(changed) <= _cost({i: layers[i] for i in changed}):
            kept, layers = kept | {name}, layers | changed
    return Kept(kept, math.fsum(x.latency_s or 0.0 for x in layers.values()))


def with_all_area(
    accelerator: codesign.Accelerator, area_mm2: float
) -> codesign.Accelerator | None:
    """The same array with the SRAM that a budget leaves; None where it leaves none."""
    assert accelerator.technology is not None
    fit = accelerator.technology.sram_area_um2
    array_mm2 = areas_mm2(accelerator)[0]["PE array"]
    bits = math.floor(((area_mm2 - array_mm2) * UM2_PER_MM2 - fit.intercept) / fit.slope)
    return replace(accelerator, sram_bits=bits) if bits > 0 else None


def best_array(
    problem: codesign.Problem, widths: Mapping[str, int], pe_bits: tuple[int, int]
) -> float:
    """Least latency at given widths: every array, all area left as SRAM, tensors kept.

    Arrays in the order of a lower bound, until the bound of one is no less than what was found.

    Parameters
    ----------
    pe_bits : (int, int)
        Widths of a PE's weight and activation operands.
    """
    network = problem.network
    arrays = [
        with_all_area(array, problem.budgets["area_mm2"]) for array in _arrays(problem, pe_bits)
    ]
    bounded = [(_least_s(network, x, widths), i, x) for i, x in enumerate(arrays) if x is not None]
    best = math.inf
    for bound_s, _, array in sorted(bounded):
        if bound_s >= best:
            break
        found = keep(network, array, widths)
        best = best if found is None else min(best, found.latency_s)
    return best


def uniform_widths(problem: codesign.Problem, bits: int) -> dict[str, int]:
    """One width everywhere, but for the network's results."""
    network = problem.network
    widths = {f"weight:{name}": bits for name in network.weight_layers}
    widths |= {f"tensor:{name}": bits for name in network.tensors}
    return widths | {f"tensor:{name}": problem.choices.output_bits for name in network.outputs}


def _arrays(problem: codesign.Problem, pe_bits: tuple[int, int]) -> Iterator[codesign.Accelerator]:
    """Every array on offer, of PEs of these widths."""
    for rows, cols in itertools.product(problem.choices.rows, problem.choices.cols):
        yield codesign.Accelerator(
            name=f"{rows} × {cols}",
            rows=rows,
            cols=cols,
            engine=problem.technology.engine,
            pe_weight_bits=pe_bits[0],
            pe_activation_bits=pe_bits[1],
            clock_hz=problem.clock_hz,
            dram_bits_per_s=problem.dram_bits_per_s,
            area_overhead=problem.area_overhead,
            technology=problem.technology,
        )


def _least_s(
    network: codesign.Network, accelerator: codesign.Accelerator, widths: Mapping[str, int]
) -> float:
    """A lower bound on the latency: each layer's array time, or its weights and inputs once."""
    assert accelerator.dram_bits_per_s is not None
    array = accelerator.rows, accelerator.cols, accelerator.engine
    total = 0.0
    for layer in network.layers:
        count = 0 if layer.moves else int(cycles(layer, *array))
        moved = layer.weights * widths[layer.weight_source] if layer.owns_weights else 0
        if layer.input not in network.lifetimes:
            moved += layer.ifmap * widths[f"tensor:{layer.input}"]
        total += max(count / accelerator.clock_hz, moved / accelerator.dram_bits_per_s)
    return total


def _affected(network: codesign.Network, name: str) -> list[int]:
    """Layers during which a tensor would be on chip, or that touch it."""
    first, last = network.lifetimes[name]
    return [
        i
        for i, layer in enumerate(network.layers)
        if first <= i <= last or name in (*layer.reads, layer.output)
    ]


def _order(
    network: codesign.Network, widths: Mapping[str, int], name: str
) -> tuple[float, int, str]:
    """Most bits saved per bit and layer held first, then the larger tensor, then by name."""
    first, last = network.lifetimes[name]
    touched = sum(
        network.touched(layer, name) * (layer.reads.count(name) + (layer.output == name))
        for layer in network.layers
    )
    elements = network.tensors[name]
    held = elements * (last - first + 1)
    return -touched / held, -elements * widths[f"tensor:{name}"], name


def _layers(
    network: codesign.Network,
    accelerator: codesign.Accelerator,
    widths: Mapping[str, int],
    names: frozenset[str],
    which: Iterable[int],
) -> dict[int, LayerDesign] | None:
    """Some layers with tensors on chip, each with its best tiling; None where one does not fit."""
    bits = {name: widths[f"tensor:{name}"] for name in network.tensors}
    held = resident_bits(network, bits, names)
    found = {}
    for i in which:
        layer, now = network.layers[i], Residents(names, held[i])
        assert accelerator.sram_bits is not None
        if held[i] > accelerator.sram_bits:
            return None
        if layer.moves:
            found[i] = moving_layer(network, layer, accelerator, bits, True, now)
            continue
        width = widths[layer.weight_source]
        try:
            found[i] = best_tiled_layer(network, layer, accelerator, width, bits, now)
        except SpecError:
            return None
    return found


def _cost(layers: Mapping[int, LayerDesign]) -> tuple[float, int]:
    """Latency, then DRAM bits."""
    moved = sum(x.dram_bits.total for x in layers.values())
    return math.fsum(x.latency_s or 0.0 for x in layers.values()), moved
