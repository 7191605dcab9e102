"""A pipeline as text: question, hardware, stages, totals, proof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.dataflow_design import DataflowDesign, utilisation
from codesign.results.text.energy import energy_parts
from codesign.results.text.layout import (
    BIT_UNITS,
    columns_table,
    counted,
    literal,
    percent,
    scaled,
    table,
)
from codesign.results.text.phrases import (
    metrics_text,
    proof_text,
    question_line,
    remark,
    status_text,
    subject,
    totals_table,
)
from codesign.units import (
    ABSENT,
    METRIC_UNITS,
    RATE_UNITS,
    four_digits,
    in_display_order,
)

if TYPE_CHECKING:
    from codesign.costs.segment import SegmentDesign
    from codesign.costs.stage_row import StageDesign
    from codesign.results.design import Design
    from codesign.specs.layer import Layer

PARTS = {
    "PEs": "PE arrays",
    "weights": "weights",
    "lines": "input rows",
    "psums": "partial sums",
    "fifos": "FIFOs",
    "shared": "shared array",
}


def pipeline_parts(design: DataflowDesign) -> list[RenderableType]:
    """The whole report: question, hardware, stages, totals, notes, proof."""
    problem = design.problem
    shown = in_display_order((*problem.metrics, *problem.energies))
    parts: list[RenderableType] = [question_line(subject(problem), problem), ""]
    parts += [hardware_table(design), rates_text(design), "", stage_table(design)]
    parts += [*energy_parts(design), ""]
    parts += [totals_table(design.metrics, problem, shown), ""]
    parts += map(remark, design.notes)
    return [*parts, proof_line(design), *architecture_parts(design)]


def pipeline_summary(design: DataflowDesign) -> str:
    """The whole design in one line: status, gap, totals, stages."""
    arrays = sum(row.rows is not None for row in design.stages)
    each = [counted(len(x.layers), "layer") for x in design.segments]
    shared = "".join(f", {x} on a shared array" for x in each)
    return f"{status_text(design.proof)}: {metrics_text(design.metrics)}; {arrays} stages{shared}"


def hardware_table(design: DataflowDesign) -> Table:
    """PE arrays and memories of all stages, with what they take."""
    metrics = design.problem.technology.hardware_metrics
    on_silicon = metrics == ("area_mm2",)
    headings = ["area mm²", "share"] if on_silicon else [METRIC_UNITS[x].label for x in metrics]
    made = table("<hardware", "<", *headings)
    for part, name in PARTS.items():
        each = [stage.get(part, {}) for stage in design.stage_parts]
        taken = {x: math.fsum(found.get(x, 0.0) for found in each) for x in metrics}
        if not any(taken.values()):
            continue
        if part == "shared":
            for segment in design.segments:
                cells = _cells(design, segment.hardware, on_silicon)
                name = array_name(design, segment).removeprefix("the ")
                made.add_row(name, literal(segment_text(segment)), *cells)
            continue
        made.add_row(name, literal(_held_text(design, part)), *_cells(design, taken, on_silicon))
    made.add_row("total", "", *_cells(design, design.metrics, on_silicon))
    return made


def _cells(design: DataflowDesign, taken: Mapping[str, float], on_silicon: bool) -> list[str]:
    """What a part takes, with its share of the area."""
    if on_silicon:
        area = taken["area_mm2"]
        return [four_digits(area), percent(area / design.metrics["area_mm2"])]
    return [METRIC_UNITS[x].number(taken[x]) for x in design.problem.technology.hardware_metrics]


def _held_text(design: DataflowDesign, part: str) -> str:
    """How many PEs, or how many memories of how many bits."""
    rows, engine = design.stages, design.problem.technology.engine
    if part == "PEs":
        pes = sum((row.rows or 0) * (row.cols or 0) for row in rows)
        arrays = sum(row.rows is not None for row in rows)
        return f"{pes:,} PEs of {counted(engine, 'multiplier')} in {counted(arrays, 'array')}"
    if part == "fifos":
        sizes = [x for row in rows for x in row.memory_bits.fifos.values()]
    else:
        sizes = [x for row in rows if (x := getattr(row.memory_bits, part)) > 0]
    bits = METRIC_UNITS["dram_bits"].amount(math.fsum(sizes))
    streamed = sum(row.weights == "stream" for row in rows) if part == "weights" else 0
    beside = f", {streamed} streamed from DRAM" if streamed else ""
    return f"{bits} in {len(sizes)} {'memory' if len(sizes) == 1 else 'memories'}{beside}"


def segment_text(segment: SegmentDesign) -> str:
    """The array and SRAM of a segment."""
    pes = f"{segment.rows} × {segment.cols} PEs"
    mapping = "" if segment.mapping == "window" else f", {segment.mapping}"
    widths = f"{segment.pe_weight_bits} × {segment.pe_activation_bits} bit"
    sram = METRIC_UNITS["dram_bits"].amount(segment.sram_bits)
    return f"{pes} at {widths}{mapping}, SRAM {sram}, for {counted(len(segment.layers), 'layer')}"


def bottleneck_text(design: DataflowDesign) -> str | None:
    """What decides the interval, of stages and the shared array; None where DRAM traffic does."""
    slowest = design.bottleneck
    if slowest is None:
        return None
    for segment in design.segments:
        if slowest.name in {row.name for row in segment.layers}:
            return array_name(design, segment)
    return f"layer {slowest.name}"


def array_name(design: DataflowDesign, segment: SegmentDesign) -> str:
    """A shared array in words."""
    if len(design.segments) == 1:
        return "the shared array"
    return f"shared array {design.segments.index(segment) + 1}"


def rates_text(design: DataflowDesign) -> str:
    """Clock, DRAM bandwidth, images, and what decides the interval."""
    problem = design.problem
    dram = RATE_UNITS["dram_bits_per_s"].amount(problem.dram_bits_per_s)
    first = f"clock {RATE_UNITS['clock_hz'].amount(problem.clock_hz)}, DRAM {dram}, "
    first += f"{four_digits(design.images_per_s)} images/s"
    binds = literal(bottleneck_text(design) or "DRAM traffic")
    return f"{first}; bottleneck: {binds}"


def stage_table(design: DataflowDesign) -> Table:
    """One row per stage; a column of which nothing is known is left out."""
    layers, rows, bits = design.network.layers, design.stages, design.tensor_bits
    held, bit_unit = scaled(
        [x for row in rows for x in (row.memory_bits.total, float(row.dram_bits))], BIT_UNITS
    )
    metrics = design.problem.technology.hardware_metrics
    columns: dict[str, list[RenderableType | None]] = {
        "~layer": [literal(row.name) for row in rows],
        "bits\nw/in/out": [
            "/".join(map(str, (row.weight_bits or ABSENT, bits[x.input], bits[x.output])))
            for x, row in zip(layers, rows, strict=True)
        ],
        "rows ×\ncolumns": [
            _shared(design, i) if i in design.sharing else _array(row) for i, row in enumerate(rows)
        ],
        "<mapping": _unless_usual([row.mapping for row in rows]),
        "<weights": [row.weights for row in rows],
        "band\nrows": [None if row.rows is None else str(row.band_rows) for row in rows],
        "\ncycles": [None if x.moves else f"{row.cycles:,}" for x, row in _pairs(design)],
        "utilisa-\ntion %": [
            None if share is None else f"{100 * share:.1f}" for share in utilisation(design)
        ],
        f"memories\n{bit_unit}": [*held[::2]],
        f"DRAM\n{bit_unit}": [*held[1::2]] if any(row.dram_bits for row in rows) else [None],
        "start\nintervals": [f"{row.start:.3f}" for row in rows],
    }
    for name in metrics:
        unit = METRIC_UNITS[name]
        columns[f"{unit.label}\n{unit.unit}".strip()] = [
            None if i in design.sharing else four_digits(row.taken[name])
            for i, row in enumerate(rows)
        ]
    known = ((name, x) for name, x in columns.items() if any(cell is not None for cell in x))
    return columns_table((name, [cell or ABSENT for cell in cells]) for name, cells in known)


def _pairs(design: DataflowDesign) -> list[tuple[Layer, StageDesign]]:
    return [*zip(design.network.layers, design.stages, strict=True)]


def _shared(design: DataflowDesign, layer: int) -> str:
    """That a layer shares an array, and which where there are two."""
    return "shared" + f" {design.sharing[layer] + 1}" * (len(design.segments) > 1)


def _array(row: StageDesign) -> str | None:
    return None if row.rows is None else f"{row.rows} × {row.cols}"


def _unless_usual(mappings: list[str | None]) -> list[RenderableType | None]:
    """The mappings; nothing where all are the usual one."""
    unusual = any(x not in (None, "window") for x in mappings)
    return [x if unusual else None for x in mappings]


def proof_line(design: DataflowDesign) -> Text:
    """The proof, what it took, and the time."""
    solver = design.solver
    kind = "hybrid" if design.segments else "pipeline"
    equal = "LUTs, block RAMs or noise" if "lut" in design.metrics else "area or noise"
    return Text.assemble(
        proof_text(design.proof, design.problem.objective, f"{kind} of less {equal}"),
        f"; {counted(solver.options, 'option')} of stages, "
        f"{counted(solver.intervals, 'range')} of intervals, "
        f"{counted(solver.programmes, 'programme')}, "
        f"{literal(solver.name)} {literal(solver.version)}, {solver.seconds:.2f} s",
    )


def architecture_parts(design: Design | DataflowDesign) -> list[RenderableType]:
    """What was proven of each architecture, where that was a choice: a line."""
    if not design.architectures:
        return []
    unit, told = METRIC_UNITS[design.problem.objective], []
    for tried in design.architectures:
        least = "" if tried.bound is None else f", {unit.label} at least {unit.amount(tried.bound)}"
        told.append(f"{tried.architecture} {tried.outcome}{least}")
    return [literal(f"architectures: {'; '.join(told)}")]


def folding_table(folding: Mapping[str, Mapping[str, object]]) -> Table:
    """The nodes of FINN and their attributes."""
    nodes = {name: values for name, values in folding.items() if values}
    known = dict.fromkeys(key for values in nodes.values() for key in values)
    columns = {key: [str(x.get(key, ABSENT)) for x in nodes.values()] for key in known}
    words = {"resType", "mem_mode", "ram_style"}
    named = (("<" * (key in words) + key, cells) for key, cells in columns.items())
    return columns_table([("~node", [*nodes]), *named])
