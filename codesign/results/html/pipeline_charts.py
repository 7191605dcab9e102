"""Charts of a pipeline by stage: what its parts take, and how long it is busy."""

from __future__ import annotations

from collections.abc import Sequence

from codesign.results.dataflow_design import DataflowDesign, utilisation
from codesign.results.html.layer_charts import Trace, axis, bar, layer_axis
from codesign.results.html.parts import Chart
from codesign.results.text.layout import percent
from codesign.results.text.pipeline import PARTS
from codesign.units import METRIC_UNITS, MS_PER_S

LOOKS = {
    "PEs": ("theme:a", ""),
    "weights": ("theme:b", ""),
    "lines": ("theme:c", "/"),
    "psums": ("theme:d", "x"),
    "fifos": ("theme:e", "."),
    "shared": ("theme:f", "+"),
}


def taken_charts(design: DataflowDesign, names: Sequence[str]) -> list[Chart]:
    """What each part of a stage takes, a chart for each kind of hardware."""
    charts, numbers = list[Chart](), [*range(1, len(names) + 1)]
    for metric in design.problem.technology.hardware_metrics:
        unit, data = METRIC_UNITS[metric], list[Trace]()
        for part, look in LOOKS.items():
            each = [float(x.get(part, {}).get(metric, 0.0)) for x in design.stage_parts]
            if any(each):
                told = zip(names, each, strict=True)
                hover = [f"{name}<br>{PARTS[part]}: {unit.amount(x)}" for name, x in told]
                shares = ", in equal shares" if part == "shared" else ""
                label = f"{PARTS[part]}{shares}: Σ {unit.amount(sum(each))}"
                data.append(bar(numbers, [x / unit.scale for x in each], label, look, hover))
        if data:
            layout = {"xaxis": layer_axis(names), "yaxis": axis(unit.heading), "barmode": "stack"}
            title = f"{unit.label[:1].upper()}{unit.label[1:]} per stage"
            says = f"{unit.label} of each stage by part"
            charts.append(Chart(title, says, data, layout))
    return charts


def busy_chart(design: DataflowDesign, names: Sequence[str]) -> Chart:
    """How long each stage is busy within the interval, and how many of its multipliers."""
    unit, interval_s = METRIC_UNITS["interval_s"], design.metrics["interval_s"]
    busy = [row.cycles / design.problem.clock_hz for row in design.stages]
    shares = utilisation(design)
    hover = [
        f"{name}<br>busy {unit.amount(x)}"
        + ("" if share is None else f"<br>multipliers used {percent(share)} of the interval")
        for name, x, share in zip(names, busy, shares, strict=True)
    ]
    numbers = [*range(1, len(names) + 1)]
    data = [bar(numbers, [x * MS_PER_S for x in busy], "array busy", ("theme:e", ""), hover)]
    line = {"color": "theme:ink", "width": 2, "dash": "dash"}
    ends = {"x": [0.4, len(names) + 0.6], "y": [interval_s * MS_PER_S] * 2}
    data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "line": line,
            "hoverinfo": "skip",
            "name": f"interval {unit.amount(interval_s)}",
            **ends,
        }
    )
    layout = {"xaxis": layer_axis(names), "yaxis": axis("time per image (ms)")}
    return Chart("How long each stage is busy", "busy time of each stage", data, layout, 320)
