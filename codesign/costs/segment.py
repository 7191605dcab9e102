"""Consecutive layers of a hybrid that share a PE array; all others are stages of a pipeline.

A *segment* is a contiguous run of layers in execution order, those that only move data among them.
It works off an image at a time, layer by layer, on an array with PEs and an SRAM of its own, as the
paper's machine does (`codesign.costs.layers`): every layer in tiles, every tensor that it reads or
writes through DRAM. In the pipeline it is one stage, which takes the sum of its layers' latencies,
each the longer of its array's time and of its DRAM traffic's at the whole bandwidth. A hybrid has
one segment or two; two have no layer in common, may be neighbours, and together may be all layers
(one that is all layers is no hybrid). They work at the same time, on different images:

    interval_s ≥ Σ_{l in a segment} max(cycles_l / f, DRAM bits_l / bandwidth)      ∀ segments
    interval_s ≥ all DRAM bits, of stages and of segments / bandwidth

What crosses between a segment and the pipeline goes through DRAM, whole images of it. A stage that
writes a tensor which a segment reads writes its elements to DRAM, once, for one segment or two; a
stage that reads what a segment writes fetches what it reads from there, each reader by itself; and
a segment reads what the other wrote as it reads all. No FIFO holds it, and it may wait there for as
long as is needed. A segment starts an interval after all that it reads has begun to be written
(``u ≥ z_w + 1``: all of it is there), ends an interval later, and what reads of it starts then
(``u ≥ z + 1``, with ``z = u`` of the segment; a stage's operand in the weights' stead, of which all
is fetched first, another interval later). A layer that only moves data holds two images of what it
fetches, as of all that it reads.

Its layers take the energy that layers of one array take (`codesign.costs.energy`), for which all
that they read and write is in DRAM; what crosses counts in DRAM alone. Static power is that of all
stages and segments, as long as an interval. On an FPGA an array takes LUTs and DSP blocks, and its
SRAM whole block RAMs, as one array for all does (`codesign.costs.fpga`).

Assumed: the segments' traffic comes before that of stages, of which buffers even out the rest, and
each has the whole bandwidth in turn. Not modelled: a segment whose tensors stay on chip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from codesign.arrays import Floats
from codesign.costs.area import array_area_um2, sram_area_um2
from codesign.costs.energy import Rates
from codesign.costs.fpga import array_dsp, array_lut, bram
from codesign.costs.layer_energy import energy_through_dram
from codesign.costs.layer_row import LayerDesign
from codesign.costs.layers import moving_layer, tiled_layer
from codesign.costs.tiling import Tilings
from codesign.specs.accelerator import Accelerator, ArraySide, Bits
from codesign.specs.fpga import AnyTechnology, Fpga
from codesign.specs.layer import Layer, Name
from codesign.specs.machine import Machine
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.network import Network
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount
from codesign.units import UM2_PER_MM2

SramBits = Annotated[int, Field(strict=True, ge=1, le=10**15)]


@spec_dataclass
class SegmentDesign:
    """A shared array of a hybrid, and its layers.

    Attributes
    ----------
    rows, cols, pe_weight_bits, pe_activation_bits : int
    mapping : "window", "im2col" or "output"
    sram_bits : int
    layers : tuple of LayerDesign
        Of the segment, in execution order.
    array_mm2, sram_mm2 : float or None
        What they take; None on an FPGA.
    taken : mapping of str to float, or None
        On an FPGA ``lut``, ``dsp`` and ``bram`` of both together; None on silicon.
    """

    rows: ArraySide
    cols: ArraySide
    mapping: ArrayMapping
    pe_weight_bits: Bits
    pe_activation_bits: Bits
    sram_bits: SramBits
    layers: Annotated[tuple[LayerDesign, ...], Field(min_length=1)]
    array_mm2: Amount | None = None
    sram_mm2: Amount | None = None
    taken: Mapping[Name, Amount] | None = None

    @property
    def latency_s(self) -> float:
        """What an image takes."""
        return math.fsum(row.latency_s or 0.0 for row in self.layers)

    @property
    def hardware(self) -> dict[str, float]:
        """What PEs and SRAM take of each metric of the hardware."""
        if self.taken is not None:
            return dict(self.taken)
        return {"area_mm2": (self.array_mm2 or 0.0) + (self.sram_mm2 or 0.0)}


@dataclass(frozen=True)
class SegmentChoice:
    """What is decided of a segment.

    Attributes
    ----------
    span : range
        Numbers of its layers.
    tilings : sequence of (Tilings, int) or None
        Of each of its layers, and which of them; None of one that only moves data.
    """

    span: range
    mapping: ArrayMapping
    rows: int
    cols: int
    pe_weight_bits: int
    pe_activation_bits: int
    tilings: Sequence[tuple[Tilings, int] | None]


@dataclass(frozen=True)
class SegmentPlatform:
    """What the array is built in and fed by."""

    technology: AnyTechnology
    machine: Machine
    area_overhead: float
    clock_hz: float
    dram_bits_per_s: float

    def accelerator(
        self, choice: SegmentChoice | SegmentDesign, sram_bits: int | None = None
    ) -> Accelerator:
        """The segment's own."""
        return Accelerator(
            name="segment",
            rows=choice.rows,
            cols=choice.cols,
            engine=self.technology.engine,
            pe_weight_bits=choice.pe_weight_bits,
            pe_activation_bits=choice.pe_activation_bits,
            clock_hz=self.clock_hz,
            sram_bits=sram_bits,
            dram_bits_per_s=self.dram_bits_per_s,
            area_overhead=self.area_overhead,
            technology=self.technology,
            mapping=(choice.mapping,),
            fill_cycles=self.machine.fill_cycles,
            weight_load=self.machine.weight_load,
            cycle_factors=self.machine.cycle_factors,
            zero_skipping=self.machine.zero_skipping,
        )

    def pes(
        self,
        rows: npt.ArrayLike,
        cols: npt.ArrayLike,
        pe_weight_bits: npt.ArrayLike,
        pe_activation_bits: npt.ArrayLike,
    ) -> Floats:
        """(..., metrics of the hardware): what arrays take; arguments broadcast together."""
        on, technology = (rows, cols, pe_weight_bits, pe_activation_bits), self.technology
        if isinstance(technology, Fpga):
            lut = array_lut(technology, *on, self.area_overhead)
            return np.stack([lut, array_dsp(technology, *on), np.zeros_like(lut)], axis=-1)
        um2 = array_area_um2(technology, *on, self.area_overhead)
        return np.asarray(um2 / UM2_PER_MM2)[..., None]

    def sram(self, sram_bits: float) -> Floats:
        """(metrics of the hardware,): what an SRAM takes; on an FPGA whole block RAMs."""
        if isinstance(self.technology, Fpga):
            return np.array([0.0, 0.0, self.blocks(sram_bits)])
        return np.array([float(sram_area_um2(self.technology, sram_bits)) / UM2_PER_MM2])

    def blocks(self, sram_bits: npt.ArrayLike) -> Floats:
        """Block RAMs of an SRAM on an FPGA."""
        assert isinstance(self.technology, Fpga)
        return bram(self.technology, sram_bits)


def segment_design(
    network: Network,
    platform: SegmentPlatform,
    choice: SegmentChoice,
    weight_bits: Sequence[int | None],
    tensor_bits: Mapping[str, int],
) -> SegmentDesign:
    """A segment with its figures; its SRAM is what its tiles need.

    Parameters
    ----------
    weight_bits : sequence of int or None
        Of every layer of the network.
    """
    accelerator, rows = platform.accelerator(choice), list[LayerDesign]()
    for i, tiling in zip(choice.span, choice.tilings, strict=True):
        layer, bits = network.layers[i], weight_bits[i]
        if tiling is None or bits is None:
            rows.append(moving_layer(network, layer, accelerator, tensor_bits, True))
            continue
        table, row = tiling
        rows.append(tiled_layer(network, layer, accelerator, bits, tensor_bits, table, row))
    sram_bits = max(row.sram_bits or 0 for row in rows)
    pes = platform.pes(choice.rows, choice.cols, choice.pe_weight_bits, choice.pe_activation_bits)
    each, metrics = (pes, platform.sram(sram_bits)), platform.technology.hardware_metrics
    on_fpga = isinstance(platform.technology, Fpga)
    taken = dict(zip(metrics, (each[0] + each[1]).tolist(), strict=True))
    return SegmentDesign(
        rows=choice.rows,
        cols=choice.cols,
        mapping=choice.mapping,
        pe_weight_bits=choice.pe_weight_bits,
        pe_activation_bits=choice.pe_activation_bits,
        sram_bits=sram_bits,
        layers=tuple(rows),
        array_mm2=None if on_fpga else float(each[0][0]),
        sram_mm2=None if on_fpga else float(each[1][0]),
        taken=taken if on_fpga else None,
    )


def segment_energy(
    network: Network,
    platform: SegmentPlatform,
    segment: SegmentDesign,
    rates: Rates,
    tensor_bits: Mapping[str, int],
) -> list[dict[str, float]]:
    """Energy of each layer of a segment by part, J for an image; without static power.

    Parts are those of stages: of the SRAM what weights take, input (lines), and partial sums and
    outputs.
    """
    accelerator, found = platform.accelerator(segment), []
    layers = {layer.name: layer for layer in network.layers}
    for row in segment.layers:
        on = network, layers[row.name], accelerator, rates._replace(static_w=0.0), tensor_bits
        parts = energy_through_dram(*on, row).parts_j
        found.append(
            {
                "macs": parts["macs"],
                "weights": parts["sram_weights"],
                "lines": parts["sram_ifmap"],
                "psums": parts["sram_psum"] + parts["sram_output"],
                "fifos": 0.0,
                "dram": parts["dram"],
            }
        )
    return found


def stage_edges(network: Network, segments: Sequence[range]) -> list[dict[str, float]]:
    """Of each stage the elements that it moves from and to DRAM for an image, by tensor.

    Those of `edge_elements`: an input of the network is fetched by the first stage that reads it.
    """
    layers, seen = network.layers, set[str]()
    writers: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        writers.setdefault(layer.output, []).append(i)
    fed = [{name for i in x for name in layers[i].reads} for x in segments]
    found: list[dict[str, float]] = [{} for _ in layers]
    for i, layer in enumerate(layers):
        if segment_with(segments, i) is not None:
            continue
        for name in dict.fromkeys(layer.reads):
            by = writers.get(name, [])
            elements = _share(network, layer, name, [w for w in by if w < i], segments)
            if not by and name not in seen:
                elements += network.tensors[name]
            if elements:
                found[i][name] = elements
        seen |= {*layer.reads}
        name = layer.output
        read = any(i < x.start and name in names for x, names in zip(segments, fed, strict=True))
        if name in network.outputs or read:
            found[i][name] = found[i].get(name, 0.0) + network.touched(layer, name)
    return found


def segment_with(segments: Sequence[range], layer: int | None) -> range | None:
    """The segment that a layer is in; None: none."""
    return next((x for x in segments if layer is not None and layer in x), None)


def edge_elements(network: Network, segments: Sequence[range]) -> dict[str, float]:
    """Elements that the stages of a pipeline move from and to DRAM for an image, by tensor.

    Inputs of the network once where stages read any of them; results, and what a segment reads, as
    they are written; what a segment writes for each stage that reads it. Without the segments' own
    traffic, and without weights.

    Parameters
    ----------
    segments : sequence of range
        Numbers of the layers of each.
    """
    layers, found = network.layers, dict[str, float]()
    stages = [i for i in range(len(layers)) if segment_with(segments, i) is None]
    writers: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        writers.setdefault(layer.output, []).append(i)
    for name in network.tensors:
        by = writers.get(name, [])
        readers = [i for i in stages if name in layers[i].reads]
        elements = 0.0
        if not by:
            elements += network.tensors[name] * bool(readers)
        elif name in network.outputs and all(w in stages for w in by):
            elements += network.tensors[name]
        else:
            fed = [x.start for x in segments if any(name in layers[i].reads for i in x)]
            last = len(layers) if name in network.outputs else max(fed, default=0)
            stored = [w for w in by if w in stages and w < last]
            elements += sum(network.touched(layers[w], name) for w in stored)
        for i in readers:
            elements += _share(network, layers[i], name, [w for w in by if w < i], segments)
        if elements:
            found[name] = elements
    return found


def _share(
    network: Network, layer: Layer, name: str, writers: Sequence[int], segments: Sequence[range]
) -> float:
    """Elements that a stage reads of what layers of segments have written of a tensor."""
    sizes = {w: network.touched(network.layers[w], name) for w in writers}
    own = sum(size for w, size in sizes.items() if segment_with(segments, w) is not None)
    return network.touched(layer, name) * (own / sum(sizes.values())) if own else 0.0
