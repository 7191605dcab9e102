"""A design or an evaluation as a picture: roofline, latencies, widths, area."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import MaxNLocator

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.hardware_result import HardwareResult, peaks_ops_per_s
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    budgets_text,
    canvas,
    draw_and_save,
    freeze_layout,
    scaled_ticks,
    short_label,
    title_and_legend,
)
from codesign.results.plots.labels import label_points, layer_blocks, spread
from codesign.units import (
    ABSENT,
    METRIC_UNITS,
    MS_PER_S,
    OPS_PER_GOP,
    OPS_PER_MAC,
    four_digits,
    gap_text,
)

MAX_NAMED_LAYERS = 30  # above, layers carry numbers only
MAX_JOINED = 60  # above, the input widths are marks without a line
MAX_NAME = 24  # letters of a layer's name on an axis
ROOFS: dict[str, Look] = {  # grey levels 0.41 and 0.82
    "compute": {"marker": "s", "s": 30, "color": "#3f6ea8"},
    "memory": {"marker": "o", "s": 34, "color": "#f4cd85"},
}
AREA_GREYS = ("#7d8590", "#d9dde3")


def plot_design(design: Design | Evaluation, path: str | Path | None = None) -> Figure:
    """Roofline (GOPS), latency (ms) and widths (bits) per layer, area (mm²); see `Design.plot`."""
    if design.accelerator.dram_bits_per_s is None:
        raise SpecError(
            f"accelerator {design.accelerator.name!r}: no DRAM bandwidth is given, and a roofline "
            "needs one; give dram_bits_per_s"
        )
    return draw_and_save(lambda: _draw(design), path)


def _draw(design: Design | Evaluation) -> Figure:
    layers = design.layers
    lines = _titles(design, layers)
    picture = canvas(14, 8.6, w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, 0.995 - 0.03 * len(lines)))
    columns = picture.add_gridspec(1, 2, width_ratios=(1, 1.25))
    roofline, *area = _stacked(picture, columns[0], (7, 1), bool(design.area_breakdown_mm2))
    latency, *widths = _stacked(picture, columns[1], (1.3, 1), _constant_widths(layers) is None)
    points, roofs = _roofline(roofline, design, layers)
    budgets = design.problem.budgets if isinstance(design, Design) else {}
    for axes in area:
        _area(axes, design, budgets.get("area_mm2"))
    _latency(latency, layers)
    for axes in widths:
        _widths(axes, design, layers)
    _name_layers([latency, *widths], layers)
    for row, line in enumerate(lines):
        look: Look = {"fontsize": 12.5, "weight": "bold"} if row == 0 else {"fontsize": 10}
        picture.text(0.01, 0.984 - 0.03 * row, line, va="top", **look)
    freeze_layout(picture)
    multiplying = np.flatnonzero(layers["macs"] > 0)
    latency_s = layers["latency_s"].to_numpy()[multiplying]
    label_points(roofline, points, roofs, latency_s, (multiplying + 1).tolist())
    return picture


def _stacked(
    picture: Figure, place: SubplotSpec, heights: tuple[float, float], both: bool
) -> list[Axes]:
    """Two panels one above the other, or the upper one alone where the lower has nothing to say."""
    if not both:
        return [picture.add_subplot(place)]
    rows = place.subgridspec(2, 1, height_ratios=heights)
    return [picture.add_subplot(rows[row]) for row in (0, 1)]


def _roofline(
    axes: Axes, result: HardwareResult, layers: pd.DataFrame
) -> tuple[Floats, list[Floats]]:
    """Draw layers under their ceilings; return both as (operations per bit, GOPS) points.

    What only moves data has no operations, and no place here.
    """
    layers = layers[layers["macs"] > 0]
    ops_per_bit = OPS_PER_MAC * layers["macs"] / layers["dram_bits"]
    points = np.stack([ops_per_bit, layers["gops"]], axis=1)
    peaks = _ceilings_gops_per_s(result)
    x, y = points.T
    assert result.accelerator.dram_bits_per_s is not None  # refused before
    slope = result.accelerator.dram_bits_per_s / OPS_PER_GOP
    ends = min(x.min(), peaks[0][1] / slope) / 2, max(x.max(), peaks[-1][1] / slope) * 2.5
    roofs = [np.array([(ends[0], ends[0] * slope), (peaks[-1][1] / slope, peaks[-1][1])])]
    roofs += [np.array([(peak / slope, peak), (ends[1], peak)]) for _, peak in peaks]
    labels = [f"DRAM: {four_digits(slope)} Gbit/s"]
    only = len(peaks) == 1
    labels += [
        f"PE array{'' if only else f', {kernel} kernels'}: {four_digits(peak)} GOPS"
        for kernel, peak in peaks
    ]
    legend: list[Any] = []
    for roof, dashes, label in zip(roofs, ("-.", "-", "--"), labels, strict=False):
        legend += axes.plot(*roof.T, color="0.15", lw=1.5, ls=dashes, label=label)
    for side, look in ROOFS.items():
        ours = (layers["bound_by"] == side).to_numpy()
        label = f"{side}-bound: {ours.sum()} of {len(ours)} layers"
        legend.append(axes.scatter(x[ours], y[ours], **look, **RIM, zorder=3, label=label))
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(y.min() / 2, peaks[-1][1] * 1.6))
    axes.set(xlabel="operations per DRAM bit", ylabel="attained, 2 operations a MAC (GOPS)")
    scaled_ticks(axes, 1e4)
    title_and_legend(axes, "Roofline by layer number (+n: n more layers there)", legend, 2)
    return points, roofs


def _ceilings_gops_per_s(result: HardwareResult) -> list[tuple[str, float]]:
    """Kernels and peaks to draw, ascending: that of most MACs and the fastest, or the next one."""
    peaks = peaks_ops_per_s(result)
    usual, fastest = next(iter(peaks)), max(peaks, key=peaks.__getitem__)
    others = [kernel for kernel, peak in peaks.items() if peak != peaks[usual]]
    drawn = {usual} if not others else {usual, others[0] if fastest == usual else fastest}
    return sorted(((kernel, peaks[kernel] / OPS_PER_GOP) for kernel in drawn), key=lambda x: x[1])


def _latency(axes: Axes, layers: pd.DataFrame) -> None:
    number, legend = np.arange(1, len(layers) + 1), list[Any]()
    rim = RIM | {"lw": min(RIM["lw"], 40 / len(layers))}
    for side in sorted(set(layers["bound_by"])):
        ours = (layers["bound_by"] == side).to_numpy()
        height = layers["latency_s"].to_numpy()[ours] * MS_PER_S
        rim["label"] = f"{side}-bound: Σ {four_digits(height.sum())} ms"
        legend.append(axes.bar(number[ours], height, color=ROOFS[side]["color"], **rim))
    other = layers[["compute_s", "memory_s"]].min(axis=1) * MS_PER_S
    look: Look = {"color": "black", "lw": 1.5, "label": "time of the other roof"}
    legend.append(axes.hlines(other, number - 0.4, number + 0.4, **look))
    axes.set_ylabel("latency (ms)")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.grid(True, axis="y")
    _call_out(axes, layers)
    title_and_legend(axes, "Latency per layer", legend, 3)


def _call_out(axes: Axes, layers: pd.DataFrame) -> None:
    """Name the layer with the largest share of the latency over its bar."""
    latency_s = layers["latency_s"].to_numpy()
    largest, count = int(latency_s.argmax()), len(latency_s)
    height = latency_s[largest] * MS_PER_S
    name = short_label(layers.index[largest], MAX_NAME)
    text = f"{name}: {100 * latency_s[largest] / latency_s.sum():.1f} % of the latency"
    align = ("left", "center", "right")[int(3 * largest / count)]
    place = largest + 1 + {"left": -0.4, "center": 0.0, "right": 0.4}[align]
    axes.set_ylim(0, 1.1 * height)
    axes.annotate(text, (place, height), (0, 3), ha=align, textcoords="offset points", fontsize=8)


def _widths(axes: Axes, result: HardwareResult, layers: pd.DataFrame) -> None:
    number, size = np.arange(1, len(layers) + 1), float(np.clip(200 / len(layers), 1.8, 4))
    weights: Look = {"color": "0.1", "ls": "-", "marker": "s", "ms": size, "label": "weights"}
    inputs: Look = {"color": "0.5", "ls": "--", "marker": "o", "ms": size + 2.5, "mfc": "white"}
    step: Look = {"drawstyle": "steps-mid", "lw": 1.0 if len(layers) <= MAX_JOINED else 0.5}
    if len(layers) > MAX_JOINED:  # so many risers hide the marks
        inputs["ls"] = ""
    legend: list[Any] = []
    legend += axes.plot(number, layers["input_bits"], **inputs, **step, label="input activations")
    weight_bits = layers["weight_bits"].to_numpy(np.float64, na_value=np.nan)
    legend += axes.plot(number, weight_bits, **weights, **step)
    levels = [int(bits) for bits in (*layers["input_bits"], *layers["weight_bits"].dropna())]
    accelerator = result.accelerator
    if accelerator.precision == "fixed":
        wide, thin = accelerator.pe_activation_bits, accelerator.pe_weight_bits
        label = f"PE activations Ba = {wide}"
        legend.append(axes.axhline(wide, color="0.85", lw=4, zorder=0.8, label=label))
        label = f"PE weights Bw = {thin}"
        legend.append(axes.axhline(thin, color="0.1", lw=0.9, ls=":", zorder=0.9, label=label))
        levels += [wide, thin]
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(min(levels) - 1, max(levels) + 1)
    axes.set_ylabel("width (bits)", labelpad=12)  # clear of the one-digit ticks
    title_and_legend(axes, "Bitwidths per layer", legend, 4)


def _constant_widths(layers: pd.DataFrame) -> str | None:
    """The widths in words where all layers have the same; None where they differ."""
    weights, inputs = set(layers["weight_bits"].dropna()), set(layers["input_bits"])
    if len(weights) > 1 or len(inputs) > 1:
        return None
    words = [f"weights {bits} bit" for bits in weights]
    return ", ".join([*words, *(f"input activations {bits} bit" for bits in inputs)])


def _name_layers(panels: Sequence[Axes], layers: pd.DataFrame) -> None:
    """Give the panels by layer one x axis: every name, or blocks of layers, or numbers."""
    names, last = layers.index.tolist(), panels[-1]
    for axes in panels[:-1]:
        axes.sharex(last)
        axes.tick_params(axis="x", labelbottom=False)
    last.set_xlim(0.4, len(names) + 0.6)
    last.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, steps=(1, 2, 5, 10)))
    last.set_xlabel("layer number (execution order)")
    turned: Look = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
    if len(names) <= MAX_NAMED_LAYERS:
        ticks = [f"{short_label(name, MAX_NAME)} · {i}" for i, name in enumerate(names, 1)]
        last.set_xticks(range(1, len(names) + 1), ticks, **turned)
        return
    blocks = layer_blocks(names)
    if not blocks:
        return
    share = layers["latency_s"].cumsum() / layers["latency_s"].sum()
    ends = [0.0, *(float(share.iloc[block.last - 1]) for block in blocks)]
    shares = np.diff(ends)
    ticks = [
        f"{short_label(block.name, MAX_NAME)} · {block.numbers} ({100 * part:.0f} %)"
        for block, part in zip(blocks, shares, strict=True)
    ]
    middles = [(block.first + block.last) / 2 for block in blocks]
    last.set_xticks(spread(middles, len(names) / 42, 1, len(names)), ticks, **turned)
    for axes in panels:
        axes.tick_params(axis="x", length=0)
    last.set_xlabel("blocks of layers: numbers in execution order (share of the latency)")
    for axes in panels:
        for block in blocks[:-1]:
            axes.axvline(block.last + 0.5, color="0.55", lw=0.7, ls=":", zorder=0.7)


def _area(axes: Axes, result: HardwareResult, budget: float | None) -> None:
    start, legend = 0.0, list[Any]()
    for part, grey in zip(("PE array", "SRAM"), AREA_GREYS, strict=True):
        mm2 = result.area_breakdown_mm2.get(part)
        label = f"{part}: {ABSENT if mm2 is None else f'{four_digits(mm2)} mm²'}"
        look = RIM | {"color": grey, "label": label}
        legend.append(axes.barh([0], [mm2 or 0.0], left=start, **look))
        start += mm2 or 0.0
    if budget is not None:
        label = f"budget: {four_digits(budget)} mm²"
        legend.append(axes.axvline(budget, color="black", lw=1.6, ls="--", label=label))
    axes.set(xlim=(0, 1.06 * max(start, budget or 0) or 1), yticks=[], xlabel="area (mm²)")
    title_and_legend(axes, "Area", legend, 3)


def _titles(design: Design | Evaluation, layers: pd.DataFrame) -> list[str]:
    """What was reached and how sure that is; what was asked; with what hardware."""
    on, network = design.accelerator, short_label(design.network.name, 50)
    pe = f"{on.pe_weight_bits}×{on.pe_activation_bits} bit (weights × activations)"
    parts = [f"{on.rows} × {on.cols} PEs of {pe}"]
    if on.sram_bits is not None:
        parts.append(f"SRAM {METRIC_UNITS['dram_bits'].amount(on.sram_bits)}")
    if "area_mm2" in design.metrics:
        silicon = "" if on.technology is None else f" in {short_label(on.technology.name, 30)}"
        parts.append(f"area {four_digits(design.metrics['area_mm2'])} mm²{silicon}")
    else:
        parts.append("area not known")
    widths = _constant_widths(layers)
    if widths is not None:
        parts.append(f"every layer {widths}")
    hardware = ", ".join(parts)
    if not isinstance(design, Design):
        latency = METRIC_UNITS["latency_s"].amount(design.metrics["latency_s"])
        on_what = f"{network} on {short_label(on.name, 40)}"
        return [f"{on_what}: latency {latency}, {design.roofline} roofline", hardware]
    proof, unit = design.proof, METRIC_UNITS[design.problem.objective]
    sure = "proven optimal"
    if proof.status != "optimal":
        sure = f"feasible, bound {unit.amount(proof.bound)}, gap {gap_text(proof.gap)}"
    answer = f"{network}, least {unit.label}: {unit.amount(proof.objective)} – {sure}"
    limits = budgets_text(design.problem)
    return [answer, *([limits] if limits else []), hardware]
