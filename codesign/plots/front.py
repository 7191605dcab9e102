"""A Pareto front as a picture: points, the certified region between them, rates, and what binds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import LogLocator

from codesign.amounts import METRICS_SHOWN, Shown, figure, gap_shown
from codesign.design import Design
from codesign.front import Front
from codesign.plots.design import ROOFS
from codesign.plots.drawing import RIM, Figure, Floats, Look, drawn, head, plain, scaled_ticks

REGION: Look = {"facecolor": "0.88", "edgecolor": "0.62", "hatch": "....", "lw": 0.0, "zorder": 0.5}
REACHED: Look = {"color": "0.2", "lw": 1.1, "zorder": 2}
RULED_OUT: Look = {"color": "0.2", "lw": 0.9, "ls": (0, (3, 2)), "zorder": 2}
NOTHING: Look = {"facecolor": "none", "edgecolor": "0.6", "hatch": "///", "lw": 0.0, "zorder": 0.4}
UNPROVEN: Look = {"marker": "D", "facecolor": "white", "edgecolor": "black", "lw": 1.2}
KNEE: Look = {"marker": "o", "s": 200, "facecolor": "none", "edgecolor": "black", "lw": 1.2}

Mask = npt.NDArray[np.bool_]


def plot_front(front: Front, path: str | Path | None) -> Figure:
    """Draw a front in the units people write.

    Two objectives: the points over the region in which undiscovered ones may lie; what the next
    unit of the second objective saves of the first; and how much of the latency the DRAM binds.
    Three: the first two, the third as grey level and size, and both over the third. With a path,
    save there, whole or not at all; its suffix (png, pdf, svg) is the format.

    Raises
    ------
    SpecError
        Another suffix, or the picture cannot be written.
    """
    draw = _draw_two if len(front.objectives) == 2 else _draw_three
    return drawn(lambda: draw(front), path)


# --- two objectives -----------------------------------------------------------------------------


def _draw_two(front: Front) -> Figure:
    picture = _canvas((8.6, 9.2))
    points, rates, shares = picture.subplots(3, 1, sharex=True, height_ratios=(2.9, 1, 0.8))
    _scale(points, front, (1, 0))
    seen = [*_region(points, front), *_marks(points, front, _shown(front)[:, (1, 0)])]
    seen += _knee(points, front, (1, 0)) + _infeasible(points, front)
    points.set(ylabel=_label(front, 0))
    head(points, _title(front), seen, 2)
    _rates(rates, front)
    _shares(shares, front)
    for axes in (points, rates, shares):
        scaled_ticks(axes)
    picture.align_ylabels()
    return picture


def _region(axes: Axes, front: Front) -> list[Any]:
    """What is reached, what is ruled out, and the certified region between."""
    name, (first, second) = front.objectives[1], (METRICS_SHOWN[n].scale for n in front.objectives)
    known = front.values[:, 1]
    limits = [rule.limits[name] for rule in front.ruled]
    edges = np.unique([*known, *(x for x in limits if known.min() < x < known.max())])
    middles = (edges[1:] + edges[:-1]) / 2
    upper = np.array([front.upper(float(x)) for x in middles])
    lower = np.array([min(front.lower(float(x)), u) for x, u in zip(middles, upper, strict=True)])
    x = np.repeat(edges, 2)[1:-1] / second
    top, bottom = np.repeat(upper, 2) / first, np.repeat(lower, 2) / first
    lines = axes.plot(x, top, **REACHED, label="best reached")
    if front.complete and not front.rel_step:
        return lines
    lines += axes.plot(x, bottom, **RULED_OUT, label="proven: nothing below")
    words = "certified: all other points of the front lie here"
    return [*lines, axes.fill_between(x, bottom, top, label=words, **REGION)]


def _infeasible(axes: Axes, front: Front) -> list[Any]:
    """Shade the limits on the second objective within which there is no design."""
    shown = METRICS_SHOWN[front.objectives[1]]
    most = max([limits[front.objectives[1]] for limits in front.infeasible], default=0.0)
    most = max(most, _least_second(front)) / shown.scale
    if most <= 0:
        return []
    left, right = axes.get_xlim()
    if front.logarithmic[1]:
        left = min(left, most * (most / right) ** 0.06)
    axes.set_xlim(left, right)
    words = f"no design: {shown.words} below {figure(most)} {shown.unit}".rstrip()
    return [axes.axvspan(left, most, label=words, **NOTHING)]


def _least_second(front: Front) -> float:
    """What the second objective is proven never to go below; 0 if nothing is."""
    first, second = front.objectives
    for design in front.designs:
        limit = design.problem.budgets.get(first)
        whole = limit == front.problem.budgets.get(first)
        if whole and design.problem.objective == second:
            return design.proof.bound
    return 0.0


def _rates(axes: Axes, front: Front) -> None:
    """What one more unit of the second objective saves of the first, between neighbours."""
    shown = [METRICS_SHOWN[name] for name in front.objectives]
    saved = -front.rates[::-1] * shown[1].scale / shown[0].scale
    legend: list[Any] = []
    if len(saved):
        label = f"{shown[0].words} saved by the next unit of {shown[1].words}, up to the next point"
        look: Look = {"color": "0.15", "lw": 1.3, "baseline": None, "label": label}
        legend.append(axes.stairs(saved, _shown(front)[::-1, 1], **look))
        if saved.min() > 0 and saved.max() > 10 * saved.min():
            axes.set_yscale("log")
    else:
        axes.set_yticks([])
    axes.set_ylabel(f"saved{_ratio(*shown)}")
    head(axes, "Rate", legend, 1)


def _shares(axes: Axes, front: Front) -> None:
    """How much of the latency is spent in memory-bound layers."""
    x, share = _shown(front)[:, 1], 100 * _memory_bound(front)
    axes.axhline(50, color="0.6", lw=0.8, zorder=1)
    axes.vlines(x, 50, share, color="0.6", lw=0.8, zorder=1)
    _marks(axes, front, np.stack([x, share], axis=1))
    axes.set(xlabel=_label(front, 1), ylabel="share (%)", ylim=(-6, 106), yticks=(0, 50, 100))
    head(axes, "Share of the latency in memory-bound layers", [], 1)


# --- three objectives ---------------------------------------------------------------------------


def _draw_three(front: Front) -> Figure:
    picture = _canvas((11.5, 7))
    columns = picture.add_gridspec(2, 2, width_ratios=(1.9, 1))
    main = picture.add_subplot(columns[:, 0])
    above, below = (picture.add_subplot(columns[row, 1]) for row in (0, 1))
    below.sharex(above)
    third = _shown(front)[:, 2]
    log = front.logarithmic[2]
    norm = LogNorm(third.min(), third.max()) if log else Normalize(third.min(), third.max())
    grey: Look = {"cmap": "Greys", "norm": norm}
    for axes, of in ((main, (1, 0)), (above, (2, 0)), (below, (2, 1))):
        _scale(axes, front, of)
        size = (24, 90) if axes is main else (14, 44)
        seen = _marks(axes, front, _shown(front)[:, of], third, grey, size)
        seen += _knee(axes, front, of)
        if axes is main:
            first, second = (METRICS_SHOWN[name].words for name in front.objectives[:2])
            head(axes, f"{first.capitalize()} over {second}", seen, 1)
        axes.set(xlabel=_label(front, of[0]), ylabel=_label(front, of[1]))
        scaled_ticks(axes)
    above.set_xlabel("")
    above.tick_params(labelbottom=False)
    bar = picture.colorbar(ScalarMappable(**grey), ax=main, pad=0.02, aspect=40)
    bar.set_label(f"{_label(front, 2)}: darker and larger is more")
    if log:
        subs = (1, 2, 5) if third.max() < 1e3 * third.min() else (1,)
        bar.ax.yaxis.set_major_locator(LogLocator(subs=subs))
        bar.ax.yaxis.set_major_formatter(lambda value, _: figure(value))
        bar.ax.yaxis.minorticks_off()
    head(above, f"Both over {METRICS_SHOWN[front.objectives[2]].words}", [], 1)
    picture.suptitle(_title(front), x=0.012, ha="left", fontsize=11, weight="bold")
    return picture


# --- both ---------------------------------------------------------------------------------------


def _canvas(size: tuple[float, float]) -> Figure:
    picture = Figure(figsize=size, dpi=150)
    FigureCanvasAgg(picture)
    picture.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    return picture


def _scale(axes: Axes, front: Front, of: tuple[int, int]) -> None:
    scales = ["log" if front.logarithmic[axis] else "linear" for axis in of]
    axes.set(xscale=scales[0], yscale=scales[1])


def _shown(front: Front) -> Floats:
    """(points, objectives): in the units people write."""
    scale = np.array([METRICS_SHOWN[name].scale for name in front.objectives])
    return np.asarray(front.values / scale)


def _memory_bound(front: Front) -> Floats:
    return np.array([design.memory_bound_share for design in front.designs])


def _label(front: Front, axis: int) -> str:
    shown = METRICS_SHOWN[front.objectives[axis]]
    return f"{shown.words} ({shown.unit})" if shown.unit else shown.words


def _ratio(over: Shown, under: Shown) -> str:
    """``(ms per mm²)``, as far as the two have units."""
    parts = [over.unit, f"per {under.unit}" if under.unit else ""]
    words = " ".join(part for part in parts if part)
    return f" ({words})" if words else ""


def _title(front: Front) -> str:
    *first, last = (METRICS_SHOWN[name].words for name in front.objectives)
    known = "complete" if front.complete else f"{gap_shown(front.gap)} of the volume unknown"
    if front.complete and front.rel_step:
        known += f" up to steps of {gap_shown(front.rel_step)}"
    network = plain(front.problem.network.name, 50)
    return f"{network}: {', '.join(first)} and {last}\n{_points(len(front))}, {known}"


def _points(count: int) -> str:
    return f"{count} point" if count == 1 else f"{count} points"


def _marks(
    axes: Axes,
    front: Front,
    places: Floats,
    third: Floats | None = None,
    grey: Look | None = None,
    size: tuple[float, float] = (12, 34),
) -> list[Any]:
    """Points by what most of their latency is bound by, those without a whole proof apart.

    Many are small. A third objective is their grey level and size.
    """
    sizes = np.full(len(front), np.clip(1000 / len(front), *size))
    if third is not None and grey is not None:
        sizes = size[0] + (size[1] - size[0]) * np.asarray(grey["norm"](third))
    seen: list[Any] = []
    for mine, words, look in _groups(front):
        if mine.any():
            label = f"{words}: {_points(int(mine.sum()))}"
            if third is not None and look is not UNPROVEN:
                look = {"marker": look["marker"], "c": third[mine], **(grey or {}), **RIM}
            x, y = places[mine].T
            seen.append(axes.scatter(x, y, **look | {"s": sizes[mine]}, zorder=3, label=label))
    return seen


def _groups(front: Front) -> Sequence[tuple[Mask, str, Look]]:
    proofs = [design.proof for design in front.designs]
    proven = np.array([proof.status == "optimal" and proof.ties_broken for proof in proofs])
    memory = _memory_bound(front) > 0.5
    return (
        (proven & ~memory, "most of the latency compute-bound", ROOFS["compute"] | RIM),
        (proven & memory, "most of the latency memory-bound", ROOFS["memory"] | RIM),
        (~proven, "proof cut short", UNPROVEN),
    )


def _knee(axes: Axes, front: Front, of: tuple[int, int]) -> list[Any]:
    if len(front) < 3:
        return []
    x, y = _shown(front)[front.knee, of]
    label = f"knee: {_hardware(front.designs[front.knee])}"
    return [axes.scatter([x], [y], **KNEE, zorder=4, label=label)]


def _hardware(design: Design) -> str:
    hardware = design.hardware
    sram = METRICS_SHOWN["dram_bits"].amount(hardware.sram_bits)
    return (
        f"{hardware.rows} × {hardware.cols} PEs of {hardware.pe_weight_bits} × "
        f"{hardware.pe_activation_bits} bit, SRAM {sram}"
    )
