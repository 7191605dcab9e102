"""The study's pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from assignments import POPULATIONS
from correlation import PREDICTORS
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from proxies import PROXIES

POINTS = 100  # percentage points
ARCHITECTURES = ("plain", "residual", "separable")
LOOKS = {  # of a proxy's line: colour, line, marker
    "uniform": ("0.65", "-", "o"),
    "weights": ("0.45", ":", "v"),
    "loss": ("black", "-", "D"),
    "outputs": ("black", "--", "^"),
}
WORST_POINTS = 8.0  # drops of accuracy beyond are not drawn
WORST_DIVERGENCE, LEAST_DIVERGENCE = 0.5, 1e-4
MEASURES = {"accuracy_drop": "accuracy drop", "divergence": "divergence"}
NAMED_BITS = {"accuracy_drop": (3, 4), "divergence": (3, 4, 5, 6)}  # of one width, labelled


def pictures(frames: dict[str, pd.DataFrame]) -> dict[str, Figure]:
    """Every picture by the stem of its file."""
    return {
        "scatter": scatter(frames["assignments"]),
        "ranks": ranks(frames["correlations"], frames["ceilings"]),
        "fronts": fronts(frames["designs"]),
    }


def scatter(assignments: pd.DataFrame) -> Figure:
    """What a proxy says against the accuracy that was lost: every assignment of the first fold."""
    shown = ("uniform", "weights", "loss")
    figure = Figure(figsize=(10, 8.4), layout="constrained")
    grid = figure.subplots(len(ARCHITECTURES), len(shown), sharey=True)
    first = assignments[assignments["fold"].astype(int) == 0]
    for row, architecture in zip(grid, ARCHITECTURES, strict=True):
        for axes, proxy in zip(row, shown, strict=True):
            for population, colour, size in (("wide", "0.6", 12), ("narrow", "black", 7)):
                mine = first[first["architecture"] == architecture]
                mine = mine[mine["population"] == population]
                least, most = POPULATIONS[population]
                label = f"{population}: {least} to {most} bits"
                drop = POINTS * mine["accuracy_drop"]
                axes.scatter(mine[proxy], drop, size, facecolors="none", ec=colour, label=label)
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=1, linscale=0.8)
            axes.set_yticks(ticks := [0, 1, 3, 10, 30], [str(tick) for tick in ticks])
            axes.minorticks_off()
            axes.grid(True, alpha=0.25)
            if architecture == ARCHITECTURES[-1]:
                axes.set_xlabel(f"{proxy}: noise, {'nats' if proxy == 'loss' else 'no unit'}")
        row[0].set_ylabel(f"{architecture}, network 0\naccuracy lost (points)")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def ranks(correlations: pd.DataFrame, ceilings: pd.DataFrame) -> Figure:
    """Rank correlations with their intervals, a panel per architecture and population."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    grid = figure.subplots(len(POPULATIONS), len(ARCHITECTURES), sharex=True, sharey=True)
    for row, population in zip(grid, POPULATIONS, strict=True):
        for axes, architecture in zip(row, ARCHITECTURES, strict=True):
            here = (correlations["architecture"] == architecture) & (
                correlations["population"] == population
            )
            _draw_ranks(axes, correlations[here & (correlations["fold"] == "mean")])
            _draw_networks(axes, correlations[here & (correlations["fold"] != "mean")])
            mine = ceilings[ceilings["architecture"] == architecture]
            ceiling = mine[mine["population"] == population]["ceiling"].mean()
            axes.axvline(ceiling, color="black", linestyle=":", label="ceiling of accuracy drop")
            least, most = POPULATIONS[population]
            axes.set_title(f"{architecture}, {least} to {most} bits", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("Spearman's rank correlation")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _draw_ranks(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(PREDICTORS))
    for shift, (measure, words) in zip((0.16, -0.16), MEASURES.items(), strict=True):
        mine = rows[rows["measure"] == measure].set_index("predictor").loc[list(PREDICTORS)]
        spread = [mine["spearman"] - mine["low"], mine["high"] - mine["spearman"]]
        look = {"color": "black", "ms": 6, "capsize": 3, "fmt": "o" if shift > 0 else "s"}
        look["mfc"] = "black" if shift > 0 else "white"
        label = f"with {words}, 95 % interval"
        axes.errorbar(mine["spearman"], places + shift, xerr=spread, label=label, **look)
    axes.set_yticks(places, [name.replace("_", " ") for name in PREDICTORS])
    axes.set_ylim(len(PREDICTORS) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(True, axis="x", alpha=0.25)


def _draw_networks(axes: Axes, rows: pd.DataFrame) -> None:
    """The single networks behind a mean, as ticks."""
    for place, name in enumerate(PREDICTORS):
        for shift, measure in zip((0.16, -0.16), MEASURES, strict=True):
            mine = rows[(rows["predictor"] == name) & (rows["measure"] == measure)]
            heights = np.full(len(mine), place + shift)
            label = "each network" if place == 0 and shift > 0 else None
            axes.plot(mine["spearman"], heights, "|", color="0.55", ms=9, label=label, zorder=1)


def fronts(designs: pd.DataFrame) -> Figure:
    """Measured loss of quality over latency: one width everywhere, and what `solve` found."""
    means = designs.groupby(["architecture", "strategy", "proxy", "level_bits"], dropna=False)
    means = means[["latency_us", "accuracy_drop", "divergence"]].mean().reset_index()
    means["accuracy_drop"] *= POINTS
    figure = Figure(figsize=(11, 7), layout="constrained")
    grid = figure.subplots(2, len(ARCHITECTURES), sharex="col", sharey="row")
    for row, measure in zip(grid, MEASURES, strict=True):
        for axes, architecture in zip(row, ARCHITECTURES, strict=True):
            mine = means[means["architecture"] == architecture]
            _draw_solved(axes, mine[mine["strategy"] == "solve"], measure)
            _draw_one_width(axes, mine[mine["strategy"] == "one width"], measure)
            axes.grid(True, alpha=0.25)
    for axes, architecture in zip(grid[0], ARCHITECTURES, strict=True):
        axes.set_title(architecture, fontsize=10)
        axes.set_ylim(-0.4, WORST_POINTS)
    grid[1][0].set_yscale("log")
    grid[1][0].set_ylim(LEAST_DIVERGENCE, WORST_DIVERGENCE)
    for axes in grid[1]:
        axes.set_xlabel("latency (µs)")
    grid[0][0].set_ylabel("accuracy lost (points)")
    grid[1][0].set_ylabel("divergence from floating point (nats)")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _draw_solved(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    for proxy in PROXIES:
        mine = rows[rows["proxy"] == proxy].sort_values("latency_us")
        colour, line, marker = LOOKS[proxy]
        look = {"color": colour, "linestyle": line, "marker": marker, "ms": 4, "lw": 1.1}
        axes.plot(mine["latency_us"], mine[measure], label=f"solve, {proxy}", **look)


def _draw_one_width(axes: Axes, rows: pd.DataFrame, measure: str) -> None:
    look = {"color": "black", "marker": "s", "ms": 8, "mfc": "white", "linestyle": "none"}
    axes.plot(rows["latency_us"], rows[measure], label="one width", **look)
    labelled = NAMED_BITS[measure]
    for bits, x, y in rows[["level_bits", "latency_us", measure]].itertuples(index=False):
        if bits in labelled:
            place = {"xytext": (6, 6), "textcoords": "offset points", "fontsize": 8}
            axes.annotate(f"{bits:.0f} bits", (x, y), **place)
    left, right = axes.get_xlim()
    axes.set_xlim(right=right + 0.12 * (right - left))  # for the last label
