"""A comparison as a picture: totals, what explains the difference, layers and their widths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from codesign.results.comparison import Compared, Comparison, Explained
from codesign.results.plots.by_layer import MAX_NAME, MAX_NAMED_LAYERS, write_titles
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    canvas,
    draw_and_save,
    freeze_layout,
    short_label,
    title_and_legend,
)
from codesign.results.text.comparison import KINDS, LABELS
from codesign.units import METRIC_UNITS, MS_PER_S, four_digits

MOST_RATIO = 1e12  # that an axis has
MOST_TITLES = 6  # results that the heading names
TOLD = ("latency_s", "interval_s", "dram_bits", "area_mm2", "energy_j")  # whose parts are drawn
LOOKS: tuple[Look, ...] = (  # grey levels from 0.3 to 0.97; hatches tell neighbours apart
    {"facecolor": "#f4f4f2"},
    {"facecolor": "#3f5f8a"},
    {"facecolor": "#f4cd85", "hatch": "////"},
    {"facecolor": "#8fb0d8", "hatch": "...."},
    {"facecolor": "#a8702f", "hatch": "\\\\\\\\"},
    {"facecolor": "#c9dcc4", "hatch": "xxxx"},
)
LINES: tuple[Look, ...] = (
    {"color": "0.45", "lw": 2.6},
    {"color": "black", "lw": 1.2},
    {"color": "#a8702f", "lw": 1.2, "ls": "--"},
    {"color": "#3f5f8a", "lw": 1.2, "ls": ":"},
    {"color": "0.2", "lw": 1.0, "ls": "-."},
    {"color": "#5f8a5a", "lw": 1.0, "ls": (0, (6, 2))},
)


def plot_comparison(comparison: Comparison, path: str | Path | None = None) -> Figure:
    """Totals relative to the first, parts of the differences, layers; see `Comparison.plot`."""
    return draw_and_save(lambda: _draw(comparison), path)


def _draw(comparison: Comparison) -> Figure:
    layered = [(n, each) for n, each in enumerate(comparison.results) if each.layers]
    lines, explained = _titles(comparison), _explained(comparison)
    top_in = 3.0 + 0.3 * min(8, len(comparison.results))  # of the panels above
    height_in = top_in + 0.25 * len(lines) + (6.6 if len(layered) > 1 else 0.6)
    line = 0.24 / height_in
    picture = canvas(14, height_in, w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, 0.99 - line * len(lines)))
    heights = [top_in, 2.2, 2.6] if len(layered) > 1 else [1]
    rows = picture.add_gridspec(len(heights), 1, height_ratios=heights)
    columns = rows[0].subgridspec(1, 1 + len(explained))
    _totals(picture.add_subplot(columns[0]), comparison)
    for n, (metric, told) in enumerate(explained.items(), 1):
        _parts(picture.add_subplot(columns[n]), comparison, metric, told)
    if len(layered) > 1:
        panels = [picture.add_subplot(rows[1]), picture.add_subplot(rows[2])]
        _layer_bars(panels[0], comparison, layered)
        _widths(panels[1], comparison, layered)
        _name_layers(panels, [row.name for row in layered[0][1].layers])
    write_titles(picture, lines, line)
    freeze_layout(picture)
    return picture


def _titles(comparison: Comparison) -> list[str]:
    """What is compared, a line for each of the first few."""
    results = comparison.results
    network = short_label(results[0].network, 50)
    lines = [f"{len(results)} results side by side, each against A: {network}"]
    for n, each in enumerate(results[:MOST_TITLES]):
        name, other = short_label(each.name, 50), short_label(each.network, 40)
        of = f" of {other}" if each.network != results[0].network else ""
        lines.append(f"{comparison.letter(n)}: {name}, {KINDS[each.kind]}{of}, {_hardware(each)}")
    if len(results) > MOST_TITLES:
        lines.append(f"and {len(results) - MOST_TITLES} more")
    return lines


def _hardware(each: Compared) -> str:
    """PEs, SRAM and bandwidth in a line."""
    on = each.hardware
    array = f"{on.pes:,} PEs in {on.stages} stages" if on.rows is None else ""
    array = array or f"{on.rows} × {on.cols} PEs of {on.pe_weight_bits}×{on.pe_activation_bits} bit"
    parts = [array]
    if on.sram_bits is not None:
        parts.append(f"SRAM {METRIC_UNITS['dram_bits'].amount(on.sram_bits)}")
    if on.dram_bits_per_s is not None:
        parts.append(f"DRAM {four_digits(on.dram_bits_per_s / 1e9)} Gbit/s")
    return ", ".join(parts)


def _explained(comparison: Comparison) -> dict[str, list[Explained | None]]:
    """The differences that are drawn in parts, at most two metrics."""
    found = {}
    for metric in TOLD:
        told = [each.of(metric) for each in comparison.differences]
        if any(x is not None and any(x.parts.values()) for x in told):
            found[metric] = told
    return dict([*found.items()][:2])


def _bars(axes: Axes, values: Sequence[Sequence[float]], first: int, **look: Any) -> list[Any]:
    """Groups of horizontal bars, a series after the other from the top."""
    count = len(values)
    height = 0.8 / count
    made = []
    for n, series in enumerate(values):
        at = np.arange(len(series)) - 0.4 + height * (n + 0.5)
        style = LOOKS[(n + first) % len(LOOKS)]
        made.append(axes.barh(at, series, height=height, **style, **RIM, **look))
    return made


def _totals(axes: Axes, comparison: Comparison) -> None:
    """Every metric that all have, relative to that of the first."""
    results = comparison.results
    shared = [x for x in METRIC_UNITS if all(each.metrics.get(x) for each in results)]
    shared = [x for x in shared if max(_ratios(comparison, x)) < MOST_RATIO]
    every = [_ratios(comparison, x) for x in shared]
    ratios = [[of[n] for of in every] for n in range(len(results))]
    most = max([1.0, *(x for series in ratios for x in series)])
    logarithmic = most > 5
    bars = _bars(axes, ratios, 0)
    for n, (each, made) in enumerate(zip(results, bars, strict=True)):
        made.set_label(comparison.letter(n))
        texts = [METRIC_UNITS[x].amount(each.metrics[x]) for x in shared]
        if len(results) <= 3:
            plate: Look = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
            axes.bar_label(made, texts, padding=3, fontsize=6.5, bbox=plate)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_yticks(range(len(shared)), [METRIC_UNITS[x].label for x in shared])
    axes.invert_yaxis()
    if logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(right=most * 4)
        axes.xaxis.set_major_formatter(lambda value, _: four_digits(value))
    else:
        axes.set_xlim(0, most * 1.25)
    axes.set_xlabel("relative to A" + (" (logarithmic)" if logarithmic else ""))
    title_and_legend(axes, "Totals", bars, 6)


def _ratios(comparison: Comparison, metric: str) -> list[float]:
    """A metric of each result, relative to that of the first."""
    values = [each.metrics[metric] for each in comparison.results]
    return [x / values[0] for x in values]


def _parts(
    axes: Axes, comparison: Comparison, metric: str, told: Sequence[Explained | None]
) -> None:
    """A bar for each part of each difference."""
    unit = METRIC_UNITS[metric]
    names = dict.fromkeys(x for each in told if each is not None for x in each.parts)
    values = [
        [0.0 if each is None else each.parts.get(x, 0.0) / unit.scale for x in names]
        for each in told
    ]
    bars = _bars(axes, values, 1)
    for n, (made, each) in enumerate(zip(bars, told, strict=True), 1):
        whole = ""
        if each is not None:
            sign = "+" if each.difference > 0 else "−" if each.difference < 0 else ""
            whole = f": {sign}{unit.amount(abs(each.difference))}"
        made.set_label(f"{comparison.letter(n)} − A{whole}")
    axes.axvline(0, color="black", lw=0.8, zorder=3)
    axes.set_yticks(range(len(names)), [LABELS.get(x, short_label(x, 30)) for x in names])
    axes.invert_yaxis()
    axes.set_xlabel(f"part of the difference ({unit.unit})" if unit.unit else "part")
    axes.grid(True, axis="x")
    title_and_legend(axes, f"Why the {unit.label} differs", bars, 2)


def _layer_bars(
    axes: Axes, comparison: Comparison, layered: Sequence[tuple[int, Compared]]
) -> None:
    """Latency of every layer, or of pipelines its time at the clock."""
    width, legend = 0.84 / len(layered), []
    stages = False
    for place, (n, each) in enumerate(layered):
        stages = stages or each.kind in ("dataflow", "hybrid")
        clock_hz = each.hardware.clock_hz
        times_s = [
            (row.cycles or 0) / clock_hz if row.latency_s is None else row.latency_s
            for row in each.layers
        ]
        at = np.arange(1, len(times_s) + 1) - 0.42 + width * (place + 0.5)
        label = comparison.letter(n) + (
            " (compute alone)" if each.layers[0].latency_s is None else ""
        )
        rim = RIM | {"lw": min(RIM["lw"], 25 / len(times_s))}
        look = LOOKS[n % len(LOOKS)]
        legend.append(
            axes.bar(at, MS_PER_S * np.array(times_s), width=width, label=label, **look, **rim)
        )
    axes.set_ylabel("busy (ms)" if stages else "latency (ms)")
    axes.grid(True, axis="y")
    title_and_legend(axes, "Time per layer", legend, 6)


def _widths(axes: Axes, comparison: Comparison, layered: Sequence[tuple[int, Compared]]) -> None:
    """Bits of weights upwards, of the input's activations downwards, as steps."""
    legend = []
    for n, each in layered:
        edges = np.arange(len(each.layers) + 1) + 0.5
        weights = [float(row.weight_bits or np.nan) for row in each.layers]
        inputs = [-float(row.input_bits) for row in each.layers]
        look = LINES[n % len(LINES)]
        axes.stairs(inputs, edges, baseline=None, **look)
        legend.append(
            axes.stairs(weights, edges, baseline=None, label=comparison.letter(n), **look)
        )
    most = max(max(row.weight_bits or 0, row.input_bits) for _, x in layered for row in x.layers)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylim(-most - 1, most + 1)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_ylabel("bits: weights up,\ninput activations down")
    axes.grid(True, axis="y")
    title_and_legend(axes, "Bitwidths per layer", legend, 6)


def _name_layers(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """One axis of layers: their names, or numbers where there are many."""
    for axes in panels:
        axes.set_xlim(0.4, len(names) + 0.6)
    panels[0].sharex(panels[1])
    panels[0].tick_params(axis="x", labelbottom=False)
    panels[1].xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, steps=(1, 2, 5, 10)))
    panels[1].set_xlabel("layer number (execution order)")
    if len(names) <= MAX_NAMED_LAYERS:
        ticks = [f"{short_label(name, MAX_NAME)} · {i}" for i, name in enumerate(names, 1)]
        turned: Look = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
        panels[1].set_xticks(range(1, len(names) + 1), ticks, **turned)
