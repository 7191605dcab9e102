"""The pictures of the fits, the rooflines and the optimum; those by layer are in ``layers.py``.

Marks differ in shape or grey level too, so that a picture survives a black-and-white print.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import curves
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from tables import GIGA, TECHNOLOGIES

import codesign

DARK, LIGHT = "#2f5d8a", "#f0a860"
RIM: dict[str, Any] = {"edgecolors": "black", "linewidths": 0.6}
SHAPES = "osD^v"
LINES = ("-", "--", "-.", ":", (0, (1, 3)))
HEAD_PT = 13  # height of a legend's row


def new(rows: int = 1, size: tuple[float, float] = (7.5, 4.6), **grid: Any) -> tuple[Figure, Any]:
    """A picture and its panels."""
    picture = Figure(figsize=size, dpi=110, layout="constrained")
    return picture, picture.subplots(rows, 1, **grid)


def head(axes: Axes, title: str, columns: int = 2, **legend: Any) -> None:
    """Title, the legend under it, then the panel: no data can be under the legend."""
    entries = len(axes.get_legend_handles_labels()[0])
    axes.set_title(
        title, loc="left", weight="bold", fontsize=10.5, pad=8 + HEAD_PT * -(-entries // columns)
    )
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1), "ncols": columns}
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "borderaxespad": 0.2}
    axes.legend(**place, **look, labelspacing=0.3, columnspacing=1.4, **legend)


def logarithmic(axes: Axes, which: str = "xy", subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Logarithmic axes with plain figures."""
    for letter in which:
        axis = getattr(axes, f"{letter}axis")
        getattr(axes, f"set_{letter}scale")("log")
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.grid(True, color="0.9")
    axes.set_axisbelow(True)


def figure1() -> Figure:
    """Area against bitwidth, by both fits."""
    frame = curves.area_fits()
    return _both_fits(frame, "bits", "width of weights and activations (bits)", "Figure 1")


def figure3() -> Figure:
    """Area against BOPS, by both fits."""
    frame = curves.area_fits()
    return _both_fits(frame, "bops", "bit operations of the PE (BOPS per cycle)", "Figure 3")


def _both_fits(frame: pd.DataFrame, x: str, words: str, name: str) -> Figure:
    picture, (areas, parting) = new(2, (7.5, 6), sharex=True, height_ratios=(1.6, 1))
    marked = frame.query("bits in @curves.MARKED_BITS")
    quadratic, linear = (
        codesign.load_technology(technology).pe_area_um2 for technology in reversed(TECHNOLOGIES)
    )
    label = f"Figure 1: {quadratic.quadratic} b² + {quadratic.linear} b − {-quadratic.constant}"
    areas.plot(frame[x], frame["figure1_um2"], color=DARK, label=label)
    label = f"Figure 3: {linear.slope} B + {linear.intercept}"
    areas.plot(frame[x], frame["figure3_um2"], color="black", ls="--", label=label)
    if x == "bops":  # lines refitted to Figure 1's curve
        fit = curves.refits().query("points == 31 and not relative").iloc[0]
        refit = fit["slope"] * frame["bops"] + fit["intercept"]
        label = f"least squares through Figure 1's curve, R² {fit['r2']:.4f}"
        areas.plot(frame[x], refit, color="0.55", ls=":", lw=2, label=label)
        percent = 100 * (refit / frame["figure1_um2"] - 1)
        label = "least squares through Figure 1's curve"
        parting.plot(frame[x], percent, color="0.55", ls=":", lw=2, label=label)
    areas.scatter(marked[x], marked["figure1_um2"], color=DARK, **RIM, zorder=3)
    areas.scatter(marked[x], marked["figure3_um2"], color="white", marker="s", **RIM, zorder=3)
    areas.set_ylabel("area of a 3×3 PE (µm²)")
    off = "figure3_over_figure1_percent"
    look: dict[str, Any] = {"color": "black", "ls": "--", "label": "Figure 3 over Figure 1"}
    parting.plot(frame[x], frame[off], **look)
    parting.scatter(marked[x], marked[off], color="white", marker="s", **RIM, zorder=3)
    for _, point in marked.iterrows():
        text = f"{point['bits']:.0f} bit: {point[off]:+.0f} %".replace("-", "−")
        shift, side = {2: ((-8, -3), "right"), 32: ((4, 8), "right")}.get(
            int(point["bits"]), ((0, -16), "center")
        )
        if x == "bits" and point["bits"] == 4:
            shift, side = (8, 4), "left"
        place: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "ha": side}
        parting.annotate(text, (point[x], point[off]), shift, **place)
    parting.set_ylim(-40, frame[off].max() * 1.15 if x == "bits" else 150)
    parting.axhline(0, color=DARK)
    parting.set(xlabel=words, ylabel="deviation (%)")
    logarithmic(areas)
    logarithmic(parting, "x")
    parting.set_xlim(frame[x].min() / 1.6 ** (2 if x == "bops" else 1), frame[x].max() * 1.2)
    if x == "bits":
        parting.set_xticks(curves.MARKED_BITS, [str(bits) for bits in curves.MARKED_BITS])
    head(areas, f"{name}: area of a 3×3 PE by both fits", 1)
    head(parting, "Where they part", 2)
    return picture


def figure4() -> Figure:
    """Area against BOPS over n, m and mixed widths: one PE."""
    return _channels(1, "Figure 4: a PE of n inputs and m outputs")


def figure12() -> Figure:
    """The same for a systolic array of 3×3 such PEs."""
    return _channels(curves.SYSTOLIC_PES, "Figure 12: a systolic array of 3×3 such PEs")


def _channels(pes: int, title: str) -> Figure:
    frame, fit = curves.channels(pes), curves.channel_fit()
    picture, axes = new()
    kernels = frame["n"] * frame["m"]
    greys = ("white", LIGHT, "0.6", DARK)
    for (low, high), shape, grey in zip(
        ((1, 1), (2, 8), (16, 64), (128, 256)), SHAPES, greys, strict=False
    ):
        some = frame[kernels.between(low, high)]
        label = f"n·m = {low}" + ("" if low == high else f" to {high}")
        look: dict[str, Any] = {"color": grey, "marker": shape, "s": 22, **RIM, "label": label}
        axes.scatter(some["bops"], some["kernels_um2"], **look, zorder=3)
    order = frame.sort_values("bops")
    axes.plot(order["bops"], order["line_um2"], color="black", ls="--", label="Figure 3's line")
    fitted = fit.coefficients["slope"] * order["bops"] + pes * fit.coefficients["intercept"]
    label = f"line through the points, R² {fit.r2:.3f}"
    axes.plot(order["bops"], fitted, color="0.45", ls=":", lw=2, label=label)
    axes.set(xlabel="bit operations (BOPS per cycle)", ylabel="area (µm²), made by the model")
    logarithmic(axes, subs=(1,))
    head(axes, f"{title}, widths {', '.join(map(str, curves.MIXED_BITS))} bit mixed", 3)
    return picture


def figure6a() -> Figure:
    """Area of single-port SRAM against its bits."""
    return _sram("single-port", "Figure 6a")


def figure6b() -> Figure:
    """Area of dual-port SRAM against its bits."""
    return _sram("dual-port", "Figure 6b")


def _sram(kind: str, name: str) -> Figure:
    frame, fit = curves.sram(kind), codesign.load_technology("tsmc28", kind).sram_area_um2
    picture, axes = new(size=(7.5, 4))
    label = f"{fit.slope:g} S + {fit.intercept:g}, published R² {fit.r2}"
    axes.plot(frame["bits"] / 1e3, frame["area_um2"] / 1e6, color=DARK, marker="o", label=label)
    axes.set(xlabel="capacity (kbit)", ylabel="area (mm²)")
    logarithmic(axes, subs=(1,))
    head(axes, f"{name}: area of a {kind} SRAM", 1)
    return picture


def figure7() -> Figure:
    """A memory-bound layer, a compute-bound one, and one at the ridge."""
    frame = curves.ridge()
    picture, axes = new()
    on = codesign.load_accelerator(curves.RIDGE_ARRAY)
    peak, slope = on.peak_ops_per_s(9) / GIGA, (on.dram_bits_per_s or 0) / GIGA
    x = np.array([3, peak / slope, 700])
    roofs = f"{slope:.1f} Gbit/s and {peak:,.0f} GOPS/s: ridge at {peak / slope:.2f} OPS/bit"
    axes.plot(x, np.minimum(peak, slope * x), color="black", lw=1.5, label=roofs)
    axes.axvline(peak / slope, color="0.6", ls=":", lw=1)
    says = ("memory-bound", "compute-bound", "at the ridge")
    for (_, app), shape, grey, what in zip(
        frame.iterrows(), "os^", ("white", DARK, LIGHT), says, strict=True
    ):
        point = app["ops_per_bit"], app["gops_per_s"]
        label = f"{app['app']}, {what}: {app['network']} {app['layer']}"
        axes.scatter(*point, color=grey, marker=shape, s=70, **RIM, zorder=3, label=label)
        axes.annotate(app["app"], point, (9, -15), textcoords="offset points", weight="bold")
    axes.set(xlabel="operations per DRAM bit (OPS/bit)", ylabel="performance (GOPS/s)")
    axes.set(ylim=(300, 20000), xlim=(3, 700))
    logarithmic(axes)
    head(axes, f"Figure 7: the three cases on {on.name}", 1)
    return picture


def arrays(frame: pd.DataFrame, title: str) -> Figure:
    """Figures 8 and 9: the rooflines of all arrays of Table 3 or 4, and the layer on each."""
    picture, axes = new()
    ends = np.array([0.3, 300.0])
    slope = frame["dram_gbit_per_s"][0]
    for (_, row), dashes, shape in zip(frame.iterrows(), LINES, SHAPES, strict=False):
        peak = row["gops_per_s"]
        x = np.array([ends[0], peak / slope, ends[1]])
        label = f"{row['precision']}, {row['side']}×{row['side']} PEs: {peak:,.0f} GOPS/s"
        axes.plot(x, np.minimum(peak, slope * x), color="0.25", ls=dashes, label=label)
        point = row["ops_per_bit"], row["attained_gops_per_s"]
        bound = row["bound_by"] == "memory"
        look: dict[str, Any] = {"color": "white" if bound else DARK, "marker": shape, **RIM}
        axes.scatter(*point, s=60, zorder=3, **look)
        text = f"{row['precision']}, {row['bound_by']}-bound"
        shift, side = ((-9, 3), "right") if bound else ((6, -14), "left")
        axes.annotate(text, point, shift, textcoords="offset points", fontsize=8, ha=side)
    axes.set(xlabel="operations per DRAM bit (OPS/bit)", ylabel="performance (GOPS/s)")
    axes.set(xlim=ends, ylim=(20, 30000))
    logarithmic(axes, subs=(1,))
    head(axes, f"{title}, DRAM {slope:g} Gbit/s", 2)
    return picture


def optimum(frame: pd.DataFrame) -> Figure:
    """Latency of ResNet-18 by each way to spend the budget, one row per budget and width."""
    picture, axes = new(size=(8.5, 7.6))
    linear = frame[frame["technology"] == TECHNOLOGIES[0]].reset_index(drop=True)
    other = frame[frame["technology"] == TECHNOLOGIES[1]].reset_index(drop=True)
    y = np.arange(len(linear))[::-1]
    shown: tuple[tuple[str, float, str, str, str], ...] = (
        ("ideal_ms", -0.18, "<", "white", "paper's array, ideal roofline, no SRAM: a promise"),
        ("extra_ms", -0.18, "s", "0.75", "paper's array and the least SRAM, of any area"),
        ("recipe_ms", 0.36, "D", LIGHT, "paper's recipe inside the budget"),
        ("square_ms", 0.18, "^", "0.5", "best square array, one width"),
        ("shaped_ms", 0.0, "v", LIGHT, "best array of any sides, one width"),
        ("optimum_ms", 0.36, "o", DARK, "proven optimum"),
    )
    for column, shift, shape, grey, label in shown:
        size = 55 if column == "optimum_ms" else 40
        look: dict[str, Any] = {"color": grey, "marker": shape, "s": size, **RIM, "label": label}
        axes.scatter(linear[column], y + shift, **look, zorder=3)
    best: dict[str, Any] = {"marker": "x", "color": "black", "s": 40, "lw": 1.4, "zorder": 4}
    axes.scatter(other["optimum_ms"], y - 0.36, **best, label="proven optimum, quadratic fit")
    axes.hlines(y + 0.36, linear["optimum_ms"], linear["recipe_ms"], color="0.6", lw=1, zorder=1)
    for place, (_, row) in zip(y, linear.iterrows(), strict=True):
        faster = f"{row['faster_than_recipe']:.2f}×"
        axes.annotate(
            faster, (1.0, place), (6, 0), xycoords=("axes fraction", "data"), va="center",
            textcoords="offset points", fontsize=9,
        )  # fmt: skip
    axes.annotate(
        "optimum faster\nthan recipe", (1.0, y.max() + 0.5), (6, 0), textcoords="offset points",
        xycoords=("axes fraction", "data"), fontsize=8.5, va="bottom",
    )  # fmt: skip
    names = [f"{row['area_mm2']:g} mm², {row['bits']} bit" for _, row in linear.iterrows()]
    axes.set_yticks(y, names)
    axes.set(xlabel="latency of ResNet-18 (ms)", ylim=(-0.7, y.max() + 0.7))
    logarithmic(axes, "x")
    axes.grid(False, axis="y")
    for place in y[:-1]:
        axes.axhline(place - 0.5, color="0.85", lw=0.8)
    head(axes, "Within the paper's budgets, no noisier than its uniform widths", 2)
    return picture


FITS: dict[str, Callable[[], Figure]] = {
    "figure1": figure1,
    "figure3": figure3,
    "figure4": figure4,
    "figure6a": figure6a,
    "figure6b": figure6b,
    "figure7": figure7,
    "figure12": figure12,
}
