"""The folding of a pipeline as the FINN compiler takes it: a JSON file of each node's attributes.

Columns are the processing elements of FINN (``PE``, which divides a layer's output channels), rows
times the engine its SIMD lanes (``SIMD``, which divides the products of an output). A depthwise
layer is a vector-vector unit, whose processing elements are channels. The sliding windows before
them are folded as far as they must not slow the pipeline. Names are those that FINN gives: the kind
of a node and its number, in the order of the network.

Source: documentation of the FINN compiler (folding configuration, folding factors of its layers);
Blott et al. 2018, FINN-R, doi 10.1145/3242897.
"""

from __future__ import annotations

import math
from typing import Any

from codesign.costs.compute import PEArray
from codesign.costs.finn_units import unit_of
from codesign.costs.stage_row import StageDesign
from codesign.errors import SpecError
from codesign.results.dataflow_design import DataflowDesign
from codesign.specs.fpga import Fpga
from codesign.specs.layer import Layer

MEMORY = {"chip": "internal_decoupled", "stream": "external"}
MATRIX, VECTOR, WINDOW = "MVAU_hls", "VVAU_hls", "ConvolutionInputGenerator_rtl"


def finn_folding(design: DataflowDesign) -> dict[str, Any]:
    """Attributes by node, as FINN's ``folding_config_file`` has them.

    Raises
    ------
    SpecError
        Of no FPGA; or a layer that FINN has no unit for, or whose folding it could not have.
    """
    fpga = design.problem.technology
    if not isinstance(fpga, Fpga):
        raise SpecError(
            f"FINN folds layers on FPGAs, and this pipeline is of {fpga.name!r}; solve with "
            "--technology finn-mvau"
        )
    if design.segments:
        names = ", ".join(design.network.layers[i].name for i in design.shared_layers)
        raise SpecError(
            f"FINN gives each layer a unit of its own, and here {names} share an array; solve with "
            "--architecture dataflow"
        )
    content: dict[str, Any] = {"Defaults": {}}
    counts = dict.fromkeys((MATRIX, VECTOR, WINDOW), 0)

    def add(kind: str, attributes: dict[str, Any]) -> None:
        content[f"{kind}_{counts[kind]}"] = attributes
        counts[kind] += 1

    for layer, row in zip(design.network.layers, design.stages, strict=True):
        depthwise = layer.G > 1
        unit = unit_of(layer, _array(row, fpga))
        if layer.window > 1 or layer.stride not in (1, (1, 1)):
            add(WINDOW, _window(layer, design, unit.PE if depthwise else None))
        memory = {"mem_mode": MEMORY[row.weights or "chip"], "ram_style": "auto"}
        add(
            VECTOR if depthwise else MATRIX,
            {**unit._asdict(), "resType": fpga.multipliers, **memory},
        )
    return content


def _array(row: StageDesign, fpga: Fpga) -> PEArray | None:
    """The array of a stage; None where it has none."""
    if row.rows is None or row.cols is None or row.mapping is None:
        return None
    return PEArray(row.rows, row.cols, fpga.engine, row.mapping)


def _window(layer: Layer, design: DataflowDesign, channels: int | None) -> dict[str, Any]:
    """A sliding window as fast as the pipeline; of a depthwise layer as its unit's channels."""
    most = math.floor(design.metrics["interval_s"] * design.problem.clock_hz)
    every = layer.G * layer.C
    if channels is not None:
        return {"SIMD": channels, "parallel_window": 0, "ram_style": "auto"}
    reads = layer.N * layer.P * layer.Q * layer.window * every
    divisors = (x for x in range(1, every + 1) if every % x == 0)
    lanes = next((x for x in divisors if reads <= most * x), None)
    parallel = int(lanes is None)  # a whole window at once
    return {"SIMD": lanes or every, "parallel_window": parallel, "ram_style": "auto"}
