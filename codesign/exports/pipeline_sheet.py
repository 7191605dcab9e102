"""What a designer of the hardware needs to know of a pipeline, stage by stage; or of a hybrid.

A word of a memory is what the stage's array takes, or gives, in a cycle, as in the sheet of one
array (`codesign.exports.sheet`); of a FIFO it is one of its reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codesign.costs.compute import ceil_div
from codesign.costs.pipeline import Read, reads_of, table_of, waits
from codesign.costs.pixel_tiles import vertical
from codesign.costs.segment import edge_elements
from codesign.costs.stage_row import StageDesign
from codesign.exports.nests import Statement
from codesign.exports.sheet import OnArray, array_facts, array_part, shape_of, spatial, terms
from codesign.results.dataflow_design import DataflowDesign, utilisation
from codesign.specs.accelerator import Accelerator
from codesign.specs.layer import Layer
from codesign.specs.machine import OF_STAGES

FORMAT = "codesign-pipeline-sheet/2"  # 1: `shared` was one array or none


def pipeline_sheet(design: DataflowDesign) -> dict[str, Any]:
    """The content of the sheet's file."""
    problem, metrics, network = design.problem, design.metrics, design.network
    shares = utilisation(design)
    stages = [_stage(design, i, shares[i]) for i in range(len(design.stages))]
    return {
        "format": FORMAT,
        "network": network.name,
        "images": network.images,
        "architecture": design.architecture,
        "technology": problem.technology.name,
        "terms": terms(problem.choices, OF_STAGES),
        "clock_hz": problem.clock_hz,
        "dram_bits_per_s": problem.dram_bits_per_s,
        "interval_s": metrics["interval_s"],
        "interval_cycles": metrics["interval_s"] * problem.clock_hz,
        "latency_s": metrics["latency_s"],
        "bottleneck": None if design.bottleneck is None else design.bottleneck.name,
        "pes": design.hardware.pes,
        "memory_bits": design.hardware.memory_bits,
        "takes": {name: metrics[name] for name in problem.technology.hardware_metrics},
        "dram_bits": {
            "total": metrics["dram_bits"],
            **{f"tensor:{name}": bits for name, bits in _edge_bits(design).items()},
            **{f"stage:{row.name}": row.dram_bits for row in design.stages if row.dram_bits},
        },
        "stages": stages,
        "shared": [_shared(design, n) for n in range(len(design.segments))],
    }


def _edge_bits(design: DataflowDesign) -> dict[str, float]:
    """DRAM bits of inputs and results, and of what passes to and from shared arrays."""
    elements = edge_elements(design.network, design.spans)
    return {name: count * design.tensor_bits[name] for name, count in elements.items()}


def _shared(design: DataflowDesign, number: int) -> dict[str, Any]:
    """An array that layers of a hybrid share, as of a sheet of one array."""
    segment, span = design.segments[number], design.spans[number]
    chip = design.platform.of_segment.accelerator(segment, segment.sram_bits)
    rows = dict(zip(span, segment.layers, strict=True))
    on = OnArray(design.network, chip, rows, design.tensor_bits)
    return {
        **(
            {"array_mm2": segment.array_mm2, "sram_mm2": segment.sram_mm2}
            if segment.taken is None
            else {"takes": dict(segment.taken)}
        ),
        "latency_s": segment.latency_s,
        **array_part(on, span),
    }


def _stage(design: DataflowDesign, i: int, share: float | None) -> dict[str, Any]:
    """A stage: its array, its memories, when it starts, and what it does in turn."""
    layer, row, bits = design.network.layers[i], design.stages[i], design.tensor_bits
    kind = "moves" if layer.moves else "shared" if i in design.sharing else "own array"
    reads = _reads(design, i)
    found: dict[str, Any] = {
        "name": layer.name,
        "kind": kind,
        "shape": shape_of(layer),
        "bits": {
            "weights": row.weight_bits,
            "ifmap": bits[layer.input],
            "psum": None
            if row.weight_bits is None
            else row.weight_bits + bits[layer.input] + layer.accumulation_bits,
            "output": bits[layer.output],
        },
        "reads": [_source(design, read) for read, _ in reads],
        "output": {"tensor": layer.output, "to": _readers(design, i)},
        "start_intervals": row.start,
        "lag_intervals": row.lag,
        "cycles": row.cycles,
        "utilisation": share,
        "dram_bits": row.dram_bits,
        "takes": dict(row.taken),
        "array": None,
        "spatial": None,
        "weights": row.weights,
        "band": None,
        "memories": {},
        "fifos": [_fifo(design, read, wait) for read, wait in reads if wait > 0],
        "nest": [],
    }
    if kind == "own array":
        found |= _own(design, layer, row)
    return found


def _own(design: DataflowDesign, layer: Layer, row: StageDesign) -> dict[str, Any]:
    """What a stage has that multiplies on an array of its own."""
    chip = _accelerator(design, layer, row)
    table = table_of(layer, design.platform, row)
    on = OnArray(design.network, chip, {}, design.tensor_bits)
    held = vertical(layer).held(row.band_rows)
    words = {
        "weights": (chip.cols * chip.engine, int(table.weights[0]), chip.pe_weight_bits),
        "lines": (chip.rows * chip.engine, int(table.lines[0]), chip.pe_activation_bits),
        "psums": (
            chip.cols,
            int(table.psums[0]),
            chip.pe_weight_bits + chip.pe_activation_bits + layer.accumulation_bits,
        ),
    }
    rows_held = int(table.lines[0]) // (layer.W * layer.G * layer.C)
    return {
        "array": array_facts(chip),
        "spatial": spatial(on, layer, row),
        "band": {
            "output_rows": row.band_rows,
            "bands": layer.N * ceil_div(layer.P, row.band_rows),
            "input_rows": held,
            "rows_arriving": rows_held - held,
        },
        "memories": {name: _memory(*word) for name, word in words.items() if word[1]},
        "nest": _nest(layer, row, rows_held - held),
    }


def _accelerator(design: DataflowDesign, layer: Layer, row: StageDesign) -> Accelerator:
    """The array of a stage, whose PEs have the widths of its operands."""
    problem = design.problem
    assert row.rows is not None
    assert row.cols is not None
    assert row.mapping is not None
    assert row.weight_bits is not None
    return Accelerator(
        name=layer.name,
        rows=row.rows,
        cols=row.cols,
        engine=problem.technology.engine,
        pe_weight_bits=row.weight_bits,
        pe_activation_bits=design.tensor_bits[layer.input],
        clock_hz=problem.clock_hz,
        dram_bits_per_s=problem.dram_bits_per_s,
        mapping=(row.mapping,),
        fill_cycles=problem.choices.fill_cycles,
        weight_load=problem.choices.weight_load,
        cycle_factors=problem.choices.cycle_factors,
        zero_skipping=problem.choices.zero_skipping,
    )


def _memory(lanes: int, elements: int, bits: int) -> dict[str, int]:
    return {
        "elements": elements,
        "element_bits": bits,
        "bits": elements * bits,
        "word_elements": lanes,
        "word_bits": lanes * bits,
        "depth_words": ceil_div(elements, lanes),
    }


def _nest(layer: Layer, row: StageDesign, arriving: int) -> list[Statement]:
    """What a stage does for an image, band by band."""
    streamed: list[Statement] = [{"stream": "weights"}] if row.weights == "stream" else []
    band: list[Statement] = [
        {"take": "ifmap", "rows": arriving},
        *streamed,
        {"compute": True},
        *([{"add": list(layer.residuals), "when last": []}] if layer.residuals else []),
        {"pass": "output"},
    ]
    for name, of, step in (("p", layer.P, row.band_rows), ("n", layer.N, 1)):
        trips = ceil_div(of, step)
        if trips > 1:
            band = [{"for": name, "of": of, "step": step, "trips": trips, "do": band}]
    return band


def _reads(design: DataflowDesign, reader: int) -> list[tuple[Read, float]]:
    """What a stage reads, and for how many intervals it waits in a FIFO."""
    starts, lags = zip(*((row.start, row.lag) for row in design.stages), strict=True)
    every: Sequence[tuple[Read, float]] = waits(
        reads_of(design.network, design.spans), starts, lags
    )
    return [(read, wait) for read, wait in every if read.reader == reader]


def _source(design: DataflowDesign, read: Read) -> dict[str, Any]:
    """A tensor that is read, and from where."""
    layers = design.network.layers
    source = None if read.writer is None or read.through_dram else layers[read.writer].name
    return {
        "tensor": read.tensor,
        "from": "dram" if source is None else f"stage:{source}",
        "elements": read.elements,
        "bits": design.tensor_bits[read.tensor],
    }


def _fifo(design: DataflowDesign, read: Read, wait: float) -> dict[str, Any]:
    """A tensor that waits for its reader."""
    bits = design.tensor_bits[read.tensor]
    return {
        "name": read.name,
        "intervals": wait,
        "elements": read.elements * wait,
        "element_bits": bits,
        "bits": read.elements * wait * bits,
    }


def _readers(design: DataflowDesign, writer: int) -> list[str]:
    """Where an output goes: stages, or DRAM."""
    layers = design.network.layers
    every = reads_of(design.network, design.spans)
    mine = [read for read in every if read.writer == writer]
    found = ["dram" if x.through_dram else f"stage:{layers[x.reader].name}" for x in mine]
    if layers[writer].output in design.network.outputs:
        found.append("dram")
    return [*dict.fromkeys(found)]
