"""What all pictures share: style, saving, headings, axes.

Legends stand above their panel, where no data can be under them.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Figure
from matplotlib.ticker import LogLocator

from codesign.errors import SpecError, one_line
from codesign.files import write_atomically
from codesign.results.views import AnyProblem
from codesign.units import METRIC_UNITS, four_digits, kind_of

Look = dict[str, Any]

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


def canvas(width_in: float, height_in: float, **spacing: Any) -> Figure:
    """An empty picture whose panels are laid out; ``spacing`` as of matplotlib's engine."""
    picture = Figure(figsize=(width_in, height_in), dpi=150)
    FigureCanvasAgg(picture)
    picture.set_layout_engine("constrained", **{"w_pad": 0.1, "h_pad": 0.08, **spacing})
    return picture


def freeze_layout(picture: Figure) -> None:
    """Lay the panels out once and for all, so that what is in pixels stays in its place."""
    picture.draw_without_rendering()
    picture.set_layout_engine("none")


def draw_and_save(draw: Callable[[], Figure], path: str | Path | None) -> Figure:
    """Draw in our style; with a path, save there, whole or not at all.

    Raises
    ------
    SpecError
        A suffix other than .png, .pdf and .svg, or the picture cannot be written.
    """
    path = None if path is None else Path(path)
    suffix = ".png" if path is None else path.suffix.lower()
    if suffix not in NO_DATE:
        raise SpecError(f"{path}: unknown picture format; end the name in .png, .pdf or .svg")
    with style.context(["default", STYLE]), warnings.catch_warnings():
        # A sign that the font lacks is shown as a box; no reason to speak to standard error.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        picture = draw()
        if path is not None:
            content = io.BytesIO()
            picture.savefig(content, format=suffix[1:], metadata=NO_DATE[suffix])
            write_atomically(path, content.getvalue())
    return picture


def axis_scale(values: pd.Series[float]) -> str:
    """Logarithmic for what spans a decade or more."""
    return "log" if values.max() >= 10 * values.min() else "linear"


def scaled_ticks(axes: Axes, most_steps: float = 1e3) -> None:
    """Plain numbers where an axis is logarithmic, below a span of ``most_steps`` also 2 and 5."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = axis.get_view_interval()
            steps = (1, 2, 5) if high < most_steps * low else (1,)
            axis.set_major_locator(LogLocator(subs=steps))
            axis.set_major_formatter(lambda value, _: four_digits(value))
            axis.minorticks_off()
    axes.grid(True)


def title_and_legend(axes: Axes, title: str, legend: Sequence[Any], columns: int) -> None:
    """Title, under it the legend in rows, then the panel."""
    axes.set_title(title, loc="left", pad=6 + 13 * -(-len(legend) // columns))
    space: Look = {"borderaxespad": 0.2, "labelspacing": 0.3, "columnspacing": 1.2}
    axes.legend(handles=legend, ncols=columns, loc="lower left", bbox_to_anchor=(-0.01, 1), **space)


def short_label(name: str, most: int) -> str:
    """A given name as one short line that no mathematics is read into."""
    line = one_line(name)
    return (line if len(line) <= most else "…" + line[1 - most :]).replace("$", r"\$")


def budgets_text(problem: AnyProblem) -> str:
    """The budgets in words: ``quality uniform:6, area ≤ 6 mm²``."""
    given = problem.quality is not None
    limits = (x for x in problem.budgets.items() if not (given and kind_of(x[0]) == "noise"))
    parts = [f"quality {problem.quality}"] if given else []
    return ", ".join([*parts, *(METRIC_UNITS[metric].at_most(limit) for metric, limit in limits)])
