"""Pictures; the only file that draws.

Marks differ in shape or grey level too, so that a picture survives a black-and-white print.
Legends stand above their panel, where no data can be under them.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from codesign.amounts import ABSENT, METRICS_SHOWN, figure, gap_shown
from codesign.design import Design
from codesign.errors import SpecError
from codesign.evaluation import Evaluation
from codesign.figures import Figures, peaks_ops_per_s
from codesign.fits import AreaFitResult
from codesign.text_files import write_whole
from codesign.units import MS_PER_S

Floats = npt.NDArray[np.float64]
Look = dict[str, Any]

OPS_PER_GOP = 1e9
MAX_NAMED_LAYERS = 30  # above, layers carry numbers only
LEAST_ERROR = 0.1  # percent: an axis of errors shows at least this much
MAX_NAME = 24  # letters of a layer's name on an axis
LABEL_PT = 7.5
MARK_PX = 13.0  # a marker with its rim
GAPS_PX = (9.0, 16.0, 26.0, 40.0)  # between a label and the middle of its marker
DIRECTIONS = ((1, 0), (-1, 0), (0.8, -0.6), (-0.8, 0.6), (0.5, -0.9), (-0.5, 0.9), (0, -1), (0, 1))
ROOFS: dict[str, Look] = {  # grey levels 0.41 and 0.82
    "compute": {"marker": "s", "s": 30, "color": "#3f6ea8"},
    "memory": {"marker": "o", "s": 34, "color": "#f4cd85"},
}
AREA_GREYS = ("#7d8590", "#d9dde3")
RIM: Look = {"edgecolor": "black", "lw": 0.6}
# Nothing of a file's metadata may tell the time: the same design gives the same bytes.
NO_DATE: dict[str, Look] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
STYLE = {
    "font.size": 8.5,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "pdf.fonttype": 42,
    "svg.hashsalt": "codesign",
}


def plot_design(design: Design | Evaluation, path: Path | None) -> Figure:
    """Draw roofline (GOPS/s), latency (ms) and widths (bits) per layer, and area (mm²).

    With a path, save there, whole or not at all; its suffix (png, pdf, svg) is the format.

    Raises
    ------
    SpecError
        No DRAM bandwidth is known, another suffix, or the picture cannot be written.
    """
    if design.accelerator.dram_bits_per_s is None:
        raise SpecError(
            f"accelerator {design.accelerator.name!r}: no DRAM bandwidth is given, and a roofline "
            "needs one; give dram_bits_per_s"
        )
    return _drawn(lambda: _draw(design), path)


def plot_fit(fit: AreaFitResult, path: Path | None) -> Figure:
    """Draw measured and fitted areas (µm²), and under them the relative errors (%).

    With a path, save there, whole or not at all; its suffix (png, pdf, svg) is the format.

    Raises
    ------
    SpecError
        Another suffix, or the picture cannot be written.
    """
    return _drawn(lambda: _draw_fit(fit), path)


def _drawn(draw: Callable[[], Figure], path: Path | None) -> Figure:
    """Draw in our style, and save where a path is given."""
    suffix = ".png" if path is None else path.suffix.lower()
    if suffix not in NO_DATE:
        raise SpecError(f"{path}: unknown picture format; end the name in .png, .pdf or .svg")
    with style.context(["default", STYLE]):
        picture = draw()
        if path is not None:
            content = io.BytesIO()
            picture.savefig(content, format=suffix[1:], metadata=NO_DATE[suffix])
            write_whole(path, content.getvalue())
    return picture


def _draw_fit(fit: AreaFitResult) -> Figure:
    picture = Figure(figsize=(7.5, 7), dpi=150)
    FigureCanvasAgg(picture)
    picture.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    areas, errors = picture.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
    points, (low, high) = fit.points, fit.calibrated
    x, grid = points["x"], np.geomspace(low, high, 400)
    curve = fit.area_um2(grid)
    what = {"pe": "PE", "sram": "SRAM"}[fit.kind]
    measured: Look = {"marker": "o", "s": 26, "color": "#3f6ea8", **RIM}
    seen = [
        areas.scatter(
            x, points["area_um2"], **measured, zorder=3, label=f"measured, {len(x)} points"
        )
    ]
    line: Look = {"color": "0.15", "lw": 1.5, "label": fit.formula}
    seen += areas.plot(grid[curve > 0], curve[curve > 0], **line)
    areas.set(yscale=_scale(points["area_um2"]), ylabel=f"area of one {what} (µm²)")
    _head(areas, f"{what} area fitted to {_plain(fit.source, 40)}", seen, 1)

    percent = 100 * points[["relative_error", "left_out_error"]].to_numpy()
    hollow: Look = {"marker": "D", "s": 34, "facecolor": "white", "edgecolor": "0.35", "lw": 0.9}
    look = [measured | {"label": "fitted to all"}, hollow | {"label": "fitted to all others"}]
    told = [errors.scatter(x, percent[:, i], **look[i], zorder=3 - i) for i in (0, 1)]
    errors.axhline(0, color="0.15", lw=1)
    if np.abs(percent).max() < LEAST_ERROR:  # what rounding leaves is no pattern
        errors.set_ylim(-LEAST_ERROR, LEAST_ERROR)
    errors.set(xscale=_scale(x), xlabel=fit.x_words, ylabel="fitted over measured (%)")
    _head(errors, "Relative error", told, 2)
    for axes in (areas, errors):
        _scaled_ticks(axes)
    return picture


def _scale(values: pd.Series[float]) -> str:
    """Logarithmic for what spans a decade or more."""
    return "log" if values.max() >= 10 * values.min() else "linear"


def _scaled_ticks(axes: Axes) -> None:
    """Plain figures where an axis is logarithmic, and a grid."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = axis.get_view_interval()
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
            axis.set_major_formatter(lambda value, _: figure(value))
            axis.minorticks_off()
    axes.grid(True)


def _draw(design: Design | Evaluation) -> Figure:
    picture, layers = Figure(figsize=(14, 8.6), dpi=150), design.layers
    FigureCanvasAgg(picture)
    picture.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, 0.935))
    columns = picture.add_gridspec(1, 2, width_ratios=(1, 1.25))
    left = columns[0].subgridspec(2, 1, height_ratios=(7, 1))
    right = columns[1].subgridspec(2, 1, height_ratios=(1.3, 1))
    panels = [picture.add_subplot(rows[i]) for rows in (left, right) for i in (0, 1)]
    roofline, area, latency, widths = panels
    points, roofs = _roofline(roofline, design, layers)
    budgets = design.problem.budgets if isinstance(design, Design) else {}
    _area(area, design, budgets.get("area_mm2"))
    _latency(latency, layers)
    _widths(widths, design, layers)
    _number_layers(latency, widths, layers.index.tolist())
    answer, hardware = _titles(design)
    picture.text(0.01, 0.984, answer, fontsize=12.5, weight="bold", va="top")
    picture.text(0.01, 0.954, hardware, fontsize=10, va="top")
    picture.draw_without_rendering()  # lays the panels out
    picture.set_layout_engine("none")
    _label_points(roofline, points, roofs, layers["latency_s"].to_numpy())
    return picture


def _roofline(axes: Axes, figures: Figures, layers: pd.DataFrame) -> tuple[Floats, list[Floats]]:
    """Draw layers under their ceilings; return both as (OPS/bit, GOPS/s) points."""
    gops = layers["ops"].to_numpy() / OPS_PER_GOP
    points = np.stack([layers["ops"] / layers["dram_bits"], gops / layers["latency_s"]], axis=1)
    peaks = _ceilings_gops_per_s(figures)
    x, y = points.T
    assert figures.accelerator.dram_bits_per_s is not None  # refused before
    slope = figures.accelerator.dram_bits_per_s / OPS_PER_GOP
    ends = min(x.min(), peaks[0][1] / slope) / 2, max(x.max(), peaks[-1][1] / slope) * 2.5
    roofs = [np.array([(ends[0], ends[0] * slope), (peaks[-1][1] / slope, peaks[-1][1])])]
    roofs += [np.array([(peak / slope, peak), (ends[1], peak)]) for _, peak in peaks]
    labels = [f"DRAM: {figure(slope)} Gbit/s"]
    labels += [f"PE array, {kernel} kernels: {figure(peak)} GOPS/s" for kernel, peak in peaks]
    legend: list[Any] = []
    for roof, dashes, label in zip(roofs, ("-.", "-", "--"), labels, strict=False):
        legend += axes.plot(*roof.T, color="0.15", lw=1.5, ls=dashes, label=label)
    for side, look in ROOFS.items():
        ours = (layers["bound_by"] == side).to_numpy()
        label = f"{side}-bound: {ours.sum()} of {len(ours)} layers"
        legend.append(axes.scatter(x[ours], y[ours], **look, **RIM, zorder=3, label=label))
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=(y.min() / 2, peaks[-1][1] * 1.6))
    axes.set(xlabel="operations per DRAM bit (OPS/bit)", ylabel="attained operations (GOPS/s)")
    _log_ticks(axes)
    _head(axes, "Roofline by layer number (+n: n more layers there)", legend, 2)
    return points, roofs


def _ceilings_gops_per_s(figures: Figures) -> list[tuple[str, float]]:
    """Kernels and peaks to draw, ascending: that of most MACs and the fastest, or the next one."""
    peaks = peaks_ops_per_s(figures)
    usual, fastest = next(iter(peaks)), max(peaks, key=peaks.__getitem__)
    others = [kernel for kernel, peak in peaks.items() if peak != peaks[usual]]
    drawn = {usual} if not others else {usual, others[0] if fastest == usual else fastest}
    return sorted(((kernel, peaks[kernel] / OPS_PER_GOP) for kernel in drawn), key=lambda x: x[1])


def _log_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e4 * low else (1,)))
        axis.set_major_formatter(lambda value, _: figure(value))
    axes.minorticks_off()
    axes.grid(True)


def _latency(axes: Axes, layers: pd.DataFrame) -> None:
    number, legend = np.arange(1, len(layers) + 1), list[Any]()
    rim = RIM | {"lw": min(RIM["lw"], 40 / len(layers))}
    for side in sorted(set(layers["bound_by"])):
        ours = (layers["bound_by"] == side).to_numpy()
        height = layers["latency_s"].to_numpy()[ours] * MS_PER_S
        rim["label"] = f"{side}-bound: Σ {figure(height.sum())} ms"
        legend.append(axes.bar(number[ours], height, color=ROOFS[side]["color"], **rim))
    other = layers[["compute_s", "memory_s"]].min(axis=1) * MS_PER_S
    look: Look = {"color": "black", "lw": 1.5, "label": "time of the other roof"}
    legend.append(axes.hlines(other, number - 0.4, number + 0.4, **look))
    axes.set_ylabel("latency (ms)")
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.grid(True, axis="y")
    _head(axes, "Latency per layer", legend, 3)


def _widths(axes: Axes, figures: Figures, layers: pd.DataFrame) -> None:
    number, size = np.arange(1, len(layers) + 1), float(np.clip(200 / len(layers), 1.8, 4))
    weights: Look = {"color": "0.1", "ls": "-", "marker": "s", "ms": size, "label": "weights"}
    inputs: Look = {"color": "0.5", "ls": "--", "marker": "o", "ms": size + 2.5, "mfc": "white"}
    step: Look = {"drawstyle": "steps-mid", "lw": 1.0 if len(layers) <= 60 else 0.5}
    legend: list[Any] = []
    legend += axes.plot(number, layers["input_bits"], **inputs, **step, label="input activations")
    legend += axes.plot(number, layers["weight_bits"], **weights, **step)
    levels = [int(bits) for name in ("input_bits", "weight_bits") for bits in layers[name]]
    accelerator = figures.accelerator
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
    _head(axes, "Bitwidths per layer", legend, 4)


def _number_layers(latency: Axes, widths: Axes, names: Sequence[str]) -> None:
    """Give the panels by layer one x axis: names where they can be read, else numbers."""
    latency.sharex(widths)
    latency.set_xlim(0.4, len(names) + 0.6)
    widths.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True, steps=(1, 2, 5, 10)))
    widths.set_xlabel("layer number (execution order)")
    if len(names) <= MAX_NAMED_LAYERS:
        ticks = {i: f"{_plain(name, MAX_NAME)} · {i}" for i, name in enumerate(names, 1)}
        turned: Look = {"rotation": 50, "ha": "right", "rotation_mode": "anchor"}
        widths.set_xticks([*ticks], [*ticks.values()], **turned)
        latency.tick_params(axis="x", labelbottom=False)


def _area(axes: Axes, figures: Figures, budget: float | None) -> None:
    start, legend = 0.0, list[Any]()
    for part, grey in zip(("PE array", "SRAM"), AREA_GREYS, strict=True):
        mm2 = figures.area_breakdown_mm2.get(part)
        label = f"{part}: {ABSENT if mm2 is None else f'{figure(mm2)} mm²'}"
        look = RIM | {"color": grey, "label": label}
        legend.append(axes.barh([0], [mm2 or 0.0], left=start, **look))
        start += mm2 or 0.0
    if budget is not None:
        label = f"budget: {figure(budget)} mm²"
        legend.append(axes.axvline(budget, color="black", lw=1.6, ls="--", label=label))
    axes.set(xlim=(0, 1.06 * max(start, budget or 0) or 1), yticks=[], xlabel="area (mm²)")
    if not figures.area_breakdown_mm2:
        axes.set(xticks=[])
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center")
    _head(axes, "Area", legend, 3)


def _head(axes: Axes, title: str, legend: Sequence[Any], columns: int) -> None:
    """Title, under it the legend in rows, then the panel."""
    axes.set_title(title, loc="left", pad=6 + 13 * -(-len(legend) // columns))
    space: Look = {"borderaxespad": 0.2, "labelspacing": 0.3, "columnspacing": 1.2}
    axes.legend(handles=legend, ncols=columns, loc="lower left", bbox_to_anchor=(-0.01, 1), **space)


def _titles(design: Design | Evaluation) -> tuple[str, str]:
    """What was reached and how sure that is; with what hardware."""
    on, network = design.accelerator, _plain(design.network.name, 50)
    pe = f"{on.pe_weight_bits}×{on.pe_activation_bits} bit (weights × activations)"
    parts = [f"{on.rows} × {on.cols} PEs of {pe}"]
    if on.sram_bits is not None:
        parts.append(f"SRAM {METRICS_SHOWN['dram_bits'].amount(on.sram_bits)}")
    if "area_mm2" in design.metrics:
        silicon = "" if on.technology is None else f" in {_plain(on.technology.name, 30)}"
        parts.append(f"area {figure(design.metrics['area_mm2'])} mm²{silicon}")
    if isinstance(design, Design):
        proof, shown = design.proof, METRICS_SHOWN[design.problem.objective]
        sure = "proven optimal"
        if proof.status != "optimal":
            sure = f"feasible, bound {shown.amount(proof.bound)}, gap {gap_shown(proof.gap)}"
        answer = f"{network}: {shown.words} {shown.amount(proof.objective)} – {sure}"
    else:
        latency = METRICS_SHOWN["latency_s"].amount(design.metrics["latency_s"])
        answer = (
            f"{network} on {_plain(on.name, 40)}: latency {latency}, {design.roofline} roofline"
        )
    return answer, ", ".join(parts)


def _plain(name: str, most: int) -> str:
    """A given name as one short line that no mathematics is read into."""
    line = " ".join(name.split())
    return (line if len(line) <= most else "…" + line[1 - most :]).replace("$", r"\$")


def _label_points(axes: Axes, points: Floats, roofs: Sequence[Floats], weight: Floats) -> None:
    """Number the points, most latency first, each where it covers nothing, or not at all.

    Points whose marks overlap share a label. Places are found in pixels: the layout must be final.
    """
    pixels, px_per_pt = axes.transData.transform(points), axes.figure.dpi / 72
    lines = [axes.transData.transform(roof) for roof in roofs]
    dots = [start + np.linspace(0, 1, 400)[:, None] * (end - start) for start, end in lines]
    taken = np.concatenate([_boxes(pixels, MARK_PX, MARK_PX), *(_boxes(at, 1, 1) for at in dots)])
    frame, groups = np.array(axes.bbox.extents), _overlapping(pixels)
    look: Look = {"ha": "center", "va": "center_baseline", "fontsize": LABEL_PT, "zorder": 2.5}
    look["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
    for group in sorted(groups, key=lambda group: -weight[group].sum()):
        shown = [str(index + 1) for index in group]
        label = ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} (+{len(shown) - 1})"
        size = np.array([0.65 * len(label), 1.1]) * LABEL_PT * px_per_pt
        place = _free_place(pixels[group[0]], size, frame, taken)
        if place is not None:
            where: Look = {"xytext": tuple(place / px_per_pt), "textcoords": "offset points"}
            axes.annotate(label, points[group[0]], **where, **look)
            taken = np.concatenate([taken, _boxes(pixels[group[:1]] + place, *size)])


def _overlapping(pixels: Floats) -> list[list[int]]:
    """Indices of points, those within half a mark of a group's first point together."""
    groups: dict[int, list[int]] = {}
    for index, pixel in enumerate(pixels):
        near = (first for first in groups if np.hypot(*(pixels[first] - pixel)) < MARK_PX / 2)
        groups.setdefault(next(near, index), []).append(index)
    return list(groups.values())


def _free_place(pixel: Floats, size: Floats, frame: Floats, taken: Floats) -> Floats | None:
    """Offset of a label's centre from its point, the nearest that covers nothing (pixels)."""
    for gap, (x, y) in ((gap, way) for gap in GAPS_PX for way in DIRECTIONS):
        place = np.array([x, y]) * (size / 2 + gap)
        length = float(np.hypot(*place))
        leader = pixel + np.arange(MARK_PX, length, 3)[:, None] * place / length
        boxes = np.concatenate([_boxes((pixel + place)[None], *size), _boxes(leader, 1, 1)])
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        inside = (low[0] > frame[:2]).all() and (high[0] < frame[2:]).all()
        covers = (low < taken[:, 2:]).all(axis=2) & (high > taken[:, :2]).all(axis=2)
        if inside and not covers.any():
            return place
    return None


def _boxes(centres: Floats, width: float, height: float) -> Floats:
    """Left, low, right and high of equal boxes around ``centres`` (n × 2), n × 4."""
    half = np.array([width, height]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)
