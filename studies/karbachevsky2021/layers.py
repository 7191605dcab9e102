"""Figures 13 and 14: every layer at two places of one roofline, joined, and numbered legibly."""

from __future__ import annotations

from typing import Any

import curves
import numpy as np
import numpy.typing as npt
import pandas as pd
from figures import RIM, head, logarithmic
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tables import GIGA

Floats = npt.NDArray[np.float64]

RED, GREEN = "#c1272d", "#9fd89f"  # grey levels 0.35 and 0.78
LABEL_PT = 8.5
MARK_PX = 11.0
ROW_PX = {1: 84.0, -1: 36.0}  # from the dots of a cluster to the row of its labels: clear of roofs
LONE_PX = 32.0  # the same for a dot alone
CLUSTER_PX = 80.0  # dots nearer than this, left to right, have one row of labels


def draw(name: str, title: str) -> Figure:
    """Draw each layer's red (ideal) and green (partial sums travel) dot, and the tool's tiling."""
    frame, on = curves.partial_sums(name), curves.spilling_accelerator(name)
    picture = Figure(figsize=(10.8, 7.4), dpi=110, layout="constrained")
    FigureCanvasAgg(picture)
    axes, key = picture.subplots(1, 2, width_ratios=(6.2, 1))
    points = [_points(frame, label) for label in ("ideal", "spilling", "least")]
    _roofs(axes, frame, on.dram_bits_per_s or 0.0, on.peak_ops_per_s)
    for red, green in zip(*points[:2], strict=True):
        axes.plot(*np.stack([red, green]).T, color="#5b8fc7", lw=0.9, zorder=1.5)
    looks: tuple[dict[str, Any], ...] = (
        {"color": RED, "marker": "o", "s": 64, "label": "red: ideal roofline"},
        {"color": GREEN, "marker": "s", "s": 34, "label": "green: partial sums travel"},
        {"color": "white", "marker": "D", "s": 13, "label": "tiling of least traffic"},
    )
    for place, look in zip(points, looks, strict=True):
        axes.scatter(*place.T, **look, **RIM, zorder=3)
    axes.set(xlabel="operations per DRAM bit (OPS/bit)", ylabel="performance (GOPS/s)")
    logarithmic(axes)
    sram = f"SRAM {on.sram_bits / 1e3:,.0f} kbit" if on.sram_bits else ""
    head(axes, f"{title} on {on.name}, {sram}", 3)
    key.axis("off")
    lines = [f"{n:>2}  {layer}" for n, layer in zip(frame["number"], frame["layer"], strict=True)]
    key.text(0, 0.99, "layers\n" + "\n".join(lines), va="top", family="monospace", fontsize=8)
    picture.draw_without_rendering()
    picture.set_layout_engine("none")
    _number(axes, points[0], 1)
    _number(axes, points[1], -1)
    return picture


def _points(frame: pd.DataFrame, label: str) -> Floats:
    return frame[[f"{label}_ops_per_bit", f"{label}_gops_per_s"]].to_numpy()


def _roofs(axes: Axes, frame: pd.DataFrame, dram_bits_per_s: float, peak: Any) -> None:
    """Both roofs; the compute roof of each kernel, as the paper counts operations by the window."""
    slope, top = dram_bits_per_s / GIGA, 0.0
    x, y = _points(frame, "ideal").T
    low, high = _points(frame, "spilling")[:, 0].min() / 2, x.max() * 2.6
    kernels = sorted(set(frame["kernel"]), key=lambda kernel: kernel != "3×3")
    for kernel, dashes in zip(kernels, ("-", "--", ":"), strict=False):
        rows, cols = (int(side) for side in kernel.split("×"))
        gops = peak(rows * cols) / GIGA
        roof = np.array([(gops / slope, gops), (high, gops)])
        label = f"{kernel} kernels: {gops:,.4g} GOPS/s"
        axes.plot(*roof.T, color="0.2", ls=dashes, lw=1.4, label=label)
        top = max(top, gops)
    roof = np.array([(low, low * slope), (top / slope, top)])
    label = f"DRAM: {slope:g} Gbit/s"
    axes.plot(*roof.T, color="0.2", ls="-.", lw=1.4, label=label)
    least = min(y.min(), _points(frame, "spilling")[:, 1].min())
    axes.set(xlim=(low, high), ylim=(least / 2, top * 3))


def _number(axes: Axes, points: Floats, side: int) -> None:
    """Number the layers in a row above (side 1) or below (side −1) each cluster of their dots.

    Above are no dots and no joins, and below the green dots neither. Places are found in pixels:
    the layout must be final. Dots that coincide share a label.
    """
    pixels, px_per_pt = axes.transData.transform(points), axes.figure.dpi / 72
    groups = sorted(_coinciding(pixels), key=lambda group: pixels[group[0], 0])
    firsts = pixels[[group[0] for group in groups]]
    starts = np.flatnonzero(np.diff(firsts[:, 0], prepend=-np.inf) > CLUSTER_PX)
    for low, high in zip(starts, [*starts[1:], len(groups)], strict=True):
        labels = [", ".join(_runs([i + 1 for i in group])) for group in groups[low:high]]
        widths = np.array([0.6 * len(label) + 1.3 for label in labels]) * LABEL_PT * px_per_pt
        dots = firsts[low:high]
        x = _spread(dots[:, 0], widths)
        if side < 0:  # never left of the dots, where the roof is
            x += max(0.0, dots[0, 0] - x[0])
        x -= max(0.0, x[-1] + widths[-1] / 2 - axes.bbox.x1)
        row = side * (side * dots[:, 1]).max() + side * (ROW_PX[side] if len(x) > 1 else LONE_PX)
        for label, dot, group, place in zip(labels, dots, groups[low:high], x, strict=True):
            look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": LABEL_PT}
            look["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
            look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            shift = (place - dot[0]) / px_per_pt, (row - dot[1]) / px_per_pt
            axes.annotate(label, points[group[0]], shift, textcoords="offset points", **look)


def _spread(wanted: Floats, widths: Floats) -> Floats:
    """Middles of labels side by side, in order, none over another, together nearest to the wanted
    ones: neighbours in conflict become one block about the mean of what its members want."""
    edges = np.cumsum(widths) - widths / 2
    blocks: list[list[float]] = []
    for want in wanted - edges:  # in these coordinates labels side by side have equal places
        blocks.append([want])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    return edges + np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])


def _coinciding(pixels: Floats) -> list[list[int]]:
    """Indices of marks, those within a quarter of a mark of a group's first one together."""
    groups: dict[int, list[int]] = {}
    for index, pixel in enumerate(pixels):
        near = (first for first in groups if np.hypot(*(pixels[first] - pixel)) < MARK_PX / 4)
        groups.setdefault(next(near, index), []).append(index)
    return list(groups.values())


def _runs(numbers: list[int]) -> list[str]:
    """``1, 3–5`` for 1, 3, 4, 5."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
