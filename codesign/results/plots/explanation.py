"""The sensitivities of a design as a tornado chart; of a suite also what sharing costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from codesign.errors import SpecError
from codesign.results.explanation import Explanation, Sensitivity, Side
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    budgets_text,
    canvas,
    draw_and_save,
    short_label,
    title_and_legend,
)
from codesign.results.plots.members import longest, name_rows, write_figure
from codesign.results.sharing import Sharing
from codesign.results.text.explanation import absence, knob_text, knob_unit
from codesign.results.text.phrases import signed
from codesign.units import METRIC_UNITS, DisplayUnit, four_digits

LOOKS: tuple[Look, Look] = (  # a step less, a step more; grey levels 0.41 and 0.82
    {"color": "#3f6ea8"},
    {"color": "#f4cd85", "hatch": "///"},
)
SHARING: tuple[Look, Look] = ({"color": "#d9dde3", "hatch": "..."}, {"color": "#7d8590"})
MOST_SHARING = 20  # networks; of more, those with the longest bars
ROOM = 1.55  # of the axis, to the length of its longest bar: for the figures at the ends


def plot_explanation(explanation: Explanation, path: str | Path | None = None) -> Figure:
    """Per budget and rate, the change of the objective a step below and above.

    The largest effect stands on top; each bar in the objective's own unit; see `Explanation.plot`.
    Of a suite also what each network has, shared and alone.
    """
    if not explanation.sensitivities:
        raise SpecError("nothing to draw: the explanation has no sensitivities")
    return draw_and_save(lambda: _draw(explanation), path)


def _draw(explanation: Explanation) -> Figure:
    sharing, height = explanation.sharing, 1.9 + 0.62 * len(explanation.sensitivities)
    if sharing is None:
        picture = canvas(8.5, height)
        _draw_sensitivities(picture.subplots(), explanation)
        return picture
    more = 1.4 + 0.5 * min(len(sharing.members), MOST_SHARING)
    picture = canvas(8.5, height + more)
    axes, below = picture.subplots(2, 1, height_ratios=(height - 1, more - 1))
    _draw_sensitivities(axes, explanation)
    _draw_sharing(below, sharing)
    return picture


def _draw_sensitivities(axes: Axes, explanation: Explanation) -> None:
    design, objective = explanation.design, explanation.design.problem.objective
    unit, optimum = METRIC_UNITS[objective], design.metrics[objective]
    ranked = sorted(explanation.sensitivities, key=lambda each: _largest(each, optimum))
    legend: list[Any] = []
    for which, look in enumerate(LOOKS):
        sides = [_sides(each)[which] for each in ranked]
        change = [_change(side, optimum) / unit.scale for side in sides]
        label = f"{100 * explanation.step:g} % {'more' if which else 'less'}"
        legend.append(axes.barh(range(len(ranked)), change, 0.55, label=label, **look, **RIM))
        for row, (side, length) in enumerate(zip(sides, change, strict=True)):
            _label(axes, row, side, length, outward=-1 if which else 1, unit=unit)
    axes.axvline(0, color="black", lw=1)
    longest = max(abs(_change(side, optimum)) for each in ranked for side in _sides(each))
    reach = ROOM * (longest / unit.scale or 1.0)
    axes.set(xlim=(-reach, reach), ylim=(-0.6, len(ranked) - 0.4))
    axes.set_yticks(range(len(ranked)), [_name(each) for each in ranked])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"change of the least {unit.heading}")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(lambda value, _: signed(value))
    axes.grid(True, axis="x")
    name = short_label(design.problem.network.name, 40)
    title = f"{name or 'optimum'}: what moves the least {unit.label}, {unit.amount(optimum)}"
    asked = budgets_text(design.problem)
    title_and_legend(axes, f"{title}\n{asked}" if asked else title, legend, 2)


def _draw_sharing(axes: Axes, sharing: Sharing) -> None:
    """Each network's own best, below it what it has on the shared accelerator, and the ratio."""
    unit, metric = METRIC_UNITS[sharing.metric], sharing.metric
    shared = np.array([each.metrics[metric] for each in sharing.members]) / unit.scale
    shown, title = longest(shared, MOST_SHARING)
    members, shared = [sharing.members[m] for m in shown], shared[shown]
    best = [np.nan if x.own_best is None else x.own_best.metrics[metric] for x in members]
    alone, rows, legend = np.array(best) / unit.scale, np.arange(len(shown)), list[Any]()
    bars = (alone, "own best, alone", SHARING[0]), (shared, "shared", SHARING[1])
    for (values, label, look), offset in zip(bars, (-0.2, 0.2), strict=True):
        lengths = np.nan_to_num(values)
        legend.append(axes.barh(rows + offset, lengths, 0.36, label=label, **look, **RIM))
        for row, value in enumerate(values):
            known = f"{four_digits(value)} {unit.unit}".rstrip()
            text = "not in time" if np.isnan(value) else known
            ratio = members[row].ratio
            if label == "shared" and ratio is not None:
                text += f", {four_digits(ratio)} × its best"
            write_figure(axes, row + offset, lengths[row], text)
    name_rows(axes, members, np.fmax(shared, alone), ROOM)
    axes.set_xlabel(unit.heading)
    title_and_legend(axes, f"What sharing costs each network{title}", legend, 2)


def _sides(each: Sensitivity) -> tuple[Side, Side]:
    return each.less, each.more


def _change(side: Side, optimum: float) -> float:
    return 0.0 if side.objective is None else side.objective - optimum


def _largest(each: Sensitivity, optimum: float) -> tuple[bool, float]:
    """Whether a side is infeasible, which counts most; then the effect of both sides."""
    changes = [_change(side, optimum) for side in _sides(each)]
    return None in (each.less.objective, each.more.objective), abs(changes[0] - changes[1])


def _label(
    axes: Axes, row: int, side: Side, length: float, *, outward: int, unit: DisplayUnit
) -> None:
    text = absence(side) if side.objective is None else f"{signed(length)} {unit.unit}".rstrip()
    look: Look = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
    align = "left" if outward > 0 else "right"
    axes.annotate(text, (length, row), (4 * outward, 0), ha=align, **look)


def _name(each: Sensitivity) -> str:
    knob = knob_unit(each)
    ends = (
        f"{four_digits(each.less.value / knob.scale)} … {four_digits(each.more.value / knob.scale)}"
    )
    return f"{knob_text(each)}\n{ends} {knob.unit}".rstrip()
