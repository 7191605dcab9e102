"""The results of a study as small multiples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from codesign.errors import SpecError
from codesign.problem.metrics import metric_of
from codesign.results.plots.drawing import (
    Figure,
    Look,
    axis_scale,
    canvas,
    draw_and_save,
    scaled_ticks,
    short_label,
)
from codesign.specs.schema import nearest
from codesign.study.table import parameters_of, read_results
from codesign.units import METRIC_UNITS

MOST_COLUMNS = 3
MOST_PANELS, MOST_LINES = 48, 32
COLOURS = ("#17324f", "#c2762b", "#3f6ea8", "#8d949c", "#7a4b9d", "#e0b060")
MARKERS, DASHES = "osD^vP", ("-", "--", "-.", ":")
UNITS = {"mm2": "mm²", "ms": "ms", "mbit": "Mbit", "mhz": "MHz", "s": "s", "bits": "bits"}
NAMED = {"dram_gbit_per_s": "DRAM bandwidth (Gbit/s)", "max_gbops": "max bit operations (GBOP)"}
FRONT = ("area_mm2", "latency_s")  # across and up, where a cell has several designs
# What more of never makes the optimum worse: between two values the design of the left one holds.
MORE_IS_FREE = ("max_", "dram_gbit_per_s", "clock_mhz")
ROW_ABOVE = 0.045  # of a panel's height: from one line's crosses to the next one's


@dataclass(frozen=True)
class PlotLayout:
    """What is drawn where: columns of the table of results."""

    x: str
    y: str
    by: tuple[str, ...]
    panels: str | None


def plot_study(
    results: pd.DataFrame | str | Path,
    path: str | Path | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    by: str | Sequence[str] | None = None,
    panels: str | None = None,
) -> Figure:
    """Draw one panel for each value of a parameter, in it a line for each value of others.

    A cell without a design is a gap in its line and a cross above the panel. What spans a decade
    is logarithmic. Fronts are staircases, and so is an optimum over a budget, the clock or the DRAM
    bandwidth: between two values at least what the smaller one allows is reached.

    Parameters
    ----------
    results : DataFrame, str or Path
        Of `codesign.study.results`, whole or a part of its rows; or a store.
    x : str, optional
        A parameter, or a metric; default: the number that varies most (for fronts, the area).
    y : str, optional
        A metric; default: the objective (for fronts, the latency).
    by, panels : str, optional
        Parameters, ``by`` also several; default: panels for networks, lines for all else that
        varies.

    Raises
    ------
    SpecError
        Nothing to draw, an unknown column, a parameter that varies and is not drawn, or the
        picture cannot be written.
    """
    frame = results if isinstance(results, pd.DataFrame) else read_results(Path(results))
    x, y = (metric_of(name) if name not in frame.columns else name for name in (x, y))
    layout = plot_layout(frame, x, y, by, panels)
    return draw_and_save(lambda: _draw(frame, layout), path)


def plot_layout(
    frame: pd.DataFrame,
    x: str | None,
    y: str | None,
    by: str | Sequence[str] | None,
    panels: str | None,
) -> PlotLayout:
    """What the caller left open, and what would be drawn over one another."""
    parameters = ["study", *parameters_of(frame)]
    if frame[_metrics(frame)].isna().all(axis=None):
        raise SpecError("no cell has a design; there is nothing to draw")
    lines = (by,) if isinstance(by, str) else tuple(by or ())
    for name in (x, y, panels, *lines):
        if name is not None and name not in frame.columns:
            known = tuple(map(str, frame.columns))
            raise SpecError(f"no column {name!r}{nearest(name, known)}")
    varying = [name for name in parameters if frame[name].nunique(dropna=False) > 1]
    front = bool((frame["design"] > 1).any())
    free = [name for name in varying if name not in (panels, *lines)]
    x = x or (FRONT[0] if front else _most_varied(frame, free))
    y = y or (FRONT[1] if front else _objective(frame))
    if panels is None and "network" in varying and "network" not in (x, *lines):
        panels = "network"
    left = tuple(name for name in varying if name not in (x, panels, *lines))
    if by is not None and left:
        raise SpecError(f"{left[0]} varies too: draw it as x, by or panels, or choose rows")
    return PlotLayout(x, y, lines if by is not None else left, panels)


def _most_varied(frame: pd.DataFrame, free: Sequence[str]) -> str:
    """The number with most values, else the word with most."""
    if not free:
        raise SpecError("only one value of every parameter; give x a column to draw against")
    return max(free, key=lambda name: (_is_number(frame, name), frame[name].nunique()))


def _is_number(frame: pd.DataFrame, name: str) -> bool:
    column = frame[name]
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(number and column.notna().all())


def _objective(frame: pd.DataFrame) -> str:
    """The metric that was minimised in every cell, else the latency."""
    return next(iter(_minimised(frame)), "latency_s")


def _metrics(frame: pd.DataFrame) -> list[str]:
    """Those that a table has; not all are known of every technology."""
    return [name for name in METRIC_UNITS if name in frame]


def _minimised(frame: pd.DataFrame) -> list[str]:
    """The metric that equals the objective's value in every cell with a design, if one does."""
    known = frame.dropna(subset=["objective"])
    return [name for name in _metrics(frame) if (known[name] == known["objective"]).all()]


def _draw(frame: pd.DataFrame, layout: PlotLayout) -> Figure:
    tables = dict(groups(frame, () if layout.panels is None else (layout.panels,)))
    looks = _looks([label for label, _ in groups(frame, layout.by)])
    if len(tables) > MOST_PANELS or len(looks) > MOST_LINES:
        raise SpecError(
            f"{len(tables)} panels of {len(looks)} lines; at most {MOST_PANELS} of {MOST_LINES} "
            "can be told apart, choose rows"
        )
    columns = min(len(tables), MOST_COLUMNS)
    rows = -(-len(tables) // columns)
    picture = canvas(1.2 + 3.2 * columns, 1.3 + 2.7 * rows, w_pad=0.08)
    shared = _share_scale([table[layout.y] for table in tables.values()])
    grid = picture.subplots(rows, columns, sharex=True, sharey=shared, squeeze=False)
    positions = word_positions(frame, layout.x)
    crosses = 0
    for axes, (title, table) in zip(grid.flat, tables.items(), strict=False):
        _scale(axes, frame[layout.x], (frame if shared else table)[layout.y], positions)
        above = _panel(axes, table, layout, looks, positions)
        crosses = max(crosses, above)
        axes.set_title(short_label(title, 40), loc="left", pad=6 + 9 * above)
    _name_axes([*grid.flat], len(tables), columns, layout)
    _head(picture, _title(frame, layout), layout, looks, crosses > 0)
    return picture


def _title(frame: pd.DataFrame, layout: PlotLayout) -> str:
    """What all rows have in common: network, objective, quality."""

    def common(name: str) -> list[str]:
        values = frame[name].dropna().unique() if name in frame else ()
        drawn_too = name in (layout.x, layout.panels) or name in layout.by
        return [str(value) for value in values] if len(values) == 1 and not drawn_too else []

    objectives = [f"least {METRIC_UNITS[name].label}" for name in _minimised(frame)[:1]]
    return short_label(", ".join([*common("network"), *objectives, *common("quality")]), 90)


def _scale(
    axes: Axes, x: pd.Series[Any], y: pd.Series[Any], positions: dict[str, int] | None
) -> None:
    """Choose the scales; before anything is drawn, as crosses are placed by them."""
    if y.min() > 0:
        axes.set_yscale(axis_scale(y))
    if positions is not None:
        axes.set_xticks([*positions.values()], [short_label(word, 16) for word in positions])
        axes.set_xlim(-0.4, len(positions) - 0.6)
    elif x.min() > 0:
        axes.set_xscale(axis_scale(x))


def _name_axes(panels: Sequence[Axes], used: int, columns: int, layout: PlotLayout) -> None:
    """Words at the outer edge of the panels; places without one stay empty."""
    for index, axes in enumerate(panels):
        axes.set_visible(index < used)
        if used - columns <= index < used:
            axes.set_xlabel(column_words(layout.x))
            axes.tick_params(labelbottom=True)
        if index % columns == 0:
            axes.set_ylabel(column_words(layout.y))
        scaled_ticks(axes)


def groups(frame: pd.DataFrame, names: tuple[str, ...]) -> Iterable[tuple[str, pd.DataFrame]]:
    """Parts of the table by the values of some columns, in the order they come in."""
    labels = row_labels(frame, names)
    for label in dict.fromkeys(labels):
        yield label, frame[labels == label]


def row_labels(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.Series[str]:
    """The values of some columns of each row in words."""
    words = frame[[*names]].apply(
        lambda row: ", ".join(_value_text(value) for value in row), axis=1
    )
    return words if names else pd.Series("", index=frame.index)


def _value_text(value: Any) -> str:
    if pd.isna(value):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _looks(labels: Sequence[str]) -> dict[str, Look]:
    """A colour, a marker and a dash for each line; no two share all three."""
    return {
        label: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "ls": DASHES[(i + i // 12) % len(DASHES)],
            "lw": 1.3,
            "ms": 4.5,
            "mec": "black",
            "mew": 0.5,
        }
        for i, label in enumerate(labels)
    }


def word_positions(frame: pd.DataFrame, name: str) -> dict[str, int] | None:
    """Places of words across, in the order they come in; None for numbers."""
    if _is_number(frame, name) or name in METRIC_UNITS:
        return None
    return {word: i for i, word in enumerate(dict.fromkeys(map(_value_text, frame[name])))}


def _panel(
    axes: Axes,
    table: pd.DataFrame,
    layout: PlotLayout,
    looks: dict[str, Look],
    positions: dict[str, int] | None,
) -> int:
    """Draw the lines of one panel; how many of them have cells without a design."""
    above = 0
    labels = row_labels(table, layout.by)
    for label, look in looks.items():
        part = table[labels == label]
        x = display_values(part, layout.x, positions)
        order = np.argsort(x, kind="stable")
        x, y = x[order], display_values(part, layout.y, None)[order]
        axes.plot(
            x, y, drawstyle="steps-post" if is_stairs(layout, positions) else "default", **look
        )
        missing = x[np.isnan(y) & ~np.isnan(x)]
        if len(missing):
            height = np.full(len(missing), 1 + ROW_ABOVE * (0.6 + above))
            cross = _cross(look["color"]) | {"clip_on": False}
            axes.plot(missing, height, transform=axes.get_xaxis_transform(), **cross)
            above += 1
    return above


def is_stairs(layout: PlotLayout, positions: dict[str, int] | None) -> bool:
    """Whether what a value across reaches holds up to the next one."""
    return layout.x in METRIC_UNITS or (layout.x.startswith(MORE_IS_FREE) and positions is None)


def _cross(colour: str) -> Look:
    return {"color": colour, "marker": "x", "ls": "", "ms": 4.5}


def display_values(table: pd.DataFrame, name: str, positions: dict[str, int] | None) -> Any:
    """A column as numbers in the unit that people write, words as their places."""
    if positions is not None:
        return np.array([positions[_value_text(value)] for value in table[name]], dtype=np.float64)
    values = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return values / METRIC_UNITS[name].scale if name in METRIC_UNITS else values


def _share_scale(columns: Iterable[pd.Series[Any]]) -> bool:
    """Whether panels still show their lines on one common scale."""
    spans = [(column.min(), column.max()) for column in columns if column.notna().any()]
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    if not low > 0:
        return True
    widest = max(np.log(high / low) for low, high in spans)
    return bool(np.log(high / low) <= 2 * widest)


def _head(
    picture: Figure, title: str, layout: PlotLayout, looks: dict[str, Look], missing: bool
) -> None:
    """What all panels share, and which line is which, above them."""
    named = {short_label(label, 50): look for label, look in looks.items() if layout.by}
    handles = [Line2D([], [], label=label, **look) for label, look in named.items()]
    if missing:
        handles.append(Line2D([], [], label="no design (above the panel)", **_cross("0.3")))
    lines = ", ".join(column_words(name) for name in layout.by)
    words = "; lines: ".join(text for text in (title, lines) if text)
    if not handles:
        picture.suptitle(words, x=0.01, ha="left", fontsize=11, weight="bold")
        return
    picture.legend(
        handles=handles,
        title=words,
        title_fontproperties={"size": 11, "weight": "bold"},
        loc="outside upper left",
        ncols=4,
        alignment="left",
    )


def column_words(name: str) -> str:
    """A column in words, with its unit: ``latency (ms)``, ``max area (mm²)``."""
    if name in METRIC_UNITS:
        return METRIC_UNITS[name].heading
    words, _, unit = name.rpartition("_")
    if name in NAMED or unit not in UNITS or not words:
        return NAMED.get(name, name.replace("_", " "))
    return f"{words.replace('_', ' ')} ({UNITS[unit]})"
