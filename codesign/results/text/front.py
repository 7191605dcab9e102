"""A Pareto front as text for the terminal."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.front import Front
from codesign.results.text.design import ENDED, subject
from codesign.results.text.layout import counted, percent, table
from codesign.units import METRIC_UNITS, four_digits


def front_parts(front: Front) -> list[RenderableType]:
    """The whole report: question, points, infeasible limits, what is known between them."""
    words = ", ".join(METRIC_UNITS[name].label for name in front.objectives)
    problem = front.problem
    headline = Text.assemble(subject(problem), f": {words}")
    for name, limit in problem.budgets.items():
        shown = METRIC_UNITS[name]
        headline.append(f", {shown.label} ≤ {shown.amount(limit)}")
        if name == "noise" and problem.quality is not None:
            headline.append(f" ({problem.quality})")
    headline.stylize("bold")
    parts: list[RenderableType] = [headline, "", points_table(front), ""]
    for limits in front.infeasible:
        within = ", ".join(
            f"{METRIC_UNITS[name].label} ≤ {METRIC_UNITS[name].amount(limit)}"
            for name, limit in limits.items()
            if limit < float("inf")
        )
        parts.append(Text.assemble(("note: ", "yellow"), f"infeasible: {within or 'everything'}"))
    if len(front) and "area_mm2" not in (*front.objectives, *problem.budgets):
        most = METRIC_UNITS["area_mm2"].amount(max(x.metrics["area_mm2"] for x in front.designs))
        free = f"no limit on area: the designs take all that helps, up to {most}"
        parts.append(Text.assemble(("note: ", "yellow"), free))
    return [*parts, front_summary(front)]


def points_table(front: Front) -> Table:
    """One row per point: its objectives, its hardware, what binds it, how sure it is."""
    shown = [METRIC_UNITS[name] for name in front.objectives]
    two = len(front.objectives) == 2
    headings = [f"{x.label}\n{x.unit}" for x in shown]
    rate = f"{shown[0].unit or shown[0].label} per\n{shown[1].unit or shown[1].label}"
    made = table(
        "point",
        *headings,
        *([rate] if two else []),
        "<PE array",
        "PE bits",
        "SRAM\nMbit",
        "memory-\nbound",
        "<proof",
    )
    scale = [x.scale for x in shown]
    for number, (design, row) in enumerate(zip(front.designs, front.values, strict=True), 1):
        hardware = design.hardware
        steps = [""]
        if two and number <= len(front.rates):
            steps = [four_digits(float(front.rates[number - 1]) * scale[1] / scale[0])]
        proof: str = design.proof.status
        if proof == "optimal" and not design.proof.ties_broken:
            proof = "optimal, not tightened"
        elif proof == "feasible" and design.proof.ended is not None:
            proof = f"feasible, {ENDED[design.proof.ended]}"
        knee = ", knee" if number - 1 == front.knee and len(front) > 2 else ""
        made.add_row(
            str(number),
            *(four_digits(value / x.scale) for value, x in zip(row, shown, strict=True)),
            *(steps if two else []),
            f"{hardware.rows} × {hardware.cols}",
            f"{hardware.pe_weight_bits} × {hardware.pe_activation_bits}",
            four_digits(hardware.sram_bits / METRIC_UNITS["dram_bits"].scale),
            percent(design.memory_bound_share),
            Text(proof + knee, "" if proof == "optimal" else "yellow"),
        )
    return made


def front_summary(front: Front) -> Text:
    """Points, what is left unknown, and the time."""
    proven = sum(design.proof.status == "optimal" for design in front.designs)
    if front.complete:
        step = f" up to a relative step of {front.rel_step:g}" if front.rel_step else ""
        known = f"the complete front{step}"
    elif math.isnan(front.gap):
        known = "the file does not tell what is ruled out between them"
    else:
        known = f"unknown: {percent(front.gap)} of the hypervolume between the ends"
    return Text(f"{counted(len(front), 'point')}, {proven} proven; {known}; {front.seconds:.2f} s")
