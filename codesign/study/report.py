"""The results of a study as a page for a browser: cells, how far the runs are, their designs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from codesign.errors import SpecError
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.html.page import Choices, Tab, write_page
from codesign.results.html.parts import Chart, Part, chart_text
from codesign.results.html.report import check_figures, tabs_of
from codesign.results.load import design_of
from codesign.results.text.layout import counted, literal
from codesign.study.plot import (
    PlotLayout,
    column_words,
    display_values,
    groups,
    is_stairs,
    plot_layout,
    row_labels,
    word_positions,
)
from codesign.study.store import Store, opened
from codesign.study.table import parameters_of, read_results
from codesign.study.text import overview, overview_parts, results_parts

DESIGNS = "designs"  # by which charts name the designs of cells
MOST_EXPLORED = 2000
MOST_CHECKED = 200  # before they are explored; the others when they are opened
MOST_DESIGNS = 60  # with all their layers in one page
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
DASHES = ("solid", "dash", "dashdot", "dot")
COLOURS = tuple(f"theme:{x}" for x in "adcfb")
Keys = Mapping[tuple[str, int], int]  # question and number of a design: its place in the page


def report_study(store: str | Path, path: str | Path, results: pd.DataFrame | None = None) -> None:
    """Write the page of a study's store, or of some rows of its results.

    Raises
    ------
    SpecError
        No such store, one that cannot be read, the page cannot be written, or Plotly is not
        installed.
    """
    frame = read_results(Path(store)) if results is None else results
    with opened(Path(store)) as file:
        told = overview_parts(overview(file))
        kept = list(_designs(file, frame))
    names = [str(name) for name in frame["study"].unique()]
    options = [(name, tabs_of(design)) for name, _, design in kept]
    keys = {key: n for n, (_, key, _) in enumerate(kept)}
    parts: list[Part] = [*_charts(frame, keys), *results_parts(frame, None)]
    tabs = [Tab("results", parts), Tab("runs", [*told])]
    if options:
        total = int(frame["design"].notna().sum())
        left = f"note: the first {len(options)} of {counted(total, 'design')}"
        more = [literal(left)] if len(options) < total else []
        tabs.append(Tab("designs", [*more, Choices(DESIGNS, "design", options)]))
    title = f"Study {literal(', '.join(names))}" if len(names) == 1 else "Studies"
    write_page(path, title, tabs)


def designs_of(store: str | Path) -> tuple[list[Design | DataflowDesign], int]:
    """The designs of a store, each once, at most so many; and how many were not checked.

    Raises
    ------
    SpecError
        No such store, one that cannot be read, too many designs, or a figure that does not hold.
    """
    frame = read_results(Path(store))
    keys = dict.fromkeys(
        (str(question), int(number))
        for question, number in zip(frame["question"], frame["design"], strict=True)
        if not pd.isna(number)
    )
    if len(keys) > MOST_EXPLORED:
        raise SpecError(f"{store}: {len(keys):,} designs; at most {MOST_EXPLORED:,} are explored")
    with opened(Path(store)) as file:
        found = [_read(file, key, n < MOST_CHECKED) for n, key in enumerate(keys)]
    return found, max(0, len(found) - MOST_CHECKED)


def _read(file: Store, key: tuple[str, int], checked: bool = True) -> Design | DataflowDesign:
    """A design, recomputed as by ``codesign check`` (but for a digest: a store has none)."""
    found = design_of(file.design(*key), str(file.path))
    if checked:
        check_figures(found, str(file.path))
    return found


def _designs(
    file: Store, frame: pd.DataFrame
) -> Iterator[tuple[str, tuple[str, int], Design | DataflowDesign]]:
    """A name, the key and the design of the first rows that have one."""
    varying = [x for x in parameters_of(frame) if frame[x].nunique(dropna=False) > 1]
    labels = row_labels(frame, tuple(varying))
    found = set[tuple[str, int]]()
    for label, question, number in zip(labels, frame["question"], frame["design"], strict=True):
        if pd.isna(number) or len(found) == MOST_DESIGNS:
            continue
        key = str(question), int(number)
        if key not in found:
            found.add(key)
            name = f"{label}, point {number}" if (frame["design"] > 1).any() else label
            yield str(literal(name)) or "the design", key, _read(file, key)


def _charts(frame: pd.DataFrame, keys: Keys) -> list[Part]:
    """A chart for each panel of the study's picture; none where there is nothing to draw."""
    try:
        layout = plot_layout(frame, None, None, None, None)
    except SpecError:
        return []
    positions = word_positions(frame, layout.x)
    panels = groups(frame, () if layout.panels is None else (layout.panels,))
    return [_chart(title, table, layout, positions, keys) for title, table in panels]


def _chart(
    title: str,
    table: pd.DataFrame,
    layout: PlotLayout,
    positions: dict[str, int] | None,
    keys: Keys,
) -> Chart:
    data, shape = [], "hv" if is_stairs(layout, positions) else "linear"
    for i, (label, rows) in enumerate(groups(table, layout.by)):
        x, y = display_values(rows, layout.x, positions), display_values(rows, layout.y, None)
        pairs = [*zip(rows["question"], rows["design"], strict=True)]
        places = [None if pd.isna(n) else keys.get((str(q), int(n))) for q, n in pairs]
        known = np.argsort(x, kind="stable")
        known = known[~np.isnan(y[known])]
        colour = COLOURS[i % len(COLOURS)]
        marker = {"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 10, "color": colour}
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x[known].tolist(),
                "y": y[known].tolist(),
                "customdata": [places[n] for n in known],
                "marker": marker | {"line": {"width": 1, "color": "theme:ink"}},
                "line": {
                    "color": colour,
                    "width": 1.3,
                    "dash": DASHES[i % len(DASHES)],
                    "shape": shape,
                },
                "name": chart_text(label) or column_words(layout.y),
            }
        )
    across: dict[str, Any] = {"title": {"text": chart_text(column_words(layout.x))}}
    if positions is not None:
        across |= {"tickvals": [*positions.values()], "ticktext": [*map(chart_text, positions)]}
    made = {"xaxis": across, "yaxis": {"title": {"text": chart_text(column_words(layout.y))}}}
    words = f"{column_words(layout.y)} over {column_words(layout.x)}"
    words = f"{title}: {words}" if title else words
    opens = DESIGNS if keys else None
    return Chart(str(literal(words)), str(literal(words)), data, made, 400, opens)
