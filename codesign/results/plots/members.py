"""The networks of a suite as bars: how long each takes, by the roofs that bind its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from codesign.arrays import Floats, Ints
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.plots.drawing import RIM, Look, short_label, title_and_legend
from codesign.specs.network import Member
from codesign.units import MS_PER_S, four_digits, of_member

MOST_MEMBERS = 8  # of more, those with the longest bars
MAX_NAME = 24  # letters of a network's name on an axis
ROOM = 1.35  # of the axis, to the length of its longest bar: for the figures at the ends
BEST: Look = {"color": "black", "marker": "|", "s": 190, "lw": 1.8, "zorder": 3}
LIMIT: Look = {"color": "black", "marker": ">", "s": 24, "zorder": 3}


def draw_members(
    axes: Axes, result: Design | Evaluation, layers: pd.DataFrame, looks: Mapping[str, Look]
) -> None:
    """A bar for each network, once: its latency in ms, by the roofs that bind its layers.

    A stroke stands where it would be alone, where that is known, an arrow head at its limit.
    """
    members, of = result.network.members, np.array(result.network.member_of)
    names = [of_member("latency_s", member.name) for member in members]
    latency_ms = MS_PER_S * np.array([result.metrics[name] for name in names])
    shown, title = longest(latency_ms, MOST_MEMBERS)
    rows, start, legend = np.arange(len(shown)), np.zeros(len(shown)), list[Any]()
    for side, look in looks.items():
        mine = np.where(layers["bound_by"] == side, layers["latency_s"], 0.0)
        width = MS_PER_S * np.bincount(of, mine, len(members))[shown]
        if width.any():
            given = {"color": look["color"], "left": start, "label": f"{side}-bound"}
            legend.append(axes.barh(rows, width, 0.6, **given, **RIM))
            start = start + width
    ends = latency_ms[shown]
    problem = result.problem if isinstance(result, Design) else None
    known = {} if problem is None else {"own best": problem.references, "limit": problem.budgets}
    for (label, values), look in zip(known.items(), (BEST, LIMIT), strict=False):
        places = MS_PER_S * np.array([values.get(names[m], np.nan) for m in shown])
        if np.isfinite(places).any():
            legend.append(axes.scatter(places, rows, **look, label=label))
            ends = np.fmax(ends, places)
    for row, m in enumerate(shown):
        write_figure(axes, row, ends[row], f"{four_digits(latency_ms[m])} ms")
    name_rows(axes, [members[m] for m in shown], ends)
    axes.set_xlabel("latency (ms)")
    title_and_legend(axes, f"Networks, each once{title}", legend, 4)


def longest(values: Floats, most: int) -> tuple[Ints, str]:
    """Which members have a place in a picture, and what its title says where not all have."""
    kept = np.argsort(-values, kind="stable")[:most]
    told = f": {len(kept)} of {len(values)}, the longest" if len(kept) < len(values) else ""
    return np.sort(kept), told


def name_rows(axes: Axes, members: Sequence[Member], ends: Floats, room: float = ROOM) -> None:
    """Members from the top down, with their weights where these differ; room for figures."""
    weighted = len({member.weight for member in members}) > 1
    names = [short_label(member.name, MAX_NAME) for member in members]
    if weighted:
        weights = (four_digits(member.weight) for member in members)
        names = [f"{x} × {name}" for name, x in zip(names, weights, strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, room * float(ends.max()) or 1))
    axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    axes.grid(True, axis="x")


def write_figure(axes: Axes, row: float, end: float, text: str) -> None:
    """A figure at the end of a bar."""
    look: Look = {"textcoords": "offset points", "va": "center", "fontsize": 7.5}
    axes.annotate(text, (end, row), (6, 0), **look)
