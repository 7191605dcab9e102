"""The study's pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from race import BASELINE, OURS

LEAST = 2e-4  # share missing at the foot of the picture


def ratios(summary: pd.DataFrame) -> Figure:
    """Bars: a front's time over that of one solve, with the aims."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(summary))
    for shift, where, colour in ((-0.2, "process", "0.75"), (0.2, "in-process", "0.35")):
        middle = summary[f"{where} ratio"]
        spread = [middle - summary[f"{where} ratio_low"], summary[f"{where} ratio_high"] - middle]
        label = {"process": "whole process", "in-process": "after imports"}[where]
        axes.bar(places + shift, middle, 0.36, color=colour, yerr=spread, capsize=3, label=label)
    for place, aim in zip(places, summary["aim"], strict=True):
        axes.hlines(aim, place - 0.42, place + 0.42, colors="black", linestyles="--")
    axes.plot([], [], "k--", label="aim")
    names = [f"{x.front}\n{x.points} points" for x in summary.itertuples()]
    axes.set_xticks(places, names)
    axes.set_ylabel("time ÷ time of one solve")
    axes.set_title("a front beside one solve (median; bars: all rounds)")
    axes.grid(True, axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left")
    return figure


def volumes(frame: pd.DataFrame, tables_s: float) -> Figure:
    """Hypervolume still missing over wall time, a panel per front."""
    linear = frame[frame["axes"] == "linear"]
    names = list(dict.fromkeys(linear["front"]))
    figure = Figure(figsize=(5 * len(names), 4.6), layout="constrained")
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, linear[linear["front"] == name], tables_s)
        axes.set_title(f"resnet18, {name}")
        axes.set_xlabel("wall time (s)")
    panels[0].set_ylabel("hypervolume missing, of the most possible")
    panels[0].set_yticks(ticks := [0.5, 0.1, 0.01, 0.001], [f"{tick:.1%}" for tick in ticks])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, frame: pd.DataFrame, tables_s: float) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(LEAST, 1)
    axes.minorticks_off()
    axes.grid(True, alpha=0.25)
    _draw_baseline(axes, frame[frame["method"] == BASELINE], tables_s)
    _draw_ours(axes, frame[frame["method"] == OURS])


def _draw_baseline(axes: Axes, frame: pd.DataFrame, tables_s: float) -> None:
    for _, run in frame.groupby("seed"):
        axes.plot(run["seconds"], 1 - run["share"], color="0.6", linewidth=0.6)
    runs = frame.pivot_table(index="seconds", columns="seed", values="share")
    missing = 1 - runs.ffill().dropna().median(axis=1)
    axes.plot(missing.index, missing, "--", color="0.2", label=f"{BASELINE}, its tables given")
    late = f"{BASELINE}, after building its tables ({tables_s:.2g} s)"
    axes.plot(missing.index + tables_s, missing, ":", color="0.2", label=late)


def _draw_ours(axes: Axes, frame: pd.DataFrame) -> None:
    """What is missing, and what the proofs leave possible; nothing missing is drawn at the foot."""
    missing = np.maximum(1 - frame["share"], LEAST)
    possible = np.maximum(frame["certified"] - frame["share"], LEAST)
    seconds = frame["seconds"]
    axes.fill_between(seconds, missing, possible, color="0.85")
    axes.plot(seconds, possible, "-", color="0.6", label=f"{OURS}, at most by its proofs")
    axes.plot(seconds, missing, "o-", color="black", ms=4, clip_on=False, label=OURS)
    for points, x, y, complete in zip(
        frame["points"], seconds, missing, frame["complete"], strict=True
    ):
        axes.annotate(
            f"all {points:.0f}" if complete else f"{points:.0f}",
            (x, y),
            textcoords="offset points",
            xytext=(-5, 4) if complete else (-4, -10),
            horizontalalignment="right",
            fontsize=8,
            bbox={"boxstyle": "square,pad=0.05", "color": "white", "alpha": 0.7},
        )
