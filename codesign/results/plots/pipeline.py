"""A pipeline as a picture: by stage the area, the time it is busy, and the widths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from codesign.results.dataflow_design import DataflowDesign
from codesign.results.plots.by_layer import MAX_NAME, name_layers, write_titles
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    budgets_text,
    canvas,
    draw_and_save,
    freeze_layout,
    short_label,
    title_and_legend,
)
from codesign.results.text.layout import counted
from codesign.results.text.pipeline import PARTS, array_name, bottleneck_text, segment_text
from codesign.units import METRIC_UNITS, MS_PER_S, four_digits, gap_text

SHADES = {  # grey levels 0.35, 0.9, 0.68, 0.5, 0.97 and 0.77
    "PEs": ("#2f5d8c", ""),
    "weights": ("#f4e3b5", ""),
    "lines": ("#8fb3a0", "////"),
    "psums": ("#a8702f", ""),
    "fifos": ("#f7f7f7", "...."),
    "shared": ("#b9c7dd", "xxxx"),
}


def plot_pipeline(design: DataflowDesign, path: str | Path | None = None) -> Figure:
    """By stage area (mm², or LUTs and block RAMs), busy time (ms), widths; see `plot`."""
    return draw_and_save(lambda: _draw(design), path)


def _draw(design: DataflowDesign) -> Figure:
    lines, height_in = pipeline_titles(design), 9.2
    line = 0.258 / height_in
    room = (0, 0, 1, 0.995 - line * len(lines))
    picture = canvas(14, height_in, w_pad=0.12, h_pad=0.1, rect=room)
    metrics = [x for x in design.problem.technology.hardware_metrics if design.metrics[x]]
    heights = [*([1.4] * len(metrics)), 1.0, 0.8]
    rows = picture.add_gridspec(len(heights), 1, height_ratios=heights)
    panels = [picture.add_subplot(rows[n]) for n in range(len(heights))]
    layers = design.layers
    for axes, metric in zip(panels, metrics, strict=False):
        _taken(axes, design, metric)
    _busy(panels[-2], design, layers)
    _widths(panels[-1], layers)
    name_layers(panels, design.network, layers, "area_mm2")
    write_titles(picture, lines, line)
    freeze_layout(picture)
    return picture


def pipeline_titles(design: DataflowDesign) -> list[str]:
    """What was reached and how sure that is; what was asked; with what."""
    proof, unit = design.proof, METRIC_UNITS[design.problem.objective]
    sure = "proven optimal"
    if proof.status != "optimal":
        sure = f"feasible, bound {unit.amount(proof.bound)}, gap {gap_text(proof.gap)}"
    network = short_label(design.network.name, 50)
    reached = f"least {unit.label}: {unit.amount(proof.objective)}"
    given = " of given stages" if design.problem.choices.stages else ""
    answer = f"{network}, {design.architecture}{given}, {reached} – {sure}"
    pes = sum((row.rows or 0) * (row.cols or 0) for row in design.stages)
    taken = [
        METRIC_UNITS[x].at_most(design.metrics[x]).replace("≤ ", "")
        for x in design.problem.technology.hardware_metrics
    ]
    streamed = sum(row.weights == "stream" for row in design.stages)
    from_dram = f"weights of {counted(streamed, 'stage')} streamed"
    stages = len(design.stages) - len(design.shared_layers)
    parts = [f"{pes:,} PEs in {stages} stages", *taken]
    names = [array_name(design, x).removeprefix("the ") for x in design.segments]
    shared = zip(names, map(segment_text, design.segments), strict=True)
    parts[1:1] = [f"{name}: {text}" for name, text in shared]
    parts.append(f"{four_digits(design.images_per_s)} images/s")
    parts.append(from_dram if streamed else "all weights on chip")
    limits = budgets_text(design.problem)
    two = len(design.segments) > 1  # a line of their own
    made = [", ".join(parts[:1] + parts[3:]), "; ".join(parts[1:3])] if two else [", ".join(parts)]
    return [answer, *([limits] if limits else []), *made]


def _taken(axes: Axes, design: DataflowDesign, metric: str) -> None:
    """Stacked bars of what each part of a stage takes."""
    number, unit = np.arange(1, len(design.stages) + 1), METRIC_UNITS[metric]
    rim = RIM | {"lw": min(RIM["lw"], 40 / len(number))}
    ground, legend = np.zeros(len(number)), list[Any]()
    for part, (colour, hatch) in SHADES.items():
        each = np.array([x.get(part, {}).get(metric, 0.0) for x in design.stage_parts])
        if not each.any():
            continue
        shares = ", in equal shares" if part == "shared" else ""
        label = f"{PARTS[part]}{shares}: Σ {unit.amount(float(each.sum()))}"
        look: Look = {"color": colour, "hatch": hatch, "bottom": ground, "label": label, **rim}
        legend.append(axes.bar(number, each, **look))
        ground = ground + each
    axes.set_ylabel(unit.heading)
    axes.grid(True, axis="y")
    title_and_legend(axes, f"{unit.label[:1].upper()}{unit.label[1:]} per stage", legend, 5)


def _busy(axes: Axes, design: DataflowDesign, layers: pd.DataFrame) -> None:
    """How long each stage is busy within the interval, and the share of its multipliers used."""
    number = np.arange(1, len(layers) + 1)
    busy_ms = layers["busy_s"].to_numpy(np.float64) * MS_PER_S
    used_ms = layers["utilisation"].to_numpy(np.float64, na_value=0.0)
    used_ms = used_ms * design.metrics["interval_s"] * MS_PER_S
    rim = RIM | {"lw": min(RIM["lw"], 40 / len(number))}
    legend: list[Any] = [axes.bar(number, busy_ms, color="0.85", label="array busy", **rim)]
    look: Look = {"color": "0.4", "width": 0.5, "label": "of that, all its multipliers used"}
    legend.append(axes.bar(number, used_ms, **look))
    interval_ms = design.metrics["interval_s"] * MS_PER_S
    label = f"interval {four_digits(interval_ms)} ms"
    legend.append(axes.axhline(interval_ms, color="black", lw=1.3, ls="--", label=label))
    if design.bottleneck is not None:
        _name_bottleneck(axes, design, interval_ms)
    axes.set_ylim(0, 1.22 * interval_ms)
    axes.set_ylabel("time per image (ms)")
    axes.grid(True, axis="y")
    title_and_legend(axes, "Utilisation per stage", legend, 3)


def _name_bottleneck(axes: Axes, design: DataflowDesign, interval_ms: float) -> None:
    """Name the stage that decides the interval over its bar."""
    assert design.bottleneck is not None
    names = [row.name for row in design.stages]
    place = names.index(design.bottleneck.name) + 1
    align = ("left", "center", "right")[min(2, int(3 * place / (len(names) + 1)))]
    name = (bottleneck_text(design) or "").removeprefix("layer ")
    text = f"bottleneck: {short_label(name, MAX_NAME)}"
    shift: Look = {"textcoords": "offset points", "ha": align, "fontsize": 8}
    axes.annotate(text, (place, interval_ms), (0, 3), **shift)


def _widths(axes: Axes, layers: pd.DataFrame) -> None:
    """Widths of weights and inputs."""
    number, size = np.arange(1, len(layers) + 1), float(np.clip(200 / len(layers), 1.8, 4))
    weights: Look = {"color": "0.1", "marker": "s", "ms": size, "label": "weights"}
    inputs: Look = {"color": "0.5", "ls": "--", "marker": "o", "ms": size + 2.5, "mfc": "white"}
    step: Look = {"drawstyle": "steps-mid", "lw": 1.0}
    bits = layers["weight_bits"].to_numpy(np.float64, na_value=np.nan)
    legend: list[Any] = [
        *axes.plot(number, layers["input_bits"], **inputs, **step, label="input activations"),
        *axes.plot(number, bits, **weights, **step),
    ]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    levels = [*layers["input_bits"], *layers["weight_bits"].dropna()]
    axes.set_ylim(min(levels) - 1, max(levels) + 1)
    axes.set_ylabel("width (bits)", labelpad=12)
    title_and_legend(axes, "Bitwidths per stage", legend, 2)
