"""An explanation as text for the terminal: what binds, what it is worth, what comes next."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.explanation import Explanation, RunnerUp, Sensitivity, Side
from codesign.results.text.design import USED_UP, hardware_words, question_line
from codesign.results.text.layout import literal, percent, table
from codesign.units import ABSENT, METRIC_UNITS, RATE_UNITS, DisplayUnit, four_digits

SHOWN = METRIC_UNITS | RATE_UNITS


def explanation_parts(explanation: Explanation) -> list[RenderableType]:
    """The whole report."""
    design = explanation.design
    shown = METRIC_UNITS[design.problem.objective]
    optimum = shown.amount(design.metrics[design.problem.objective])
    found = f"optimum: {shown.label} {optimum} with {hardware_words(design.hardware)}"
    parts: list[RenderableType] = [question_line(design), found, ""]
    if explanation.used:
        parts += [budgets_table(explanation), ""]
    parts += [roofs_line(explanation), "", layers_table(explanation), ""]
    if explanation.sensitivities:
        parts += [sensitivities_table(explanation), ""]
    parts += [runner_ups_table(explanation), ""]
    if omitted := left_out(explanation):
        parts += [*(f"left out: {why}" for why in omitted), ""]
    late = f"; {explanation.unproven} not known for want of time" if explanation.unproven else ""
    return [*parts, f"all figures shown are proven optima{late}; {explanation.seconds:.2f} s"]


def budgets_table(explanation: Explanation) -> Table:
    """How much of every budget is used."""
    made = table("<budget", "limit", "value", "<", "used", "<")
    design = explanation.design
    for name, limit in design.problem.budgets.items():
        shown, used = METRIC_UNITS[name], explanation.used[name]
        value = design.metrics[name]
        binds = Text("exhausted" if used >= USED_UP else "", "yellow")
        amounts = four_digits(limit / shown.scale), four_digits(value / shown.scale)
        made.add_row(shown.label, *amounts, shown.unit, percent(used), binds)
    return made


def roofs_line(explanation: Explanation) -> str:
    """Where the time goes."""
    share = explanation.roof_share
    return (
        f"{percent(share['memory'])} of the latency in layers that the DRAM binds, "
        f"{percent(share['compute'])} in layers that the PE array binds"
    )


def layers_table(explanation: Explanation) -> Table:
    """Each layer's roof, its share of the latency, and how far below the other roof's time is."""
    made = table("~layer", "share of\nlatency", "<bound\nby", "time of the\nother roof")
    for row in explanation.design.layer_designs:
        times = sorted((row.compute_s or 0.0, row.memory_s or 0.0))
        other = percent(times[0] / times[1]) if times[1] > 0 else ABSENT
        bound_by = Text(row.bound_by or ABSENT, "cyan" if row.bound_by == "memory" else "")
        share = percent(explanation.latency_share[row.name])
        made.add_row(literal(row.name), share, bound_by, other)
    return made


def sensitivities_table(explanation: Explanation) -> Table:
    """What a step less and a step more of every budget and rate would make of the objective."""
    shown = METRIC_UNITS[explanation.design.problem.objective]
    unit = shown.unit or shown.label
    made = table("<what counts", "now", "<")
    for sign in ("−", "+"):
        at = f"at {sign}{100 * explanation.step:g} %\n{unit}"
        for name in (at, "change\nper unit"):
            made.add_column(name, justify="right", no_wrap=True)
    made.add_column("unit of change")
    for each in explanation.sensitivities:
        knob = SHOWN[each.name]
        cells = [*_side(each.less, knob, shown), *_side(each.more, knob, shown)]
        now = four_digits(each.value / knob.scale)
        made.add_row(worth_words(each), now, knob.unit, *cells, f"{unit} per {_unit(knob)}")
    return made


def left_out(explanation: Explanation) -> list[str]:
    """Rows that are in none of the tables, each with why."""
    design, objective = explanation.design, explanation.design.problem.objective
    shown = {each.name for each in explanation.sensitivities}
    found = []
    for name in (x for x in design.problem.budgets if x not in shown):
        words = METRIC_UNITS[name].label
        why = f"{words} is what is minimised, so its limit costs nothing"
        if name != objective:
            why = "a share of 0 is no step"
        found.append(f"budget of {words}: {why}")
    if "more SRAM" not in {each.change for each in explanation.runner_ups}:
        why = "no limit on area makes it cost anything"
        if objective == "area_mm2":
            why = "area is what is minimised, and it costs what it takes"
        found.append(f"more SRAM: {why}")
    return found


def worth_words(each: Sensitivity) -> str:
    """``budget of area`` or ``clock``."""
    words = SHOWN[each.name].label
    return f"budget of {words}" if each.kind == "budget" else words


def _unit(knob: DisplayUnit) -> str:
    return knob.unit or knob.label


def _side(side: Side, knob: DisplayUnit, objective: DisplayUnit) -> tuple[str, str]:
    if side.objective is None or side.rate is None:
        return absence(side), ABSENT
    rate = side.rate * knob.scale / objective.scale
    return four_digits(side.objective / objective.scale), signed(rate)


def absence(change: Side | RunnerUp) -> str:
    """Why a change has no figures."""
    return "infeasible" if change.proven else "not in time"


def signed(value: float) -> str:
    """``+1.2``, ``−0.3`` or ``0``."""
    sign = "" if value == 0 else "+" if value > 0 else "−"
    return sign + four_digits(abs(value))


def runner_ups_table(explanation: Explanation) -> Table:
    """The best designs that differ in one thing, and what each loses."""
    objective = explanation.design.problem.objective
    shown, best = METRIC_UNITS[objective], explanation.design.metrics[objective]
    bits = METRIC_UNITS["dram_bits"]
    area = [] if objective == "area_mm2" else ["area\nmm²"]
    made = table(
        *("<best design with", "<PE array", "PE bits", f"SRAM\n{bits.unit}", *area),
        *(f"{shown.label}\n{shown.unit}", "loss", "loss %"),
    )
    step = f"{100 * explanation.step:g} %"
    words = {
        "array": "another array",
        "PE widths": "PEs of other widths",
        "less SRAM": f"at least {step} less SRAM",
        "more SRAM": f"at least {step} more SRAM",
    }
    for each in explanation.runner_ups:
        if each.hardware is None or each.loss is None:
            made.add_row(words[each.change], absence(each), *[ABSENT] * (5 + len(area)))
            continue
        hardware = each.hardware
        made.add_row(
            words[each.change],
            f"{hardware.rows} × {hardware.cols}",
            f"{hardware.pe_weight_bits} × {hardware.pe_activation_bits}",
            four_digits(hardware.sram_bits / bits.scale),
            *([four_digits(each.metrics["area_mm2"])] if area else []),
            four_digits(each.metrics[objective] / shown.scale),
            four_digits(each.loss / shown.scale),
            _loss_percent(each.loss, best),
        )
    return made


def _loss_percent(loss: float, best: float) -> str:
    """Nearer than optima are proven to, it is as good."""
    if loss <= OPTIMAL_GAP * best:
        return "a tie"
    return four_digits(100 * loss / best) if best > 0 else ABSENT
