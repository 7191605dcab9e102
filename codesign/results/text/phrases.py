"""Phrases and tables that several reports share: the question, totals, hardware, proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.problem.metrics import REGRET
from codesign.results.records import PipelineHardware
from codesign.results.text.layout import literal, percent, short, table
from codesign.units import ABSENT, METRIC_UNITS, four_digits, gap_text, in_display_order, kind_of

if TYPE_CHECKING:
    from codesign.results.records import ProofRecord
    from codesign.results.views import AnyHardware, AnyProblem
    from codesign.specs.accelerator import Accelerator, Hardware

USED_UP = 0.9995  # share of a budget from which it counts as exhausted: what prints as 100.0 %
ENDED = {"gap": "gap asked for", "time": "time limit", "interrupt": "interrupted"}


def remark(text: str, kind: str = "note") -> Text:
    """``note: …``, with names from files shown literally."""
    return Text.assemble((f"{kind}: ", "yellow"), literal(text))


def subject(problem: AnyProblem) -> Text:
    """``resnet18 on tsmc28``, as far as a file tells it."""
    network, technology = problem.network.name, problem.technology.name
    text = short(network or "a network that the file does not name")
    return Text.assemble(text, " on ", short(technology)) if technology else Text.assemble(text)


def question_line(subject: Text, problem: AnyProblem) -> Text:
    """A subject, and what is wanted of it: objective and budgets."""
    choices = getattr(problem, "choices", None)
    given = ", of given stages" if choices is not None and choices.stages else ""
    text = Text.assemble(subject, f"{given}: least {METRIC_UNITS[problem.objective].label}")
    if problem.objective == REGRET:
        kind = METRIC_UNITS[problem.minimised_kind].label
        text.append(f", the largest ratio of a network's {kind} to its own best,")
    if problem.budgets:
        text.append(f" with {limits_text(problem)}")
    text.stylize("bold")
    return text


def limits_text(problem: AnyProblem) -> str:
    """``area ≤ 6 mm², noise ≤ 0.003906 (uniform:6)``."""
    limits = []
    for metric, limit in problem.budgets.items():
        if kind_of(metric) == "noise" != metric and problem.quality is not None:
            continue  # of members, by their qualities
        limits.append(METRIC_UNITS[metric].at_most(limit))
        if metric == "noise" and problem.quality is not None:
            limits[-1] += f" ({problem.quality})"
    if problem.quality is not None and "noise" not in problem.budgets:
        limits.append(f"noise of each ≤ {problem.quality}")
    return ", ".join(limits)


def totals_table(
    metrics: Mapping[str, float],
    problem: AnyProblem | None = None,
    named: Iterable[str] = METRIC_UNITS,
) -> Table:
    """The metrics named, each beside its budget where there is a problem."""
    made = table("<total", "value", "<", *(("budget", "used", "<") if problem else ()))
    for metric in named:
        unit, value = METRIC_UNITS[metric], metrics.get(metric)
        if value is None:
            made.add_row(unit.label, ABSENT, "")
            continue
        cells: list[RenderableType] = [unit.label, unit.number(value), unit.unit]
        if problem is not None:
            limit = problem.budgets.get(metric)
            remarks = ["minimised"] if metric == problem.objective else []
            if limit is not None and value >= USED_UP * limit:
                remarks.append("exhausted")
            cells += [
                ABSENT if limit is None else f"≤ {unit.number(limit)}",
                "" if limit is None else percent(value / limit),
                Text(", ".join(remarks), "yellow" if "exhausted" in remarks else ""),
            ]
        made.add_row(*cells)
    return made


def metrics_text(metrics: Mapping[str, float]) -> str:
    """``latency 0.712 ms, area 6 mm²``: those that are known."""
    known = [(METRIC_UNITS[name], metrics[name]) for name in in_display_order(metrics)]
    return ", ".join(f"{unit.label} {unit.amount(value)}" for unit, value in known)


def proof_text(proof: ProofRecord, objective: str, equal: str) -> Text:
    """Status and why, objective, bound, gap; ``equal``: what an unbroken tie may leave unfound."""
    unit = METRIC_UNITS[objective]
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
        f": {unit.label} {unit.amount(proof.objective)}, bound {unit.amount(proof.bound)}, "
        f"gap {gap_text(proof.gap)}",
    )


def status_text(proof: ProofRecord) -> str:
    """``optimal, gap 0``, and the state of ties where they are not broken."""
    ties = f", ties {proof.ties}" if proof.status == "optimal" and not proof.ties_broken else ""
    return f"{proof.status}, gap {gap_text(proof.gap)}{ties}"


def hardware_cells(hardware: Hardware | PipelineHardware) -> tuple[str, str, str]:
    """``16 × 64``, ``7 × 8`` and ``1.56``: PE array, bits of the PEs' operands, SRAM in Mbit."""
    if isinstance(hardware, PipelineHardware):
        sram = METRIC_UNITS["dram_bits"].number(hardware.memory_bits)
        return f"{hardware.pes:,} in {hardware.stages} stages", ABSENT, sram
    sram = METRIC_UNITS["dram_bits"].number(hardware.sram_bits)
    return _array(hardware), pe_bits(hardware), sram


def hardware_text(hardware: Accelerator | AnyHardware) -> str:
    """``16 × 64 PEs of 7 × 8 bit, im2col, SRAM 1.56 Mbit``; the usual mapping goes unsaid."""
    if isinstance(hardware, PipelineHardware):
        memories = METRIC_UNITS["dram_bits"].amount(hardware.memory_bits)
        return f"{hardware.pes:,} PEs in {hardware.stages} stages, memories {memories}"
    sram_bits = hardware.sram_bits
    sram = "" if sram_bits is None else f", SRAM {METRIC_UNITS['dram_bits'].amount(sram_bits)}"
    return f"{_array(hardware)} PEs of {pe_bits(hardware)} bit{beside_usual(hardware)}{sram}"


def mapping_text(hardware: Accelerator | AnyHardware) -> str:
    """``im2col``, or ``window/output by layer`` of a reconfigurable machine."""
    if isinstance(hardware, PipelineHardware):
        return "window"  # what stages have is told of each
    by_layer = " by layer" if len(hardware.mapping) > 1 else ""
    return "/".join(hardware.mapping) + by_layer


def beside_usual(hardware: Accelerator | Hardware) -> str:
    """``, im2col``; nothing where the mapping is the usual one."""
    return "" if hardware.mapping == ("window",) else f", {mapping_text(hardware)}"


def mapping_cells(every: Sequence[Accelerator | AnyHardware | None]) -> list[str] | None:
    """The mappings of a table's rows; None where all are the usual one, and need no column."""
    unusual = any(x is not None and mapping_text(x) != "window" for x in every)
    told = [None if isinstance(x, PipelineHardware) else x for x in every]
    return [ABSENT if x is None else mapping_text(x) for x in told] if unusual else None


def _array(hardware: Accelerator | Hardware) -> str:
    return f"{hardware.rows} × {hardware.cols}"


def pe_bits(hardware: Accelerator | Hardware) -> str:
    """``7 × 8``: bits of a PE's operands, weight and activation."""
    return f"{hardware.pe_weight_bits} × {hardware.pe_activation_bits}"


def roof_text(bound_by: str | None) -> Text:
    """The roof that binds a layer, the DRAM in colour."""
    return Text(bound_by or ABSENT, "cyan" if bound_by == "memory" else "")


def signed(value: float) -> str:
    """``+1.2``, ``−0.3`` or ``0``."""
    sign = "" if value == 0 else "+" if value > 0 else "−"
    return sign + four_digits(abs(value))
