"""An area fit as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from codesign.results.area_fit import AreaFitResult
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    axis_scale,
    canvas,
    draw_and_save,
    scaled_ticks,
    short_label,
    title_and_legend,
)
from codesign.units import four_digits

LEAST_ERROR = 0.1  # percent: an axis of errors shows at least this much
OUTLYING, MOST_OUTLIERS = 3.0, 3  # times the median error; so many are named
FITTED = ("x", "area_um2", "fitted_um2", "residual_um2", "relative_error", "left_out_error")


def plot_fit(fit: AreaFitResult, path: str | Path | None = None) -> Figure:
    """Measured and fitted areas (µm²), under them relative errors (%); see `AreaFitResult.plot`."""
    return draw_and_save(lambda: _draw_fit(fit), path)


def _draw_fit(fit: AreaFitResult) -> Figure:
    picture = canvas(7.5, 7)
    areas, errors = picture.subplots(2, 1, sharex=True, height_ratios=(1.6, 1))
    points, (low, high) = fit.points, fit.calibrated
    x, grid = points["x"], np.geomspace(low, high, 400)
    curve = fit.area_um2(grid)
    what = fit.kind.upper()
    measured: Look = {"marker": "o", "s": 26, "color": "#3f6ea8", **RIM}
    fit_legend = [
        areas.scatter(
            x, points["area_um2"], **measured, zorder=3, label=f"measured, {len(x)} points"
        )
    ]
    line: Look = {
        "color": "0.15",
        "lw": 1.5,
        "label": f"({fit.formula}) µm², R² {four_digits(fit.r2)}",
    }
    fit_legend += areas.plot(grid[curve > 0], curve[curve > 0], **line)
    areas.set(yscale=axis_scale(points["area_um2"]), ylabel=f"area of one {what} (µm²)")
    title_and_legend(areas, f"{what} area fitted to {short_label(fit.source, 40)}", fit_legend, 1)

    percent = 100 * points[["relative_error", "left_out_error"]].to_numpy()
    hollow: Look = {"marker": "D", "s": 34, "facecolor": "white", "edgecolor": "0.35", "lw": 0.9}
    look = [measured | {"label": "fitted to all"}, hollow | {"label": "fitted to all others"}]
    legend = [errors.scatter(x, percent[:, i], **look[i], zorder=3 - i) for i in (0, 1)]
    errors.axhline(0, color="0.15", lw=1)
    if np.abs(percent).max() < LEAST_ERROR:  # what rounding leaves is no pattern
        errors.set_ylim(-LEAST_ERROR, LEAST_ERROR)
    errors.set(xscale=axis_scale(x), xlabel=fit.x_words, ylabel="fitted over measured (%)")
    _name_outliers(errors, fit)
    title_and_legend(errors, "Relative error", legend, 2)
    for axes in (areas, errors):
        scaled_ticks(axes)
    return picture


def _name_outliers(axes: Axes, fit: AreaFitResult) -> None:
    """Say which measurements the fit misses by far more than the others."""
    points = fit.points
    error = 100 * points["relative_error"].abs()
    limit = max(LEAST_ERROR, OUTLYING * float(error.median()))
    measured = [column for column in points.columns if column not in FITTED]
    for index in error[error > limit].nlargest(MOST_OUTLIERS).index:
        row = points.loc[index]
        what = ", ".join(f"{short_label(str(column), 20)} {row[column]:g}" for column in measured)
        place, right = (row["x"], 100 * row["relative_error"]), row["x"] > points["x"].median()
        look: Look = {"fontsize": 7.5, "va": "center", "ha": "right" if right else "left"}
        axes.annotate(what, place, (-7 if right else 7, 0), textcoords="offset points", **look)
