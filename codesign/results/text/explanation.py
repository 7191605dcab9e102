"""An explanation as text for the terminal: what binds, what it is worth, what comes next."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.problem.metrics import HARDWARE_METRICS
from codesign.problem.tolerances import OPTIMAL_GAP
from codesign.results.explanation import Explanation, RunnerUp, Sensitivity, Side
from codesign.results.records import Pace
from codesign.results.text.layout import literal, percent, table
from codesign.results.text.phrases import (
    USED_UP,
    hardware_cells,
    hardware_text,
    mapping_cells,
    question_line,
    remark,
    roof_text,
    signed,
    subject,
)
from codesign.results.text.residency_worth import worth_parts
from codesign.results.text.sharing import sharing_parts
from codesign.units import ABSENT, METRIC_UNITS, RATE_UNITS, DisplayUnit, four_digits

MOST_NAMED = 3  # stages that decide the interval; of more, how many there are


def explanation_parts(explanation: Explanation) -> list[RenderableType]:
    """The whole report."""
    design = explanation.design
    objective = METRIC_UNITS[design.problem.objective]
    optimum = objective.amount(design.metrics[design.problem.objective])
    found = f"optimum: {objective.label} {optimum} with {hardware_text(design.hardware)}"
    parts: list[RenderableType] = [question_line(subject(design.problem), design.problem), found]
    parts += ["", budgets_table(explanation)] if explanation.used else []
    if explanation.pace is not None:
        parts += ["", pace_line(explanation.pace), "", pace_table(explanation.pace)]
    else:
        parts += ["", roofs_line(explanation), "", layers_table(explanation)]
    parts += sharing_parts(explanation)
    parts += ["", sensitivities_table(explanation)] if explanation.sensitivities else []
    if explanation.residency is not None:
        parts += ["", *worth_parts(explanation.residency)]
    parts += ["", runner_ups_table(explanation)] if explanation.runner_ups else []
    parts += [""]
    parts += map(remark, design.problem.technology.scaling_note)
    if omitted := left_out(explanation):
        parts += [*(f"left out: {why}" for why in omitted), ""]
    late = f"; {explanation.unproven} not known for want of time" if explanation.unproven else ""
    return [*parts, f"all figures shown are proven optima{late}; {explanation.seconds:.2f} s"]


def budgets_table(explanation: Explanation) -> Table:
    """How much of every budget is used."""
    made = table("<budget", "limit", "value", "<", "used", "<")
    design = explanation.design
    for name, limit in design.problem.budgets.items():
        unit, used = METRIC_UNITS[name], explanation.used[name]
        amounts = unit.number(limit), unit.number(design.metrics[name])
        binds = Text("exhausted" if used >= USED_UP else "", "yellow")
        made.add_row(unit.label, *amounts, unit.unit, percent(used), binds)
    return made


def roofs_line(explanation: Explanation) -> str:
    """Where the time goes."""
    share = explanation.roof_share
    port = ""
    if "sram" in share:
        port = f"{percent(share['sram'])} in layers that the SRAM's port binds, "
    return (
        f"{percent(share['memory'])} of the latency in layers that the DRAM binds, {port}"
        f"{percent(share['compute'])} in layers that the PE array binds"
    )


def layers_table(explanation: Explanation) -> Table:
    """Each layer's roof, its share of the latency, and how far below the other roof's time is.

    Where the SRAM's port is a roof too, the longer of the others'.
    In a fused run, whose roof is that of all its layers together, it may be above.
    """
    made = table("~layer", "share of\nlatency", "<bound\nby", "time of the\nother roof")
    shares = explanation.latency_share
    for row in explanation.design.layer_designs:
        times = {"compute": row.compute_s, "sram": row.sram_s, "memory": row.memory_s}
        own = times.pop(row.bound_by or "memory") or 0.0
        other_s = max(x or 0.0 for x in times.values())
        other = percent(other_s / own) if own > 0 else ABSENT
        made.add_row(literal(row.name), percent(shares[row.name]), roof_text(row.bound_by), other)
    return made


def pace_line(pace: Pace) -> Text:
    """What decides the interval."""
    interval = METRIC_UNITS["interval_s"].amount(pace.interval_s)
    binds = [f"{'layers' if x.layers[1:] else 'layer'} {x.name}" for x in pace.slowest]
    binds += ["DRAM traffic"] if pace.memory_s == pace.interval_s else []
    share = percent(pace.memory_s / pace.interval_s) if pace.interval_s else ABSENT
    named = binds if len(binds) <= MOST_NAMED else [f"{len(binds)} of the pipeline's layers"]
    return literal(f"interval {interval}, of {' and '.join(named)}; DRAM busy {share} of it")


def pace_table(pace: Pace) -> Table:
    """Each stage's busy time and that of its own DRAM traffic, as shares of the interval.

    Of a segment also those of its layers, one after the other.
    """
    shared = ["<bound\nby"] if pace.hybrid else []
    made = table("~layer", "array\nbusy", "<", "DRAM busy\nfor it", *shared)
    whole = pace.interval_s or 1.0
    for row in pace.stages:
        array, memory = row.compute_s, row.memory_s
        binds = Text("binds" if array == pace.interval_s else "", "yellow")
        busy = ABSENT if array is None else percent(array / whole)
        rest = [""] * len(shared)
        name = f"shared: {row.name}" if row.layers else row.name
        made.add_row(literal(name), busy, binds, percent(memory / whole), *rest)
        for layer in row.layers:
            array, bound = layer.compute_s, "memory"
            if array is not None and array >= layer.memory_s:
                bound = "compute"
            busy = ABSENT if array is None else percent(array / whole)
            cells = busy, "", percent(layer.memory_s / whole), roof_text(bound)
            made.add_row(literal(f"  {layer.name}"), *cells)
    return made


def sensitivities_table(explanation: Explanation) -> Table:
    """What a step less and a step more of every budget and rate would make of the objective."""
    objective = METRIC_UNITS[explanation.design.problem.objective]
    made = table("<what counts", "now", "<")
    for sign in ("−", "+"):
        at = f"at {sign}{100 * explanation.step:g} %\n{objective.unit_name}"
        for name in (at, "change\nper unit"):
            made.add_column(name, justify="right", no_wrap=True)
    made.add_column("unit of change")
    for each in explanation.sensitivities:
        knob = knob_unit(each)
        cells = [*_side_cells(each.less, knob, objective), *_side_cells(each.more, knob, objective)]
        rate_unit = f"{objective.unit_name} per {knob.unit_name}"
        made.add_row(knob_text(each), knob.number(each.value), knob.unit, *cells, rate_unit)
    return made


def _side_cells(side: Side, knob: DisplayUnit, objective: DisplayUnit) -> tuple[str, str]:
    if side.objective is None or side.rate is None:
        return absence(side), ABSENT
    rate = side.rate * knob.scale / objective.scale
    return objective.number(side.objective), signed(rate)


def knob_unit(each: Sensitivity) -> DisplayUnit:
    """Of what a sensitivity changes: a budget or a rate."""
    return RATE_UNITS[each.name] if each.name in RATE_UNITS else METRIC_UNITS[each.name]


def knob_text(each: Sensitivity) -> str:
    """``budget of area`` or ``clock``."""
    label = knob_unit(each).label
    return f"budget of {label}" if each.kind == "budget" else label


def absence(change: Side | RunnerUp) -> str:
    """Why nothing is known of a change."""
    return "infeasible" if change.proven else "not in time"


def runner_ups_table(explanation: Explanation) -> Table:
    """The best designs that differ in one thing, and what each loses."""
    objective = explanation.design.problem.objective
    unit, best = METRIC_UNITS[objective], explanation.design.metrics[objective]
    told = [each.metrics for each in explanation.runner_ups]
    known = [x for x in HARDWARE_METRICS if x != objective and any(x in each for each in told)]
    area = [f"{METRIC_UNITS[x].label}\n{METRIC_UNITS[x].unit}".rstrip() for x in known]
    every = [explanation.design.hardware, *(each.hardware for each in explanation.runner_ups)]
    mappings = mapping_cells(every)
    more = [] if mappings is None else ["<mapping"]
    shown = [[x] for x in mappings[1:]] if mappings else [[]] * len(explanation.runner_ups)
    made = table(
        *("<best design with", "<PE array", "PE bits", "SRAM\nMbit", *more, *area),
        *(f"{unit.label}\n{unit.unit}", "loss", "loss %"),
    )
    step = f"{100 * explanation.step:g} %"
    words = {
        "array": "another array",
        "mapping": "another mapping",
        "one mapping": "one mapping for all layers",
        "own mappings": "each layer's own mapping",
        "PE widths": "PEs of other widths",
        "less SRAM": f"at least {step} less SRAM",
        "more SRAM": f"at least {step} more SRAM",
        "all in DRAM": "no tensor on chip",
        "nothing fused": "no fused layers",
        "shared array": "one array for all layers",
        "own arrays": "an array for each layer",
        "segment": "some layers on one array",
        "weights on chip": "all weights on chip",
    }
    for each, mapping in zip(explanation.runner_ups, shown, strict=True):
        if each.hardware is None or each.loss is None:
            rest = [ABSENT] * (5 + len(more) + len(area))
            made.add_row(words[each.change], absence(each), *rest)
            continue
        made.add_row(
            *(words[each.change], *hardware_cells(each.hardware), *mapping),
            *(METRIC_UNITS[x].number(each.metrics[x]) for x in known),
            *(unit.number(each.metrics[objective]), _number(each.loss / unit.scale)),
            _loss_percent(each.loss, best),
        )
    return made


def _loss_percent(loss: float, best: float) -> str:
    """Nearer than optima are proven to, it is as good."""
    if abs(loss) <= OPTIMAL_GAP * best:
        return "a tie"
    return _number(100 * loss / best) if best > 0 else ABSENT


def _number(loss: float) -> str:
    """A loss, or a gain with its sign."""
    return four_digits(loss) if loss >= 0 else signed(loss)


def left_out(explanation: Explanation) -> list[str]:
    """Rows that are in none of the tables, each with why."""
    design, objective = explanation.design, explanation.design.problem.objective
    known = {each.name for each in explanation.sensitivities}
    found = []
    for name in (x for x in design.problem.budgets if x not in known):
        label = METRIC_UNITS[name].label
        why = f"{label} is what is minimised, so its limit costs nothing"
        if name != objective:
            why = "a share of 0 is no step"
        found.append(f"budget of {label}: {why}")
    changes = {each.change for each in explanation.runner_ups}
    if explanation.pace is not None:
        no_array = "shared array" not in changes
        return [*found, *["one array for all layers: too many options"] * no_array]
    if "more SRAM" not in changes:
        paid = METRIC_UNITS["bram" if "bram" in design.metrics else "area_mm2"].label
        why = f"no limit on {paid} makes it cost anything"
        if METRIC_UNITS[objective].label == paid:
            why = f"{paid} is what is minimised, and it costs what it takes"
        found.append(f"more SRAM: {why}")
    return found
