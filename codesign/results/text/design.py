"""A design or an evaluation as text: question, hardware, layers, totals, proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.problem.metrics import ENERGY, PER_BATCH, REGRET, metrics_on
from codesign.results.consistency import names_in_bands, names_on_chip
from codesign.results.hardware_result import HardwareResult, throughput
from codesign.results.run_figures import rates
from codesign.results.text.energy import energy_parts
from codesign.results.text.layout import (
    BIT_UNITS,
    TIME_UNITS,
    columns_table,
    counted,
    literal,
    percent,
    scaled,
    short,
    table,
)
from codesign.results.text.machines import machine_line
from codesign.results.text.members import member_parts
from codesign.results.text.on_chip import residency_parts
from codesign.results.text.phrases import (
    beside_usual,
    hardware_text,
    metrics_text,
    pe_bits,
    proof_text,
    question_line,
    remark,
    roof_text,
    status_text,
    subject,
    totals_table,
)
from codesign.results.text.pipeline import architecture_parts
from codesign.results.views import DesignView
from codesign.specs.fpga import Fpga
from codesign.specs.technology import Technology
from codesign.units import (
    ABSENT,
    METRIC_UNITS,
    RATE_UNITS,
    conflict_texts,
    four_digits,
    in_display_order,
)

if TYPE_CHECKING:
    from codesign.errors import InfeasibleError
    from codesign.results.design import Design
    from codesign.results.evaluation import Evaluation
    from codesign.specs.accelerator import Accelerator

OF_PES = ("lut", "dsp")  # of an FPGA, what its PE array takes


def design_parts(design: Design) -> list[RenderableType]:
    """The whole report: question, hardware, layers, totals, notes, proof."""
    problem = design.problem
    shown = [*shown_metrics(design.accelerator), *[REGRET] * (REGRET in design.metrics)]
    totals = totals_table(design.metrics, problem, shown)
    question = question_line(subject(problem), problem)
    members = member_parts(design.metrics, problem.network, problem.budgets, problem.references)
    costs = _costs_parts(design, totals, members)
    return [
        question,
        *costs,
        proof_line(design),
        *batches_parts(design),
        *architecture_parts(design),
    ]


def evaluation_parts(evaluation: Evaluation) -> list[RenderableType]:
    """The whole report: what runs on what, hardware, layers, totals, notes."""
    totals = totals_table(evaluation.metrics, named=shown_metrics(evaluation.accelerator))
    members = member_parts(evaluation.metrics, evaluation.network, {})
    return [evaluation_line(evaluation), *_costs_parts(evaluation, totals, members)]


def shown_metrics(accelerator: Accelerator) -> list[str]:
    """The metrics of its technology, as they are shown."""
    return in_display_order((*metrics_on(accelerator.technology), ENERGY))


def _costs_parts(
    result: HardwareResult, totals: Table, members: Sequence[RenderableType] = ()
) -> list[RenderableType]:
    parts: list[RenderableType] = ["", hardware_table(result), rates_text(result)]
    parts += ["", layer_table(result), *residency_parts(result), *energy_parts(result)]
    parts += ["", totals, *members, ""]
    return [*parts, *map(remark, result.notes)]


def evaluation_line(evaluation: Evaluation) -> Text:
    """What runs on what, under which roofline."""
    network, accelerator = short(evaluation.network.name), short(evaluation.accelerator.name)
    text = Text.assemble(network, " on ", accelerator, f": {evaluation.roofline} roofline")
    text.stylize("bold")
    return text


def hardware_table(result: HardwareResult) -> Table:
    """PE array and SRAM with their areas."""
    accelerator, areas = result.accelerator, result.area_breakdown_mm2
    overhead, technology = accelerator.area_overhead, accelerator.technology
    array = f"{accelerator.rows} × {accelerator.cols} PEs of "
    array += f"{counted(accelerator.engine, 'multiplier')}, "
    array += f"{accelerator.pe_weight_bits} × {accelerator.pe_activation_bits} bit"
    array += "" if accelerator.number_format == "integer" else " floating point"
    array += beside_usual(accelerator)
    array += "" if overhead == 1 else f", area overhead × {four_digits(overhead)}"
    sram = "not given"
    if accelerator.sram_bits is not None:
        unit, beside = METRIC_UNITS["dram_bits"], [x for x in accelerator.buffers if x is not None]
        sram = unit.amount(accelerator.sram_bits)
        sram += f" and {unit.amount(sum(beside))} in buffers" if beside else ""
        sram += f", {technology.sram}" if isinstance(technology, Technology) else ""
    if isinstance(technology, Fpga):
        return _resources_table(result, {"PE array": array, "SRAM": sram})
    made = table("<hardware", "<", "area mm²", "share")
    total = result.metrics.get("area_mm2")
    for name, text in {"PE array": array, "SRAM": sram}.items():
        area = areas.get(name)
        share = ABSENT if area is None or total is None else percent(area / total)
        made.add_row(name, literal(text), ABSENT if area is None else four_digits(area), share)
    whole = (ABSENT, ABSENT) if total is None else (four_digits(total), percent(1))
    made.add_row("total", "", *whole)
    return made


def _breaks(design: DesignView) -> str:
    """What ties are broken by: that of which an equal design may have less."""
    return "LUTs, block RAMs or noise" if "lut" in design.metrics else "area or noise"


def _resources_table(result: HardwareResult, parts: Mapping[str, str]) -> Table:
    """PE array and SRAM with what they take of an FPGA."""
    made = table("<hardware", "<", *(METRIC_UNITS[x].label for x in Fpga.hardware_metrics))
    known = {x: METRIC_UNITS[x].number(result.metrics[x]) for x in OF_PES if x in result.metrics}
    blocks = METRIC_UNITS["bram"].number(result.metrics["bram"]) if "bram" in result.metrics else ""
    cells = {"PE array": [known.get(x, ABSENT) for x in OF_PES] + [""], "SRAM": ["", "", blocks]}
    for name, text in parts.items():
        made.add_row(name, literal(text), *cells[name])
    return made


def rates_text(result: HardwareResult) -> str:
    """Clock, DRAM bandwidth and images; peak and attained operations, two a MAC."""
    accelerator, rates = result.accelerator, throughput(result)
    dram = "not given"
    if accelerator.dram_bits_per_s is not None:
        dram = RATE_UNITS["dram_bits_per_s"].amount(accelerator.dram_bits_per_s)
    first = f"clock {RATE_UNITS['clock_hz'].amount(accelerator.clock_hz)}, DRAM {dram}"
    if "tokens_per_s" in rates:
        first += f", {four_digits(rates['tokens_per_s'])} tokens/s"
        images = result.network.images
        first += f" of {images:,} sequences at once" if images > 1 else ""
    elif "images_per_s" in rates:
        first += f", {four_digits(rates['images_per_s'])} images/s"
        if "interval_s" in rates:
            first += f", one every {METRIC_UNITS['latency_s'].amount(rates['interval_s'])}"
    if result.kv_cache_bits is not None:
        first += f", KV cache {METRIC_UNITS['dram_bits'].amount(result.kv_cache_bits)}"
    parts = []
    for which, words in (("peak_", "peak"), ("", "attained")):
        if f"{which}gops" in rates:
            parts.append(f"{words} {four_digits(rates[f'{which}gops'])} GOPS")
            density = rates.get(f"{which}tops_per_mm2")
            parts[-1] += "" if density is None else f" ({four_digits(density)} TOPS/mm²)"
    at = "" if accelerator.precision != "widening" else f" at {pe_bits(accelerator)} bit"
    text = f"{first}\n{', '.join(parts)}; 2 operations a MAC{at and ', peak' + at}"
    return "\n".join([text, *_stored_macs_line(result), *machine_line(accelerator)])


def _stored_macs_line(result: HardwareResult) -> list[str]:
    """MACs with and without those of inserted zeros, where there are any."""
    network, skips = result.network, result.accelerator.zero_skipping
    if network.stored_macs == network.macs:
        return []
    without = f"{network.stored_macs:,} without inserted zeros"
    how = "which alone are computed" if skips else "which zero skipping would leave"
    return [f"{network.macs:,} MACs, {without}, {how}"]


def layer_table(result: HardwareResult) -> Table:
    """One row per layer; a column of which nothing is known is left out.

    What the SRAM holds is shown where tensors may stay in it. Of a fused run all layers have the
    run's share of the peak, its need, as tiles, and its roof.
    """
    layers, rows = result.network.layers, result.layer_designs
    held = [bits for row in rows for bits in (row.sram_bits or 0, row.resident_bits)]
    sram, sram_unit = scaled(held, BIT_UNITS)
    shown = result.on_chip is not None
    traffic, bit_unit = scaled([row.dram_bits.total for row in rows], BIT_UNITS)
    timed = rows[0].latency_s is not None
    seconds = [row.compute_s if row.latency_s is None else row.latency_s for row in rows]
    times, time_unit = scaled(seconds, TIME_UNITS)
    shares = [share for share, _ in rates(result)]
    bits = [
        (row.weight_bits or ABSENT, *(result.tensor_bits[x] for x in (layer.input, layer.output)))
        for layer, row in zip(layers, rows, strict=True)
    ]
    tiles = [
        None if row.tile is None else "×".join(map(str, row.tile.sizes(layer).values()))
        for layer, row in zip(layers, rows, strict=True)
    ]
    needed = "tiles, run" if result.fused_runs else "tiles"
    columns: dict[str, list[RenderableType | None]] = {
        "~layer": [literal(row.name) for row in rows],
        "<fused\nrun": _run_marks(result),
        "bits\nw/in/out": ["/".join(map(str, each)) for each in bits],
        "\ncycles": [None if row.cycles is None else f"{row.cycles:,}" for row in rows],
        f"DRAM\n{bit_unit}": [*traffic],
        f"{'latency' if timed else 'compute'}\n{time_unit}": [*times],
        "utilisa-\ntion %": [None if share is None else f"{100 * share:.1f}" for share in shares],
        f"{needed}\n{sram_unit}": [size if shown else None for size in sram[::2]],
        f"resident\n{sram_unit}": [size if shown else None for size in sram[1::2]],
        "<mapping": [row.mapping for row in rows],
        "<bound\nby": [row.bound_by and roof_text(row.bound_by) for row in rows],
        "tile\ng×k×c×p×q×images": [*tiles],
        "loop\norder": [row.order for row in rows],
    }
    known = ((name, x) for name, x in columns.items() if any(cell is not None for cell in x))
    return columns_table((name, [cell or ABSENT for cell in cells]) for name, cells in known)


def _run_marks(result: HardwareResult) -> list[RenderableType | None]:
    """``1 ┐``, ``1 │``, ``1 ┘``: the number of each layer's fused run, and where that ends."""
    marks: list[RenderableType | None] = [None] * len(result.layer_designs)
    digits = len(str(len(result.fused_runs)))
    for number, run in enumerate(result.fused_runs, 1):
        for i in run.layers:
            side = "┐" if i == run.first else "┘" if i == run.last else "│"
            marks[i] = f"{number:>{digits}} {side}"
    return marks


def proof_line(design: Design) -> Text:
    """The proof, what was done with the hardware options, and the time."""
    solver = design.solver
    rest = f"{solver.bounded_away:,} bounded away"
    if solver.left_open:
        rest += f", {solver.left_open:,} left open"
    return Text.assemble(
        proof_text(design.proof, design.problem.objective, f"design of less {_breaks(design)}"),
        f"; {counted(solver.considered, 'hardware option')} considered: "
        f"{solver.solved:,} solved, {rest}; {counted(solver.programmes, 'programme')}, "
        f"{literal(solver.name)} {literal(solver.version)}, {solver.seconds:.2f} s",
    )


def batches_parts(design: Design) -> list[RenderableType]:
    """What was proven of each batch, where that was a choice: a line."""
    if not design.batches:
        return []
    unit, told = METRIC_UNITS[design.problem.objective], []
    for batch in design.batches:
        least = "" if batch.bound is None else f", {unit.label} at least {unit.amount(batch.bound)}"
        told.append(f"{batch.images:,} {batch.outcome}{least}")
    each = " for each image" if design.problem.objective in PER_BATCH else ""
    return [literal(f"images at once{each}: {'; '.join(told)}")]


def conflict_parts(error: InfeasibleError) -> list[RenderableType]:
    """Budgets in conflict: the limit, and the least that would do alone and with the others."""
    parts: list[RenderableType] = []
    for index, conflict in enumerate((error.clashing, *error.further)):
        made = table("<budget", "asked", "least\nalone", "least with\nthe others", "<")
        for metric, amounts in conflict.items():
            asked, *least = conflict_texts(metric, amounts)
            needed = ["none" if x == ABSENT else f"≥ {x}" for x in least]
            unit = METRIC_UNITS[metric]
            made.add_row(literal(unit.label), f"≤ {asked}", *needed, unit.unit)
        parts += ["", *(["and even without these:", ""] if index else []), made]
    return parts


def summary_line(design: DesignView) -> str:
    """The whole design in one line: status, gap, totals, hardware."""
    totals = f"{metrics_text(design.metrics)}; {hardware_text(design.hardware)}"
    kept = _kept_text(design.resident_tensors, design.band_tensors)
    return f"{status_text(design.proof)}: {totals}{kept}"


def totals_line(result: HardwareResult) -> str:
    """Totals and hardware in one line."""
    kept = None if result.on_chip is None else len(names_on_chip(result.on_chip))
    hardware, bands = hardware_text(result.accelerator), len(names_in_bands(result.on_chip))
    return f"{metrics_text(result.metrics)}; {hardware}{_kept_text(kept, bands or None)}"


def _kept_text(resident_tensors: int | None, band_tensors: int | None) -> str:
    """``, 17 tensors on chip, 3 bands``; nothing where none may stay."""
    if resident_tensors is None:
        return ""
    bands = "" if band_tensors is None else f", {counted(band_tensors, 'band')}"
    return f", {counted(resident_tensors, 'tensor')} on chip{bands}"
