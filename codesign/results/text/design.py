"""A design as text for the terminal: hardware, layers, totals, proof; and the live line.

Every function returns text or rich tables; nothing here prints. Names that come from files are
shown literally: no markup, no control characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.costs.layers import utilisation
from codesign.results.hardware_result import HardwareResult, throughput
from codesign.results.text.layout import (
    BIT_UNITS,
    TIME_UNITS,
    counted,
    literal,
    percent,
    scaled,
    short,
    table,
)
from codesign.units import (
    ABSENT,
    BITS_PER_GBIT,
    HZ_PER_MHZ,
    METRIC_UNITS,
    conflict_texts,
    four_digits,
    gap_text,
    in_display_order,
)

if TYPE_CHECKING:
    from codesign.errors import InfeasibleError
    from codesign.results.design import Design
    from codesign.results.evaluation import Evaluation
    from codesign.results.records import ProofRecord
    from codesign.results.views import AnyProblem, DesignView
    from codesign.specs.accelerator import Accelerator, Hardware

USED_UP = 0.9995  # share of a budget from which it counts as exhausted: what prints as 100.0 %
ENDED = {"gap": "gap asked for", "time": "time limit", "interrupt": "interrupted"}
NO_BUDGETS: Mapping[str, float] = MappingProxyType({})


def design_parts(design: Design) -> list[RenderableType]:
    """The whole report: question, hardware, layers, totals, notes, proof."""
    budgets = {str(metric): limit for metric, limit in design.problem.budgets.items()}
    totals = totals_table(design.metrics, budgets, design.problem.objective)
    return [question_line(design), *_layer_costs_parts(design, totals), proof_line(design)]


def evaluation_parts(evaluation: Evaluation) -> list[RenderableType]:
    """The whole report: what runs on what, hardware, layers, totals, notes."""
    return [
        evaluation_line(evaluation),
        *_layer_costs_parts(evaluation, totals_table(evaluation.metrics)),
    ]


def _layer_costs_parts(result: HardwareResult, totals: Table) -> list[RenderableType]:
    parts: list[RenderableType] = ["", hardware_table(result), rates_text(result)]
    parts += ["", layer_table(result), "", totals, ""]
    return [*parts, *(Text.assemble(("note: ", "yellow"), literal(x)) for x in result.notes)]


def evaluation_line(evaluation: Evaluation) -> Text:
    """What runs on what, under which roofline."""
    network, accelerator = short(evaluation.network.name), short(evaluation.accelerator.name)
    text = Text.assemble(network, " on ", accelerator, f": {evaluation.roofline} roofline")
    text.stylize("bold")
    return text


def question_line(design: DesignView) -> Text:
    """What was asked: network, technology, objective, budgets."""
    return asked_line(subject(design.problem), design.problem)


def subject(problem: AnyProblem) -> Text:
    """``resnet18 on tsmc28``, as far as a file tells it."""
    network, technology = problem.network.name, problem.technology.name
    text = short(network or "a network that the file does not name")
    return Text.assemble(text, " on ", short(technology)) if technology else Text.assemble(text)


def asked_line(asked: Text, problem: AnyProblem) -> Text:
    """A subject, and what is wanted of it: objective and budgets."""
    text = Text.assemble(asked, f": least {METRIC_UNITS[problem.objective].label}")
    for index, (metric, limit) in enumerate(problem.budgets.items()):
        shown = METRIC_UNITS[metric]
        text.append(f"{',' if index else ' with'} {shown.label} ≤ {shown.amount(limit)}")
        if metric == "noise" and problem.quality is not None:
            text.append(f" ({problem.quality})")
    text.stylize("bold")
    return text


def hardware_table(result: HardwareResult) -> Table:
    """PE array and SRAM with their areas."""
    accelerator, areas = result.accelerator, result.area_breakdown_mm2
    overhead, technology = accelerator.area_overhead, accelerator.technology
    multipliers = f"{accelerator.engine} multiplier" + ("s" if accelerator.engine > 1 else "")
    floating = "" if accelerator.number_format == "integer" else " floating point"
    what = {
        "PE array": f"{accelerator.rows} × {accelerator.cols} PEs of {multipliers}, "
        f"{accelerator.pe_weight_bits} × {accelerator.pe_activation_bits} bit{floating}"
        + ("" if overhead == 1 else f", area overhead × {four_digits(overhead)}"),
        "SRAM": "not given"
        if accelerator.sram_bits is None
        else METRIC_UNITS["dram_bits"].amount(accelerator.sram_bits)
        + ("" if technology is None else f", {technology.sram}"),
    }
    made = table("<hardware", "<", "area mm²", "share")
    total = result.metrics.get("area_mm2")
    for name, text in what.items():
        area = areas.get(name)
        share = ABSENT if area is None or total is None else percent(area / total)
        made.add_row(name, literal(text), ABSENT if area is None else four_digits(area), share)
    made.add_row(
        "total", "", *((ABSENT, ABSENT) if total is None else (four_digits(total), percent(1)))
    )
    return made


def rates_text(result: HardwareResult) -> str:
    """Clock, DRAM bandwidth and images; peak and attained operations, two a MAC."""
    accelerator, dram_bits_per_s = result.accelerator, result.accelerator.dram_bits_per_s
    rates = throughput(result)
    dram = "not given"
    if dram_bits_per_s is not None:
        dram = f"{four_digits(dram_bits_per_s / BITS_PER_GBIT)} Gbit/s"
    first = f"clock {four_digits(accelerator.clock_hz / HZ_PER_MHZ)} MHz, DRAM {dram}"
    if "images_per_s" in rates:
        first += f", {four_digits(rates['images_per_s'])} images/s"
    parts = []
    for which, words in (("peak_", "peak"), ("", "attained")):
        if f"{which}gops" in rates:
            parts.append(f"{words} {four_digits(rates[f'{which}gops'])} GOPS")
            density = rates.get(f"{which}tops_per_mm2")
            parts[-1] += "" if density is None else f" ({four_digits(density)} TOPS/mm²)"
    return f"{first}\n{', '.join(parts)}; 2 operations a MAC"


def layer_table(result: HardwareResult) -> Table:
    """One row per layer."""
    layers = result.layer_designs
    traffic, bit_unit = scaled([row.dram_bits.total for row in layers], BIT_UNITS)
    timed = [row.compute_s if row.latency_s is None else row.latency_s for row in layers]
    time_s, time_unit = scaled(timed, TIME_UNITS)
    what = "latency" if layers[0].latency_s is not None else "compute"
    headings = ["~layer", "bits\nw/in/out", "\ncycles", f"DRAM\n{bit_unit}"]
    headings += [f"{what}\n{time_unit}", "utilisa-\ntion %", "<bound\nby"]
    headings += ["tile\ng×k×c×p×images", "loop\norder"]
    rows: list[tuple[RenderableType | None, ...]] = []
    for i, (layer, row) in enumerate(zip(result.network.layers, layers, strict=True)):
        bits = (
            row.weight_bits or ABSENT,
            *(result.tensor_bits[x] for x in (layer.input, layer.output)),
        )
        tile = row.tile
        share = utilisation(layer, row, result.accelerator)
        rows.append(
            (
                literal(row.name),
                "/".join(map(str, bits)),
                None if row.cycles is None else f"{row.cycles:,}",
                traffic[i],
                time_s[i],
                None if share is None else f"{100 * share:.1f}",
                row.bound_by and Text(row.bound_by, "cyan" if row.bound_by == "memory" else ""),
                None if tile is None else "×".join(map(str, astuple(tile))),
                row.order,
            )
        )
    every = range(len(headings))
    known = [column for column in every if any(cells[column] is not None for cells in rows)]
    made = table(*(headings[column] for column in known))
    for cells in rows:
        made.add_row(*(cells[column] or ABSENT for column in known))
    return made


def totals_table(
    metrics: Mapping[str, float],
    budgets: Mapping[str, float] = NO_BUDGETS,
    objective: str | None = None,
    named: Iterable[str] = METRIC_UNITS,
) -> Table:
    """The metrics named, each beside its budget where there are budgets."""
    asked = objective is not None
    made = table("<total", "value", "<", *(("budget", "used", "<") if asked else ()))
    for metric in named:
        shown = METRIC_UNITS[metric]
        value, limit = metrics.get(metric), budgets.get(metric)
        cells: list[RenderableType] = [shown.label, ABSENT, ""]
        if value is not None:
            cells[1:] = [four_digits(value / shown.scale), shown.unit]
        if asked and value is not None:
            remarks = ["minimised"] if metric == objective else []
            if limit is not None and value >= USED_UP * limit:
                remarks.append("exhausted")
            cells += [
                ABSENT if limit is None else f"≤ {four_digits(limit / shown.scale)}",
                "" if limit is None else percent(value / limit),
                Text(", ".join(remarks), "yellow" if "exhausted" in remarks else ""),
            ]
        made.add_row(*cells)
    return made


def proof_line(design: Design) -> Text:
    """Status, objective, bound, gap, what became of the hardware options, and the time."""
    solver = design.solver
    rest = f"{solver.bounded_away:,} bounded away"
    if solver.left_open:
        rest += f", {solver.left_open:,} left open"
    return Text.assemble(
        proof_text(design.proof, design.problem.objective, "design of less area or noise"),
        f"; {counted(solver.considered, 'hardware option')} considered: "
        f"{solver.solved:,} solved, {rest}; {counted(solver.programmes, 'programme')}, "
        f"{literal(solver.name)} {literal(solver.version)}, {solver.seconds:.2f} s",
    )


def proof_text(proof: ProofRecord, objective: str, equal: str) -> Text:
    """Status and why, objective, bound, gap; ``equal``: what an unbroken tie may leave unfound."""
    shown = METRIC_UNITS[objective]
    status = Text("optimal", "bold green")
    if proof.status != "optimal":
        status = Text("feasible, gap not closed", "bold yellow")
        if proof.ended is not None:
            status += Text(f" ({ENDED[proof.ended]})")
    elif proof.ties == "left":
        status += Text(f" (ties left: an equal {equal} not looked for)")
    elif not proof.ties_broken:
        status += Text(f" (ties not proven: an equal {equal} not ruled out)")
    return Text.assemble(
        status,
        f": {shown.label} {shown.amount(proof.objective)}, bound {shown.amount(proof.bound)}, "
        f"gap {gap_text(proof.gap)}",
    )


def clash_parts(error: InfeasibleError) -> list[RenderableType]:
    """Budgets that clash: what was asked, and the least that would do alone and with the others."""
    parts: list[RenderableType] = []
    for index, clash in enumerate((error.clashing, *error.further)):
        made = table("<budget", "asked", "least\nalone", "least with\nthe others", "<")
        for metric, amounts in clash.items():
            asked, *least = conflict_texts(metric, amounts)
            needed = ["none" if x == ABSENT else f"≥ {x}" for x in least]
            shown = METRIC_UNITS[metric]
            made.add_row(literal(shown.label), f"≤ {asked}", *needed, shown.unit)
        parts += ["", *(["and even without these:", ""] if index else []), made]
    return parts


def summary_line(design: DesignView) -> str:
    """The whole design in one line: status, gap, totals, hardware."""
    totals = f"{metrics_text(design.metrics)}; {hardware_words(design.hardware)}"
    return f"{status_words(design.proof)}: {totals}"


def status_words(proof: ProofRecord) -> str:
    """``optimal, gap 0``, and what became of ties where they are not broken."""
    ties = f", ties {proof.ties}" if proof.status == "optimal" and not proof.ties_broken else ""
    return f"{proof.status}, gap {gap_text(proof.gap)}{ties}"


def totals_line(result: HardwareResult) -> str:
    """Totals and hardware in one line."""
    return f"{metrics_text(result.metrics)}; {hardware_words(result.accelerator)}"


def hardware_words(hardware: Accelerator | Hardware) -> str:
    """``16 × 64 PEs of 7 × 8 bit, SRAM 1.56 Mbit``."""
    sram_bits = hardware.sram_bits
    return (
        f"{hardware.rows} × {hardware.cols} PEs of {hardware.pe_weight_bits} × "
        f"{hardware.pe_activation_bits} bit"
        + ("" if sram_bits is None else f", SRAM {METRIC_UNITS['dram_bits'].amount(sram_bits)}")
    )


def metrics_text(metrics: Mapping[str, float]) -> str:
    """``latency 0.712 ms, area 6 mm²``: those that are known."""
    known = [(METRIC_UNITS[name], metrics[name]) for name in in_display_order(metrics)]
    return ", ".join(f"{x.label} {x.amount(value)}" for x, value in known)
