"""Charts of a front: its points over the region in which unknown ones may lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from codesign.results.certified_region import (
    certified_steps,
    completeness,
    has_unknown_region,
    scaled_values,
)
from codesign.results.front import Front
from codesign.results.html.layer_charts import Trace, axis
from codesign.results.html.parts import Chart
from codesign.results.text.phrases import hardware_text
from codesign.units import METRIC_UNITS

Group = tuple[str, str, str, list[int]]  # words, symbol, colour, points


def front_charts(front: Front, opens: str | None = None) -> list[Chart]:
    """The points, each pair of objectives a chart; ``opens`` as of `Chart`."""
    pairs = [(1, 0)] if len(front.objectives) == 2 else [(1, 0), (2, 0), (2, 1)]
    return [_chart(front, across, up, opens) for across, up in pairs]


def _chart(front: Front, across: int, up: int, opens: str | None) -> Chart:
    units = [METRIC_UNITS[front.objectives[i]] for i in (across, up)]
    values, data = scaled_values(front)[:, [across, up]], list[Trace]()
    if len(front.objectives) == 2:
        data += _region(front)
    hover = _hover(front)
    for words, symbol, colour, mine in _groups(front):
        marker = {
            "symbol": symbol,
            "size": 11,
            "color": colour,
            "line": {"width": 1.2, "color": "theme:ink"},
        }
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "marker": marker,
                "hoverinfo": "text",
                "x": values[mine, 0].tolist(),
                "y": values[mine, 1].tolist(),
                "hovertext": [hover[i] for i in mine],
                "customdata": mine,
                "name": f"{words}: {len(mine)} of {len(front)}",
            }
        )
    if len(front) > 2:
        x, y = values[front.knee]
        marker = {"symbol": "circle-open", "size": 22, "color": "theme:ink", "line": {"width": 2}}
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x],
                "y": [y],
                "name": "knee",
                "marker": marker,
                "hoverinfo": "skip",
            }
        )
    scales = ["log" if front.logarithmic[i] else "linear" for i in (across, up)]
    layout = {
        "xaxis": axis(units[0].heading, type=scales[0]),
        "yaxis": axis(units[1].heading, type=scales[1]),
    }
    title = f"{units[1].label} over {units[0].label}".capitalize()
    more = ("; choose a point to see its design",) if opens else ()
    says = f"{title}: {completeness(front)}; the points are in the table below"
    return Chart(f"{title}: {completeness(front)}{''.join(more)}", says, data, layout, 480, opens)


def _region(front: Front) -> Iterator[Trace]:
    """What is reached, what is ruled out, and between them where other points may lie."""
    x, top, bottom = certified_steps(front, 1, np.inf)
    if not len(x):
        return
    steps = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "x": x.tolist()}
    if has_unknown_region(front):
        line = {"color": "theme:line", "width": 1.2, "dash": "dot"}
        yield {**steps, "y": bottom.tolist(), "line": line, "name": "proven: nothing below"}
    more: dict[str, Any] = {"name": "best reached"}
    if has_unknown_region(front):
        more = {
            "name": "best reached; below it, shaded, all other points of the front",
            "fill": "tonexty",
            "fillcolor": "rgba(128,128,128,0.22)",
        }
    yield {**steps, "y": top.tolist(), "line": {"color": "theme:ink", "width": 1.4}, **more}


def _hover(front: Front) -> list[str]:
    """Of each point its objectives and its hardware."""
    units, told = [METRIC_UNITS[name] for name in front.objectives], []
    for number, design in enumerate(front.designs):
        values = zip(units, front.values[number], strict=True)
        amounts = ", ".join(f"{unit.label} {unit.amount(float(x))}" for unit, x in values)
        told.append(f"point {number + 1}: {amounts}<br>{hardware_text(design.hardware)}")
    return told


def _groups(front: Front) -> list[Group]:
    """Points by what most of their latency is bound by; those without a whole proof apart."""
    array = [design.architecture == "array" for design in front.designs]
    both = any(array) and not all(array)
    of, marks = ("", ""), ("square", "circle")
    if both:
        of, marks = ("array: ", "pipeline: "), ("triangle-up", "triangle-down")
    groups: list[Group] = [
        (of[0] + "most of the latency compute-bound", "square", "theme:a", []),
        (of[0] + "most of it memory-bound", "circle", "theme:b", []),
        (of[1] + "a stage decides the interval", marks[0], "theme:a", []),
        (of[1] + "DRAM traffic decides the interval", marks[1], "theme:b", []),
        ("proof cut short", "diamond-open", "theme:ink", []),
    ]
    for number, design in enumerate(front.designs):
        whole = design.proof.status == "optimal" and design.proof.ties_broken
        kind = 2 * (not array[number]) + int(design.memory_bound_share > 0.5)
        groups[kind if whole else 4][3].append(number)
    return [group for group in groups if group[3]]
