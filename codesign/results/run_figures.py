"""Fused runs of a result in figures: what each holds in the SRAM, and its times as one step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from codesign.costs.fusion import FusedRun
from codesign.costs.layers import LayerDesign, peak_macs_per_s, utilisation
from codesign.results.consistency import names_on_chip
from codesign.results.hardware_result import HardwareResult
from codesign.units import OPS_PER_GOP, OPS_PER_MAC


@dataclass(frozen=True)
class RunFigures:
    """One fused run.

    Attributes
    ----------
    run : FusedRun
    weights, bands, input, psums : int
        SRAM bits of all weights, of the rows of all inner tensors, of the rows of the run's input
        (0 where that is resident), and of the partial sums of the layer that has most. Together
        they are the ``sram_bits`` of each of its layers.
    macs, dram_bits : int
    compute_s : float
    memory_s, latency_s : float or None
        ``latency_s`` is the longer of the two, and of the other what does not overlap; None where
        no DRAM bandwidth is known.
    """

    run: FusedRun
    weights: int
    bands: int
    input: int
    psums: int
    macs: int
    dram_bits: int
    compute_s: float
    memory_s: float | None
    latency_s: float | None


def run_figures(result: HardwareResult) -> list[RunFigures]:
    """Every fused run of a result, in order."""
    return [_figures(result, run) for run in result.fused_runs]


def _figures(result: HardwareResult, run: FusedRun) -> RunFigures:
    layers = result.network.layers[run.first : run.last + 1]
    rows, bits = result.layer_designs[run.first : run.last + 1], result.tensor_bits
    weights = sum(x.weights * (row.weight_bits or 0) for x, row in zip(layers, rows, strict=True))
    bands = sum(n * bits[x] for x, n in zip(run.inner, run.band_elements, strict=True))
    stays = layers[0].input in names_on_chip(result.on_chip)
    rows_in = 0 if stays else run.input_elements * bits[layers[0].input]
    return RunFigures(
        run=run,
        weights=weights,
        bands=bands,
        input=rows_in,
        psums=(rows[0].sram_bits or 0) - weights - bands - rows_in,
        macs=sum(x.macs for x in layers),
        dram_bits=sum(row.dram_bits.total for row in rows),
        compute_s=math.fsum(row.compute_s for row in rows),
        memory_s=_total([row.memory_s for row in rows]),
        latency_s=_total([row.latency_s for row in rows]),
    )


def _total(seconds: list[float | None]) -> float | None:
    """The sum, if all are known."""
    known = [x for x in seconds if x is not None]
    return math.fsum(known) if len(known) == len(seconds) else None


def band_rows(result: HardwareResult) -> dict[str, tuple[int, int]]:
    """Rows held of each tensor of which there is a band, and all of its rows, batch included."""
    found = {}
    for run in result.fused_runs:
        layers = result.network.layers[run.first : run.last]
        for layer, elements in zip(layers, run.band_elements, strict=True):
            found[layer.output] = elements // (layer.Q * layer.G * layer.K), layer.N * layer.P
    return found


def held_bits(result: HardwareResult) -> dict[str, int]:
    """SRAM bits that each tensor takes while it is held, whole or as a band."""
    bits, network = result.tensor_bits, result.network
    found = {x: network.tensors[x] * bits[x] for x in names_on_chip(result.on_chip)}
    for run in result.fused_runs:
        for name, elements in zip(run.inner, run.band_elements, strict=True):
            found[name] = elements * bits[name]
    return {name: found[name] for name in network.tensors if name in found}


def held_during(result: HardwareResult) -> dict[str, tuple[int, int]]:
    """The first and the last layer during which the SRAM holds each tensor, whole or as a band.

    That of a resident tensor's life, and of the fused runs that these are in; that of its run.
    """
    found, network = dict[str, tuple[int, int]](), result.network
    run_of = {i: run for run in result.fused_runs for i in run.layers}
    for name in names_on_chip(result.on_chip):
        first, last = network.lifetimes[name]
        early, late = run_of.get(first), run_of.get(last)
        found[name] = early.first if early else first, late.last if late else last
    for run in result.fused_runs:
        found |= dict.fromkeys(run.inner, (run.first, run.last))
    return {name: found[name] for name in network.tensors if name in found}


def run_numbers(result: HardwareResult) -> list[int | None]:
    """Of each layer the number of its fused run, counted from 1; None of the others."""
    found: list[int | None] = [None] * len(result.network.layers)
    for number, run in enumerate(result.fused_runs, 1):
        found[run.first : run.last + 1] = [number] * len(run.layers)
    return found


def rates(result: HardwareResult) -> list[tuple[float | None, float | None]]:
    """Share of the peak, and operations per second (10⁹) of each layer; of a run as one step.

    Where known; a layer that only moves data has no share of the peak.
    """
    found = list[tuple[float | None, float | None]]()
    accelerator, bits = result.accelerator, result.tensor_bits
    for layer, row in zip(result.network.layers, result.layer_designs, strict=True):
        share = utilisation(layer, row, accelerator, bits)
        found.append((share, _gops(accelerator.products(layer), row.latency_s)))
    for each in run_figures(result):
        if each.latency_s is not None:
            share = each.macs / (each.latency_s * _peak_macs_per_s(result, each))
            common = share, _gops(each.macs, each.latency_s)
            found[each.run.first : each.run.last + 1] = [common] * len(each.run.layers)
    return found


def _peak_macs_per_s(result: HardwareResult, figures: RunFigures) -> float:
    """MACs of a fused run per second, with every multiplier busy in each of its layers."""
    peak = dict[float, int]()
    for i in figures.run.layers:
        layer, row = result.network.layers[i], result.layer_designs[i]
        most = peak_macs_per_s(layer, row, result.accelerator, result.tensor_bits)
        peak[most] = peak.get(most, 0) + layer.macs
    if len(peak) == 1:
        return next(iter(peak))
    return figures.macs / math.fsum(macs / most for most, macs in peak.items())


def _gops(macs: int, seconds: float | None) -> float | None:
    return None if seconds is None else OPS_PER_MAC * macs / OPS_PER_GOP / seconds


def fullest(result: HardwareResult) -> tuple[LayerDesign, FusedRun | None]:
    """The layer during which the SRAM is fullest, the first of such, and its fused run."""
    rows = result.layer_designs
    row = max(rows, key=lambda row: (row.sram_bits or 0) + row.resident_bits)
    number = run_numbers(result)[rows.index(row)]
    return row, None if number is None else result.fused_runs[number - 1]
