"""The picture of a study: panels, lines, gaps and words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from study_work import SMALL, TINY, grid, mixed, pointed

from codesign.errors import SpecError
from codesign.study import Serial, Study, results
from codesign.study.plot import MOST_PANELS, column_words, plot_study


@pytest.fixture(scope="module")
def drawable(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Two networks × six budgets × two qualities."""
    path = tmp_path_factory.mktemp("study") / "results.sqlite"
    study = Study.grid(
        networks=[TINY, "alexnet"],
        max_area_mm2=[0.02, 0.03, 0.2, 0.5, 1, 3],
        quality=["uniform:5", "uniform:6"],
        **SMALL,
    )
    study.run(path, executor=Serial(), work=mixed)
    return results(path)


def lines(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if line.get_linestyle() not in ("", "None")]


def test_panels_lines_and_gaps(drawable: pd.DataFrame) -> None:
    picture = plot_study(drawable)
    assert [axes.get_title(loc="left") for axes in picture.axes] == ["tiny", "alexnet"]
    for axes in picture.axes:
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert len(lines(axes)) == 2
        x, y = lines(axes)[0].get_data()
        assert [*x] == [0.02, 0.03, 0.2, 0.5, 1, 3]
        assert [*np.isnan(y)] == [True, False, False, False, False, False]
        assert y[1] == pytest.approx(1e3 * 1e-3 / 0.03)  # ms
        assert all(line.get_drawstyle() == "steps-post" for line in lines(axes))
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert [[*line.get_xdata()] for line in crosses] == [[0.02], [0.02]]
        heights = [float(line.get_ydata()[0]) for line in crosses]  # of the panel's
        assert 1 < heights[0] < heights[1]
    assert picture.axes[0].get_ylabel() == "latency (ms)"
    assert picture.axes[1].get_xlabel() == "max area (mm²)"
    (legend,) = picture.legends
    assert legend.get_title().get_text() == "least latency; lines: quality"
    assert [text.get_text() for text in legend.get_texts()] == [
        *("uniform:5", "uniform:6", "no design (above the panel)")
    ]
    looks = [(line.get_marker(), line.get_linestyle()) for line in lines(picture.axes[0])]
    assert looks[0][0] != looks[1][0]
    assert looks[0][1] != looks[1][1]


def test_other_axes(drawable: pd.DataFrame) -> None:
    rows = drawable[drawable["max_area_mm2"] == 3]
    picture = plot_study(rows, x="quality", y="area_mm2", by="network")
    (axes,) = picture.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["uniform:5", "uniform:6"]
    assert [[*line.get_xdata()] for line in lines(axes)] == [[0, 1], [0, 1]]
    assert axes.get_ylabel() == "area (mm²)"


def test_a_front_is_a_staircase(path: Path) -> None:
    grid(1, front={}).run(path, executor=Serial(), work=pointed)
    (axes,) = plot_study(path).axes
    (line,) = lines(axes)
    assert [*line.get_xdata()] == [1, 2, 3]
    assert line.get_drawstyle() == "steps-post"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"x": "aera_mm2"}, "no column 'aera_mm2'; did you mean 'area_mm2'?"),
        ({"by": "network"}, "quality varies too"),
        ({"panels": "max_area_mm2", "by": ("network", "quality")}, "only one value"),
    ],
)
def test_what_would_be_drawn_over_one_another(
    drawable: pd.DataFrame, how: dict[str, Any], told: str
) -> None:
    with pytest.raises(SpecError) as raised:
        plot_study(drawable, **how)
    assert told in str(raised.value)


def test_nothing_to_draw(drawable: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="no cell has a design"):
        plot_study(drawable[drawable["status"] == "infeasible"])
    with pytest.raises(SpecError, match="not a table of results"):
        plot_study(pd.DataFrame({"a": [1]}))


def test_more_than_can_be_told_apart(drawable: pd.DataFrame) -> None:
    copies = [drawable.assign(network=str(i)) for i in range(MOST_PANELS + 1)]
    with pytest.raises(SpecError, match=f"{MOST_PANELS + 1} panels"):
        plot_study(pd.concat(copies))


@pytest.mark.slow
def test_the_picture_is_a_file(store: Path, tmp_path: Path) -> None:
    study = grid(6, quality=["uniform:5", "uniform:6"], square=True)
    study.plot(store, tmp_path / "study.svg", y="latency_s")
    assert (tmp_path / "study.svg").read_text().lstrip().startswith("<?xml")


def test_columns_in_words() -> None:
    words = {
        "latency_s": "latency (ms)",
        "noise": "noise",
        "max_area_mm2": "max area (mm²)",
        "clock_mhz": "clock (MHz)",
        "quality": "quality",
        "batch": "batch",
        "max_gbops": "max bit operations (GBOP)",
        "area_overhead": "area overhead",
        "output_bits": "output (bits)",
    }
    assert {name: column_words(name) for name in words} == words
