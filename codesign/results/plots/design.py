"""A design or an evaluation as a picture: roofline, latencies, widths, SRAM, hardware."""

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
from codesign.results.hardware_result import HardwareResult
from codesign.results.plots.by_layer import (
    MAX_NAME,
    constant_widths,
    name_layers,
    titles,
    weighted,
    write_titles,
)
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    canvas,
    draw_and_save,
    freeze_layout,
    scaled_ticks,
    short_label,
    title_and_legend,
)
from codesign.results.plots.hardware_bars import draw_bars, has_bars
from codesign.results.plots.labels import label_points
from codesign.results.plots.members import MOST_MEMBERS, draw_members
from codesign.results.plots.sram import draw_sram, name_residents
from codesign.results.roofline import ceilings_gops_per_s, roofline_steps
from codesign.results.text.layout import counted
from codesign.units import (
    MS_PER_S,
    OPS_PER_GOP,
    OPS_PER_MAC,
    four_digits,
)

MAX_JOINED = 60  # above, the input widths are marks without a line
ROOFS: dict[str, Look] = {  # grey levels 0.41 and 0.82
    "compute": {"marker": "s", "s": 30, "color": "#3f6ea8"},
    "memory": {"marker": "o", "s": 34, "color": "#f4cd85"},
}
PORT: dict[str, Look] = {"sram": {"marker": "D", "s": 30, "color": "#8fb3a0"}}  # grey level 0.64
RUN_SHADE: Look = {"facecolor": "0.9", "edgecolor": "0.6", "lw": 0.6, "zorder": 0.5}
HATCHES = {"window": "", "im2col": "////", "output": "...."}  # of a layer's own mapping


def plot_design(design: Design | Evaluation, path: str | Path | None = None) -> Figure:
    """Roofline (GOPS), by layer latency (ms), widths, SRAM (bits), hardware; see `Design.plot`."""
    if design.accelerator.dram_bits_per_s is None:
        raise SpecError(
            f"accelerator {design.accelerator.name!r}: no DRAM bandwidth is given, and a roofline "
            "needs one; give dram_bits_per_s"
        )
    return draw_and_save(lambda: _draw(design), path)


def _draw(design: Design | Evaluation) -> Figure:
    layers = design.layers
    lines = titles(design, layers)
    kept = design.on_chip is not None
    height_in = 11.2 if kept else 8.6
    line = 0.258 / height_in if kept else 0.03
    picture = canvas(
        14, height_in, w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, 0.995 - line * len(lines))
    )
    columns = picture.add_gridspec(1, 2, width_ratios=(1, 1.25))
    budgets = design.problem.budgets if isinstance(design, Design) else {}
    members, area = design.network.members[:MOST_MEMBERS], has_bars(design)
    left = _places(columns[0], [7.0, *[0.5 + 0.28 * len(members)] * bool(members), *[1.0] * area])
    roofline = picture.add_subplot(left[0])
    if members:
        draw_members(picture.add_subplot(left[1]), design, layers, _looks(design))
    if area:
        draw_bars(picture, left[-1], design, budgets)
    varied = constant_widths(layers) is None
    heights = [1.3, *([1.0] if varied else []), *([1.3] if kept else [])]
    latency, *more = (picture.add_subplot(place) for place in _places(columns[1], heights))
    widths, sram = more[: int(varied)], more[int(varied) :]
    steps = roofline_steps(design)
    points, roofs = _roofline(roofline, design, steps)
    _latency(latency, design, layers)
    for axes in widths:
        _widths(axes, design, layers)
    drawn = [(axes, *draw_sram(axes, design, 2)) for axes in sram]
    name_layers([latency, *more], design.network, layers)
    write_titles(picture, lines, line)
    freeze_layout(picture)
    for axes, patches, scale in drawn:
        name_residents(axes, patches, scale)
    label_points(roofline, points, roofs, steps["latency_s"].to_numpy(), steps.index.tolist())
    return picture


def _places(place: SubplotSpec, heights: Sequence[float]) -> list[SubplotSpec]:
    """Places for panels one above the other."""
    if len(heights) == 1:
        return [place]
    rows = place.subgridspec(len(heights), 1, height_ratios=heights)
    return [rows[row] for row in range(len(heights))]


def _roofline(
    axes: Axes, result: HardwareResult, steps: pd.DataFrame
) -> tuple[Floats, list[Floats]]:
    """Draw steps under their ceilings; return both as (operations per bit, GOPS) points.

    What moves no DRAM bits is as far to the right as the picture goes.
    """
    operations, bits = OPS_PER_MAC * steps["macs"].to_numpy(), steps["dram_bits"].to_numpy()
    moving = bits > 0
    x, y = operations / np.where(moving, bits, 1), steps["gops"].to_numpy()
    peaks = ceilings_gops_per_s(result)
    assert result.accelerator.dram_bits_per_s is not None  # refused before
    slope = result.accelerator.dram_bits_per_s / OPS_PER_GOP
    ridges = [peak / slope for _, peak in peaks]
    ends = min([*x[moving], ridges[0]]) / 2, max([*x[moving], ridges[-1]]) * 2.5
    x = np.where(moving, x, ends[1] / 1.3)
    roofs = [np.array([(ends[0], ends[0] * slope), (peaks[-1][1] / slope, peaks[-1][1])])]
    roofs += [np.array([(peak / slope, peak), (ends[1], peak)]) for _, peak in peaks]
    labels = [f"DRAM: {four_digits(slope)} Gbit/s"]
    only = len(peaks) == 1
    labels += [
        f"PE array{'' if only else f', {kernel} kernels'}: {four_digits(peak)} GOPS"
        for kernel, peak in peaks
    ]
    things = "steps" if result.fused_runs else "layers"
    legend: list[Any] = []
    for roof, dashes, label in zip(roofs, ("-.", "-", "--"), labels, strict=False):
        legend += axes.plot(*roof.T, color="0.15", lw=1.5, ls=dashes, label=label)
    for side, look in _looks(result).items():
        ours = (steps["bound_by"] == side).to_numpy()
        label = f"{side}-bound: {ours.sum()} of {len(ours)} {things}"
        shown = ours & moving
        legend.append(axes.scatter(x[shown], y[shown], **look, **RIM, zorder=3, label=label))
    if "sram_s" in steps:
        port = operations / steps["sram_s"].to_numpy() / OPS_PER_GOP
        look = {"marker": "_", "s": 300, "color": "0.15", "lw": 1.2, "zorder": 2.5}
        legend.append(axes.scatter(x, port, **look, label="what the SRAM's port lets through"))
    if not moving.all():
        label = f"without DRAM traffic: {(~moving).sum()} of these"
        look = ROOFS["compute"] | {"marker": ">", "label": label}
        legend.append(axes.scatter(x[~moving], y[~moving], **look, **RIM, zorder=3))
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(y.min() / 2, peaks[-1][1] * 1.6))
    axes.set(xlabel="operations per DRAM bit", ylabel="attained, 2 operations a MAC (GOPS)")
    scaled_ticks(axes, 1e4)
    more = "+n: n more there; 1–3: fused" if result.fused_runs else "+n: n more layers there"
    title_and_legend(axes, f"Roofline by layer number ({more})", legend, 2)
    return np.stack([x, y], axis=1), roofs


def _looks(result: HardwareResult) -> dict[str, Look]:
    """How what each roof binds looks; the SRAM's port where it is one."""
    port = result.accelerator.sram_bits_per_cycle is not None
    return ROOFS | PORT if port else ROOFS


def _latency(axes: Axes, result: HardwareResult, layers: pd.DataFrame) -> None:
    number, legend = np.arange(1, len(layers) + 1), list[Any]()
    rim, looks = RIM | {"lw": min(RIM["lw"], 40 / len(layers))}, _looks(result)
    for side in sorted(set(layers["bound_by"])):
        ours = (layers["bound_by"] == side).to_numpy()
        height = layers["latency_s"].to_numpy()[ours] * MS_PER_S
        rim["label"] = f"{side}-bound: Σ {four_digits(height.sum())} ms"
        legend.append(axes.bar(number[ours], height, color=looks[side]["color"], **rim))
    on_chip = layers["bound_by"] != "memory"
    own_s = layers["compute_s"]
    if "sram_s" in layers:  # on chip, the longer of the two
        own_s = own_s.where(own_s >= layers["sram_s"], layers["sram_s"])
    other = layers["memory_s"].where(on_chip, own_s) * MS_PER_S
    look: Look = {"color": "black", "lw": 1.5, "label": "time of the other roof"}
    legend.append(axes.hlines(other, number - 0.4, number + 0.4, **look))
    axes.set_ylabel("latency (ms)")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.grid(True, axis="y")
    legend += [*_mark_runs(axes, result), *_mark_mappings(axes, result, layers)]
    _call_out(axes, result, layers)
    once = ", each network once" if len(set(result.network.layer_weights)) > 1 else ""
    title_and_legend(axes, f"Latency per layer{once}", legend, 3 if len(legend) < 4 else 2)


def _mark_runs(axes: Axes, result: HardwareResult) -> list[Any]:
    """Shade the layers of each fused run; the entry of the legend."""
    shades = [
        axes.axvspan(run.first + 0.5, run.last + 1.5, **RUN_SHADE) for run in result.fused_runs
    ]
    for shade in shades[:1]:
        shade.set_label("fused run: one step")
    return shades[:1]


def _mark_mappings(axes: Axes, result: HardwareResult, layers: pd.DataFrame) -> list[Any]:
    """Hatch the bars of a reconfigurable machine by the mapping that each layer has."""
    legend: list[Any] = []
    if len(result.accelerator.mapping) < 2 or "mapping" not in layers:
        return legend
    for mapping, hatch in HATCHES.items():
        mine = (layers["mapping"] == mapping).to_numpy(bool, na_value=False)
        if mine.any():
            height = layers["latency_s"].to_numpy()[mine] * MS_PER_S
            where = "" if hatch else "no hatch: "
            label = f"{where}mapping {mapping}, {counted(int(mine.sum()), 'layer')}"
            look: Look = {"fill": False, "hatch": hatch, "lw": 0, "label": label}
            legend.append(axes.bar(np.flatnonzero(mine) + 1, height, **look))
    return legend


def _call_out(axes: Axes, result: HardwareResult, layers: pd.DataFrame) -> None:
    """Name the layer with the largest share of the latency over its bar."""
    latency_s = weighted(result.network, layers, "latency_s")
    largest, count = int(latency_s.argmax()), len(latency_s)
    height = layers["latency_s"].iloc[largest] * MS_PER_S
    name = short_label(layers.index[largest], MAX_NAME)
    text = f"{name}: {100 * latency_s[largest] / latency_s.sum():.1f} % of the latency"
    align = ("left", "center", "right")[int(3 * largest / count)]
    place = largest + 1 + {"left": -0.4, "center": 0.0, "right": 0.4}[align]
    axes.set_ylim(0, 1.1 * layers["latency_s"].max() * MS_PER_S)
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
