"""A Pareto front as text: question, points, what is known between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.front import Front
from codesign.results.records import PipelineHardware, ProofRecord
from codesign.results.text.layout import columns_table, counted, percent
from codesign.results.text.phrases import (
    ENDED,
    hardware_cells,
    limits_text,
    mapping_cells,
    remark,
    subject,
)
from codesign.specs.fpga import Fpga
from codesign.specs.technology import Technology
from codesign.units import ABSENT, METRIC_UNITS, four_digits


def front_parts(front: Front) -> list[RenderableType]:
    """The whole report: question, points, infeasible limits, what is known between them."""
    problem = front.problem
    asked = [METRIC_UNITS[name].label for name in front.objectives]
    asked += [limits_text(problem)] if problem.budgets else []
    headline = Text.assemble(subject(problem), f": {', '.join(asked)}")
    headline.stylize("bold")
    parts: list[RenderableType] = [headline, "", points_table(front), ""]
    for limits in front.infeasible:
        within = [METRIC_UNITS[name].at_most(x) for name, x in limits.items() if x < math.inf]
        parts.append(remark(f"infeasible: {', '.join(within) or 'everything'}"))
    for name in (*Technology.hardware_metrics, *Fpga.hardware_metrics):
        unit, taken = METRIC_UNITS[name], [x.metrics.get(name, 0.0) for x in front.designs]
        if any(taken) and name not in (*front.objectives, *problem.budgets):
            text = f"no limit on {unit.label}: the designs take all that helps, up to "
            parts.append(remark(text + unit.amount(max(taken))))
    parts += map(remark, front.problem.technology.scaling_note)
    return [*parts, front_summary(front)]


def points_table(front: Front) -> Table:
    """One row per point: its objectives, its hardware, what binds it, how sure it is."""
    units = [METRIC_UNITS[name] for name in front.objectives]
    columns: dict[str, Sequence[RenderableType]] = {
        "point": [str(number) for number in range(1, len(front) + 1)]
    }
    for unit, values in zip(units, front.values.T, strict=True):
        columns[f"{unit.label}\n{unit.unit}"] = [unit.number(float(value)) for value in values]
    if len(units) == 2:
        first, second = units
        rates = [four_digits(float(x) * second.scale / first.scale) for x in front.rates]
        columns[f"{first.unit_name} per\n{second.unit_name}"] = [*rates, ""][: len(front)]
    columns |= _hardware_columns(front)
    if mappings := mapping_cells([design.hardware for design in front.designs]):
        columns["<mapping"] = mappings
    counts = {"tensors\non chip": "resident_tensors", "\nbands": "band_tensors"}
    for heading, name in counts.items():
        kept = [getattr(design, name) for design in front.designs]
        if any(number is not None for number in kept):
            columns[heading] = [ABSENT if number is None else str(number) for number in kept]
    if not all(isinstance(design.hardware, PipelineHardware) for design in front.designs):
        columns["memory-\nbound"] = [percent(x.memory_bound_share) for x in front.designs]
    proofs = [_proof_text(design.proof) for design in front.designs]
    if len(front) > 2:
        proofs[front.knee].append(", knee")
    columns["<proof"] = [*proofs]
    return columns_table(columns.items())


def _hardware_columns(front: Front) -> dict[str, Sequence[RenderableType]]:
    """The hardware of every point; of pipelines also what sets their intervals."""
    every = [design.hardware for design in front.designs]
    stages = [x for x in every if isinstance(x, PipelineHardware)]
    if len(stages) == len(every):  # an interval is set by one stage, or by all DRAM traffic
        memories = METRIC_UNITS["dram_bits"]
        return {
            "PEs": [f"{x.pes:,}" for x in stages],
            "memories\nMbit": [memories.number(x.memory_bits) for x in stages],
            "stages that\nstream": [f"{x.streamed} of {x.stages}" for x in stages],
            "<interval\nset by": [
                "DRAM" if design.memory_bound_share else "a stage" for design in front.designs
            ],
        }
    cells = [hardware_cells(x) for x in every]
    offered = [design.architecture for design in front.designs]
    kinds = {"<architecture": offered} if len({*offered}) > 1 else {}
    names = "<PE array", "PE bits", "SRAM\nMbit"
    return kinds | {name: [row[index] for row in cells] for index, name in enumerate(names)}


def _proof_text(proof: ProofRecord) -> Text:
    if proof.status == "optimal":
        return Text("optimal") if proof.ties_broken else Text("optimal, not tightened", "yellow")
    return Text("feasible" + (f", {ENDED[proof.ended]}" if proof.ended else ""), "yellow")


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
