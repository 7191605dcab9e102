"""A Pareto front as a picture: points, the certified region between them, rates, and what binds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from codesign.arrays import Floats
from codesign.results.certified_region import (
    certified_steps,
    completeness,
    has_unknown_region,
    least_second,
    scaled_values,
)
from codesign.results.front import Front
from codesign.results.plots.design import ROOFS
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
from codesign.results.plots.labels import label_points
from codesign.results.records import PipelineHardware
from codesign.results.text.layout import counted
from codesign.results.text.phrases import (
    hardware_cells,
    hardware_text,
    mapping_cells,
    mapping_text,
)
from codesign.units import METRIC_UNITS, four_digits

REGION: Look = {"facecolor": "0.88", "edgecolor": "0.62", "hatch": "....", "lw": 0.0, "zorder": 0.5}
REACHED: Look = {"color": "0.2", "lw": 1.1, "zorder": 2}
RULED_OUT: Look = {"color": "0.2", "lw": 0.9, "ls": (0, (3, 2)), "zorder": 2}
NOTHING: Look = {"facecolor": "none", "edgecolor": "0.6", "hatch": "///", "lw": 0.0, "zorder": 0.4}
UNPROVEN: Look = {"marker": "D", "facecolor": "white", "edgecolor": "black", "lw": 1.2}
KNEE: Look = {"marker": "o", "s": 200, "facecolor": "none", "edgecolor": "black", "lw": 1.2}
LEVELS: tuple[Look, ...] = (  # of a limit on a third objective, from loose to tight
    {"color": "0.1", "ls": "-", "lw": 1.2},
    {"color": "0.35", "ls": (0, (5, 2)), "lw": 1.2},
    {"color": "0.55", "ls": (0, (1.5, 1.5)), "lw": 1.4},
)
BOUND_BY = {
    "array": ("most of the latency compute-bound", "most of the latency memory-bound"),
    "pipeline": ("a stage decides the interval", "DRAM traffic decides the interval"),
}
PIPELINES: dict[str, Look] = {"compute": {"marker": "^"}, "memory": {"marker": "v"}}  # by arrays
WITHIN = {"im2col": ".", "output": "x"}  # marks within the points of these mappings
BY_LAYER = "*"  # of reconfigurable machines
SHADES = ("0.35", "0.55", "0.7")
LINE_IN = 0.19  # inches from one line of the list to the next
MOST_LISTED = 40  # points with their hardware beside a picture

Mask = npt.NDArray[np.bool_]


def plot_front(front: Front, path: str | Path | None = None) -> Figure:
    """A front in the units people write, its points numbered as in its table; see `Front.plot`.

    Two objectives: the points over the region in which undiscovered ones may lie; what the next
    unit of the second objective saves of the first; and of arrays how much of the latency the DRAM
    binds. Three: the first over each of the others, with what is reached within some limits on the
    third and the region in which better points may lie. Beside either, the points' hardware.
    """
    draw = _draw_two if len(front.objectives) == 2 else _draw_three
    return draw_and_save(lambda: draw(front), path)


# --- two objectives -----------------------------------------------------------------------------


def _draw_two(front: Front) -> Figure:
    ratios, size = [2.9, 1, 0.8], (12.6, 9.2)
    if _pipelined(front):
        ratios, size = ratios[:2], (12.6, 7.9)
    picture = _canvas(size, front)
    columns = picture.add_gridspec(1, 2, width_ratios=(1.9, 1))
    rows = columns[0].subgridspec(len(ratios), 1, height_ratios=ratios)
    panels = [picture.add_subplot(rows[row]) for row in range(len(ratios))]
    points, rates, *shares = panels
    for axes in panels[:-1]:
        axes.sharex(panels[-1])
        axes.tick_params(labelbottom=False)
    _scale(points, front, (1, 0))
    legend = [*_region(points, front), *_marks(points, front, scaled_values(front)[:, (1, 0)])]
    legend += _knee(points, front, (1, 0)) + _infeasible(points, front)
    points.set(ylabel=METRIC_UNITS[front.objectives[0]].heading)
    title_and_legend(points, completeness(front), legend, 2)
    _rates(rates, front)
    for axes in shares:
        _shares(axes, front)
    panels[-1].set(xlabel=METRIC_UNITS[front.objectives[1]].heading)
    for axes in panels:
        scaled_ticks(axes)
    picture.align_ylabels(panels)
    _list_points(picture.add_subplot(columns[1]), front)
    _number({points: (1, 0)}, front)
    return picture


def _region(axes: Axes, front: Front) -> list[Any]:
    """What is reached, what is ruled out, and the certified region between."""
    x, top, bottom = certified_steps(front, 1, np.inf)
    lines: list[Any] = axes.plot(x, top, **REACHED, label="best reached")
    if not has_unknown_region(front):
        return lines
    lines += axes.plot(x, bottom, **RULED_OUT, label="proven: nothing below")
    words = "certified: all other points of the front lie here"
    return [*lines, axes.fill_between(x, bottom, top, label=words, **REGION)]


def _infeasible(axes: Axes, front: Front) -> list[Any]:
    """Shade the limits on the second objective within which there is no design."""
    unit = METRIC_UNITS[front.objectives[1]]
    most = max([limits[front.objectives[1]] for limits in front.infeasible], default=0.0)
    most = max(most, least_second(front)) / unit.scale
    if most <= 0:
        return []
    left, right = axes.get_xlim()
    if front.logarithmic[1]:
        left = min(left, most * (most / right) ** 0.06)
    axes.set_xlim(left, right)
    words = f"no design: {unit.label} below {four_digits(most)} {unit.unit}".rstrip()
    return [axes.axvspan(left, most, label=words, **NOTHING)]


def _rates(axes: Axes, front: Front) -> None:
    """What one more unit of the second objective saves of the first, between neighbours."""
    first, second = (METRIC_UNITS[name] for name in front.objectives)
    saved = -front.rates[::-1] * second.scale / first.scale
    legend: list[Any] = []
    if len(saved):
        label = f"{first.label} saved by the next unit of {second.label}, up to the next point"
        look: Look = {"color": "0.15", "lw": 1.3, "baseline": None, "label": label}
        legend.append(axes.stairs(saved, scaled_values(front)[::-1, 1], **look))
        if saved.min() > 0 and saved.max() > 10 * saved.min():
            axes.set_yscale("log")
    else:
        axes.set_yticks([])
    per = " ".join([x for x in (first.unit, second.unit and f"per {second.unit}") if x])
    axes.set_ylabel(f"saved ({per})" if per else "saved")
    title_and_legend(axes, "Rate", legend, 1)


def _shares(axes: Axes, front: Front) -> None:
    """How much of the latency is spent in memory-bound layers."""
    x, share = scaled_values(front)[:, 1], 100 * _memory_bound(front)
    axes.axhline(50, color="0.6", lw=0.8, zorder=1)
    axes.vlines(x, 50, share, color="0.6", lw=0.8, zorder=1)
    _marks(axes, front, np.stack([x, share], axis=1))
    axes.set(ylabel="share (%)", ylim=(-6, 106), yticks=(0, 50, 100))
    title_and_legend(axes, "Share of the latency in memory-bound layers", [], 1)


# --- three objectives ---------------------------------------------------------------------------


def _draw_three(front: Front) -> Figure:
    picture = _canvas((15.5, 7.6), front)
    columns = picture.add_gridspec(1, 3, width_ratios=(1.5, 1.5, 1.45))
    panels = [picture.add_subplot(columns[0, column]) for column in (0, 1)]
    panels[1].sharey(panels[0])
    panels[1].tick_params(labelleft=False)
    for axes, across in zip(panels, (1, 2), strict=True):
        _scale(axes, front, (across, 0))
        legend = _levels(axes, front, across)
        marks = _marks(axes, front, scaled_values(front)[:, (across, 0)])
        legend += [*marks, *_knee(axes, front, (across, 0))] if across == 1 else []
        if across == 2:
            _knee(axes, front, (across, 0))
        axes.set(xlabel=METRIC_UNITS[front.objectives[across]].heading)
        scaled_ticks(axes)
        words = METRIC_UNITS[front.objectives[across]].label
        title_and_legend(
            axes, f"{METRIC_UNITS[front.objectives[0]].label.capitalize()} over {words}", legend, 1
        )
    panels[0].set_ylabel(METRIC_UNITS[front.objectives[0]].heading)
    _list_points(picture.add_subplot(columns[0, 2]), front)
    _number({panels[0]: (1, 0), panels[1]: (2, 0)}, front)
    return picture


def _levels(axes: Axes, front: Front, across: int) -> list[Any]:
    """What is reached, and where better points may lie, within some limits on the third one."""
    other = 3 - across
    unit, legend = METRIC_UNITS[front.objectives[other]], list[Any]()
    values = np.unique(front.values[:, other])
    chosen = dict.fromkeys(values[[-1, len(values) // 2, len(values) // 4]].tolist())
    for level, look, shade in zip(chosen, LEVELS, SHADES, strict=False):
        x, top, bottom = certified_steps(front, across, level)
        if not len(x):  # one point only
            continue
        label = f"best reached with {unit.at_most(level)}"
        legend += axes.plot(x, top, zorder=2, **look, label=label)
        if has_unknown_region(front):
            axes.fill_between(x, bottom, top, color=shade, alpha=0.16, lw=0, zorder=0.5)
    if legend and has_unknown_region(front):
        words = "shaded below a line: better points may lie there; none below"
        legend.append(Patch(color="0.55", alpha=0.3, lw=0, label=words))
    return legend


# --- both ---------------------------------------------------------------------------------------


def _canvas(size: tuple[float, float], front: Front) -> Figure:
    *first, last = (METRIC_UNITS[name].label for name in front.objectives)
    network, limits = short_label(front.problem.network.name, 50), budgets_text(front.problem)
    title = f"{network}: " if network else ""
    title += f"{', '.join(first)} and {last}"
    picture = canvas(*size, rect=(0, 0, 1, 1 - (0.58 if limits else 0.36) / size[1]))
    picture.text(0.01, 1 - 0.11 / size[1], title, fontsize=11.5, weight="bold", va="top")
    picture.text(0.01, 1 - 0.36 / size[1], limits, fontsize=9.5, va="top")
    return picture


def _list_points(axes: Axes, front: Front) -> None:
    """The points with their hardware, as in the front's table; of many, some."""
    axes.set_axis_off()
    count = len(front)
    kept = [*range(count)]
    if count > MOST_LISTED:
        even = np.linspace(0, count - 1, MOST_LISTED - 1).round().astype(int)
        kept = sorted({*even.tolist(), front.knee})
    units = [METRIC_UNITS[name] for name in front.objectives]
    mappings = mapping_cells([design.hardware for design in front.designs])
    more, none = (["mapping"], [""]) if mappings else ([], [])
    rows = [["", *(x.label for x in units), "PE array", "bits", "SRAM", *more]]
    rows.append(["", *(x.unit for x in units), "", "", METRIC_UNITS["dram_bits"].unit, *none])
    for index in kept:
        values = zip(units, front.values[index], strict=True)
        hardware = [*hardware_cells(front.designs[index].hardware)]
        hardware += [mappings[index]] if mappings else []
        rows.append([str(index + 1), *(unit.number(x) for unit, x in values), *hardware])
    letters = np.cumsum([0, *(max(map(len, column)) + 2 for column in zip(*rows, strict=True))])
    assert isinstance(axes.figure, Figure)
    step = min(1 / len(rows), LINE_IN / axes.figure.get_figheight())
    for row, cells in enumerate(rows):
        for end, cell in zip(letters[1:] / letters[-1], cells, strict=True):
            look: Look = {"weight": "bold"} if row < 2 else {}
            axes.text(end, 1 - row * step, cell, ha="right", va="top", fontsize=7.5, **look)
    title = "Points and their hardware"
    axes.set_title(title + (f" ({len(kept)} of {count})" if len(kept) < count else ""), loc="left")


def _number(panels: Mapping[Axes, tuple[int, int]], front: Front) -> None:
    """Number the points of some panels, when the layout is final."""
    picture = next(iter(panels)).figure
    assert isinstance(picture, Figure)
    freeze_layout(picture)
    numbers, weight = [str(n + 1) for n in range(len(front))], np.ones(len(front))
    weight[[0, -1, front.knee]] = 2.0  # the ends and the knee first
    for axes, of in panels.items():
        drawn_lines = [np.asarray(line.get_xydata()) for line in axes.lines]
        pieces = [np.stack(ends) for xy in drawn_lines for ends in pairwise(xy)]
        knee = [front.knee] if len(front) > 2 else []
        label_points(axes, scaled_values(front)[:, of], pieces, weight, numbers, knee)


def _scale(axes: Axes, front: Front, of: tuple[int, int]) -> None:
    scales = ["log" if front.logarithmic[axis] else "linear" for axis in of]
    axes.set(xscale=scales[0], yscale=scales[1])


def _memory_bound(front: Front) -> Floats:
    return np.array([design.memory_bound_share for design in front.designs])


def _marks(axes: Axes, front: Front, places: Floats) -> list[Any]:
    """Points by what most of their latency is bound by, or what decides their interval.

    Those without a whole proof apart. Many are small.
    """
    size = float(np.clip(1000 / len(front), 12, 34))
    legend: list[Any] = []
    for mine, words, look in _groups(front):
        if mine.any():
            label = f"{words}: {counted(int(mine.sum()), 'point')}"
            x, y = places[mine].T
            legend.append(axes.scatter(x, y, **look | {"s": size}, zorder=3, label=label))
    return [*legend, *_mark_mappings(axes, front, places, size)]


def _mark_mappings(axes: Axes, front: Front, places: Floats, size: float) -> list[Any]:
    """Marks within the points of machines that do not have the usual mapping; their legend."""
    legend: list[Any] = []
    mappings = np.array([mapping_text(design.hardware) for design in front.designs])
    dark = (_memory_bound(front) <= 0.5) & _proven(front)
    for text in sorted({*mappings.tolist()} - {"window"}):
        marker, mine = WITHIN.get(text, BY_LAYER), mappings == text
        for ours, colour in ((mine & dark, "white"), (mine & ~dark, "black")):
            x, y = places[ours].T
            axes.scatter(x, y, s=0.7 * size, marker=marker, color=colour, lw=1.1, zorder=3.1)
        look: Look = {"color": "black", "marker": marker, "ls": "", "ms": 5.5, "mew": 1.1}
        label = f"within: mapping {text}, {counted(int(mine.sum()), 'point')}"
        legend.append(Line2D([], [], **look, label=label))
    return legend


def _groups(front: Front) -> Sequence[tuple[Mask, str, Look]]:
    proven, memory = _proven(front), _memory_bound(front) > 0.5
    array = np.array([design.architecture == "array" for design in front.designs])
    both = array.any() and not array.all()
    words, marks = BOUND_BY, PIPELINES if both else {"compute": {}, "memory": {}}
    of = ("array: ", "pipeline: ") if both else ("", "")
    return (
        (proven & array & ~memory, of[0] + words["array"][0], ROOFS["compute"] | RIM),
        (proven & array & memory, of[0] + words["array"][1], ROOFS["memory"] | RIM),
        (
            proven & ~array & ~memory,
            of[1] + words["pipeline"][0],
            ROOFS["compute"] | RIM | marks["compute"],
        ),
        (
            proven & ~array & memory,
            of[1] + words["pipeline"][1],
            ROOFS["memory"] | RIM | marks["memory"],
        ),
        (~proven, "proof cut short", UNPROVEN),
    )


def _pipelined(front: Front) -> bool:
    """Whether the points are pipelines, whose layers all work at once."""
    return any(isinstance(design.hardware, PipelineHardware) for design in front.designs)


def _proven(front: Front) -> Mask:
    """Points with a whole proof."""
    proofs = [design.proof for design in front.designs]
    return np.array([proof.status == "optimal" and proof.ties_broken for proof in proofs])


def _knee(axes: Axes, front: Front, of: tuple[int, int]) -> list[Any]:
    if len(front) < 3:
        return []
    x, y = scaled_values(front)[front.knee, of]
    label = f"knee: {hardware_text(front.designs[front.knee].hardware)}"
    return [axes.scatter([x], [y], **KNEE, zorder=4, label=label)]
