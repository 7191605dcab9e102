"""What a design and an evaluation have in common: the costs of every layer on an accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.costs.compute import macs_per_pe, windows
from codesign.costs.fusion import FusedRun, runs_of
from codesign.costs.layer_energy import LayerEnergy
from codesign.costs.layers import LayerDesign, array_of, peak_macs_per_s
from codesign.costs.totals import areas_mm2
from codesign.costs.widths import all_widths
from codesign.problem.choices import Place
from codesign.results.consistency import names_in_bands
from codesign.results.energy import EnergyFigures, energy_figures
from codesign.results.result_file import ENERGY, KV_CACHE, THROUGHPUT, ResultFile
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Network
from codesign.specs.seam import done_by
from codesign.units import OPS_PER_GOP, OPS_PER_MAC, OPS_PER_TOP, RATES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROWS = "layer_designs"  # what the result calls the file's layers


class HardwareResult(ResultFile):
    """A network on an accelerator, layer by layer."""

    if TYPE_CHECKING:  # each kind has these as fields or properties

        @property
        def network(self) -> Network: ...
        @property
        def accelerator(self) -> Accelerator: ...
        @property
        def tensor_bits(self) -> Mapping[str, int]: ...
        @property
        def layer_designs(self) -> tuple[LayerDesign, ...]: ...
        @property
        def metrics(self) -> Mapping[str, float]: ...
        @property
        def on_chip(self) -> Mapping[str, Place] | None: ...
        @property
        def notes(self) -> tuple[str, ...]: ...

    @cached_property
    def widths(self) -> dict[str, int]:
        """Every width, by ``"weight:<layer>"`` or ``"tensor:<tensor>"``, as `evaluate` takes it."""
        return all_widths(self.network, self.layer_designs, self.tensor_bits)

    @cached_property
    def area_breakdown_mm2(self) -> dict[str, float]:
        """Area of the PE array (overhead included) and of the SRAM, where known."""
        return areas_mm2(self.accelerator)[0]

    @cached_property
    def energy(self) -> EnergyFigures[LayerEnergy] | None:
        """Energy by layer and part, per image, and rates made of it; None where not known."""
        on = self.network, self.accelerator, self.tensor_bits
        stays = self.on_chip, self.fused_runs
        return energy_figures(*on, self.layer_designs, self.metrics, *stays)

    @property
    def _energy_section(self) -> dict[str, Any]:
        """That of its file; none where its energy is not known."""
        return {} if self.energy is None else {ENERGY: self.energy.to_dict()}

    @property
    def kv_cache_bits(self) -> int | None:
        """What outlasts the run in DRAM, of the whole batch; None where nothing does."""
        network, bits = self.network, self.tensor_bits
        return sum(network.tensors[x] * bits[x] for x in network.cache) if network.cache else None

    @property
    def _rates_section(self) -> dict[str, Any]:
        """Rates of its file, and the size of a cache where there is one."""
        cache = {} if self.kv_cache_bits is None else {KV_CACHE: self.kv_cache_bits}
        return {THROUGHPUT: throughput(self), **cache}

    @cached_property
    def fused_runs(self) -> tuple[FusedRun, ...]:
        """The runs of layers that are worked off as one step, in order."""
        return runs_of(self.network, names_in_bands(self.on_chip)) or ()

    @property
    @done_by("results.tables:layer_frame")
    def layers(self) -> pd.DataFrame:
        """One row per layer: widths, tile, cycles, traffic (bits), times (s), utilisation, roof.

        ``gops`` counts two operations a MAC, in 10⁹ per second; ``ops`` are those of Karbachevsky
        et al. 2021, one product for each element of a kernel window and one sum for the window.

        ``utilisation`` is the share of what all multipliers would do at the layer's widths.

        Columns of what is not known, or not defined on the ideal roofline, are left out. The energy
        (J) of MACs, SRAM, DRAM and static power, and their sum, are there where they are known,
        with the bits read from and written to the SRAM. ``mapping`` is there where it is not window
        everywhere; ``resident_bits`` where tensors may stay on chip; ``fused_run``, the number of
        its run, where layers are fused. A run is one step: ``sram_bits``, ``utilisation``, ``gops``
        and ``bound_by`` are the run's, and the latencies of its layers add up to the run's.
        """

    @property
    @done_by("results.tables:resident_frame")
    def residents(self) -> pd.DataFrame:
        """One row per tensor that stays on chip: its width, its size, its first and last layer.

        The SRAM holds all its ``sram_bits`` from ``first_layer``, which writes it first, to
        ``last_layer``, which reads it last, and during all of a fused run that has either. Where
        layers are fused, ``place`` is "chip" or "band", and ``rows`` those held of a band.
        """

    @done_by("results.plots.design:plot_design")
    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw roofline, latency per layer, widths per layer and area; save where a path is given.

        Where tensors may stay on chip also the SRAM per layer, as `plot_sram` does; of a suite also
        the latency of each network.

        Raises
        ------
        SpecError
            No DRAM bandwidth is known, or the picture cannot be written.
        """

    @done_by("results.plots.energy:plot_energy")
    def plot_energy(self, path: str | Path | None = None) -> Figure:
        """Draw the energy of each layer by part, and of all of them; save where a path is given.

        Raises
        ------
        SpecError
            The energy is not known, or the picture cannot be written.
        """

    @done_by("results.plots.sram:plot_sram")
    def plot_sram(self, path: str | Path | None = None) -> Figure:
        """Draw what the SRAM holds during each layer; save where a path is given.

        Resident tensors from the ground, each over the layers of its life; tiles from the limit;
        between them what is free. The cost model counts bits: a tensor keeps its place in the
        picture where that can be arranged, and sinks where not.

        Raises
        ------
        SpecError
            No SRAM is known, on the ideal roofline, or the picture cannot be written.
        """


def throughput(result: HardwareResult) -> dict[str, float]:
    """Rates in conventional units, two operations a MAC: those that are known.

    ``peak_gops`` with every multiplier busy, at the widths of the PEs, and ``gops`` as attained
    over the whole network, in 10⁹ operations per second; both in 10¹² per mm² of the whole area,
    ``peak_tops_per_mm2`` and ``tops_per_mm2``; ``images_per_s``. Of several images also the seconds
    for each, ``interval_s``; where an image is so many new tokens, ``tokens_per_s``. Of a suite in
    one round, in which each member is executed as often as its weight says.
    """
    network, metrics = result.network, result.metrics
    rates = {"peak_": OPS_PER_MAC * result.accelerator.peak_macs_per_s}
    found = {}
    if "latency_s" in metrics:
        images, tokens = network.executed_images, network.executed_tokens
        rates[""] = (
            OPS_PER_MAC * result.accelerator.executed_products(network) / metrics["latency_s"]
        )
        found["images_per_s"] = images / metrics["latency_s"]
        if images > 1:
            found["interval_s"] = metrics["latency_s"] / images
        if tokens is not None:
            found["tokens_per_s"] = tokens / metrics["latency_s"]
    found |= {f"{which}gops": rate / OPS_PER_GOP for which, rate in rates.items()}
    if "area_mm2" in metrics:
        for which, rate in rates.items():
            found[f"{which}tops_per_mm2"] = rate / OPS_PER_TOP / metrics["area_mm2"]
    return found


def image_rates(result: HardwareResult) -> dict[str, float]:
    """What of `throughput` tables have where a batch is of several images, or these are tokens."""
    found = {name: x for name, x in throughput(result).items() if name in RATES}
    return found if len(found) > 1 else {}


def peaks_ops_per_s(result: HardwareResult) -> dict[str, float]:
    """The most a full array delivers of one kernel, by kernel, those of most MACs first.

    A MAC counts as two operations. On tiles, kernels smaller than the engine share a PE as far as
    they fit and larger ones take whole passes; on the ideal roofline no multiplier idles. Where PEs
    split, at the widths of the layer that makes most of them; where kernels have a factor on their
    cycles, with that.
    """
    accelerator, bits = result.accelerator, result.tensor_bits
    macs, peaks = dict[str, int](), dict[str, float]()
    for layer, row in zip(result.network.layers, result.layer_designs, strict=True):
        if row.weight_bits is None:  # it only moves data
            continue
        kernel = f"{layer.R}×{layer.S}"
        macs[kernel] = macs.get(kernel, 0) + accelerator.products(layer)
        macs_per_s = peak_macs_per_s(layer, row, accelerator, bits)
        if row.tile is not None:
            engine = array_of(layer, accelerator, row.weight_bits, bits).engine
            each = (
                macs_per_pe(window, engine, x)
                for window in windows(layer, accelerator.zero_skipping)
                for x in accelerator.mapping
            )
            macs_per_s *= max(each) / engine
        peaks[kernel] = max(peaks.get(kernel, 0.0), OPS_PER_MAC * macs_per_s)
    return {kernel: peaks[kernel] for kernel in sorted(macs, key=lambda kernel: -macs[kernel])}
