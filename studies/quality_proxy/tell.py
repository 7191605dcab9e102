"""The tables of the README, as Markdown."""

from __future__ import annotations

import pandas as pd
from assignments import POPULATIONS
from correlation import PREDICTORS
from proxies import PROXIES

POINTS = 100  # percentage points
TOLD_LEVELS = (3.0, 4.0, 5.0)


def tables(frames: dict[str, pd.DataFrame]) -> dict[str, str]:
    """Every table by its name."""
    return {
        "networks": networks(frames["networks"]),
        "correlations": correlations(frames["correlations"], frames["ceilings"]),
        "same_budget": same_budget(frames["same_budget"]),
        "equal_quality": equal_quality(frames["equal_quality"]),
        "exported": exported(frames["exported"]),
    }


def networks(frame: pd.DataFrame) -> str:
    """One row per architecture."""
    rows = []
    for name, mine in frame.groupby("architecture", sort=False):
        first = mine.iloc[0]
        accuracies = ", ".join(f"{POINTS * x:.1f} %" for x in mine["accuracy"])
        rows.append([name, first["layers"], f"{first['macs']:,}", f"{first['weights']:,}"])
        rows[-1].append(accuracies)
    return _table(["architecture", "layers", "MACs", "weights", "accuracy, three networks"], rows)


def correlations(frame: pd.DataFrame, ceilings: pd.DataFrame) -> str:
    """Means of three networks with their intervals, for the drop of accuracy and the divergence."""
    means = frame[frame["fold"] == "mean"]
    rows = []
    for (population, measure), mine in means.groupby(["population", "measure"], sort=False):
        if measure == "loss_increase":
            continue
        for architecture, own in mine.groupby("architecture", sort=False):
            cells = [
                f"{x.spearman:.2f} ({x.low:.2f} to {x.high:.2f})"
                for x in own.set_index("predictor").loc[list(PREDICTORS)].itertuples()
            ]
            ceiling = "–"
            if measure == "accuracy_drop":
                here = ceilings["architecture"] == architecture
                here &= ceilings["population"] == population
                ceiling = f"{ceilings[here]['ceiling'].mean():.2f}"
            least, most = POPULATIONS[population]
            what = f"{least}–{most} bits, {measure.replace('_', ' ')}"
            rows.append([what, architecture, *cells, ceiling])
    heads = [name.replace("_", " ") for name in PREDICTORS]
    return _table(["widths, measured", "architecture", *heads, "ceiling"], rows)


def same_budget(frame: pd.DataFrame) -> str:
    """Latency saved and accuracy gained within the noise budget of one width everywhere."""
    told = frame[(frame["strategy"] == "solve") & frame["level_bits"].isin(TOLD_LEVELS)]
    rows = []
    for (architecture, level), mine in told.groupby(["architecture", "level_bits"], sort=False):
        cells = [
            f"{round(POINTS * x.latency_saved)} %; {_signed(x.accuracy_gained_points)} "
            f"({_signed(x.accuracy_gained_points_low)} to {_signed(x.accuracy_gained_points_high)})"
            for x in mine.set_index("proxy").loc[list(PROXIES)].itertuples()
        ]
        rows.append([architecture, f"{level:.0f}", *cells])
    return _table(["architecture", "budget (bits)", *PROXIES], rows)


def equal_quality(frame: pd.DataFrame) -> str:
    """Latency saved where the measured quality is that of one width everywhere."""
    told = frame[(frame["strategy"] == "solve") & frame["level_bits"].isin(TOLD_LEVELS)]
    rows = []
    keys = ["measure", "architecture", "level_bits"]
    for (measure, architecture, level), mine in told.groupby(keys, sort=False):
        cells = [_saved(x) for x in mine.set_index("proxy").loc[list(PROXIES)].itertuples()]
        rows.append([measure, architecture, f"{level:.0f}", *cells])
    rows.sort(key=lambda row: row[0], reverse=True)  # the finer measure first
    return _table(["equal", "architecture", "one width (bits)", *PROXIES], rows)


def exported(frame: pd.DataFrame) -> str:
    """Accuracy of the quantised ONNX files, one row for each choice of widths."""
    names = [*dict.fromkeys(frame["architecture"])]
    rows: list[list[object]] = []
    for bits, mine in frame.groupby("bits", sort=False):
        own = mine.set_index("architecture").loc[names]
        rows.append([bits, *(f"{POINTS * x:.1f} %" for x in own["accuracy"])])
    whole = frame.groupby("architecture", sort=False)["float_accuracy"].first().loc[names]
    rows.insert(0, ["floating point", *(f"{POINTS * x:.1f} %" for x in whole)])
    return _table(["bits of all tensors", *names], rows)


def _saved(row: object) -> str:
    """Percent with its interval, and its range over the networks; a dash where never as good."""
    ends = ("", "_low", "_high", "_least_network", "_most_network")
    values = [getattr(row, f"latency_saved{end}") for end in ends]
    own, low, high, least, most = ("–" if pd.isna(x) else round(POINTS * x) for x in values)
    return f"{own} ({low} to {high}) [{least} to {most}]"


def _signed(points: float) -> str:
    """With its sign and one decimal, and no minus before 0.0."""
    return f"{round(points, 1) + 0.0:+.1f}"


def _table(heads: list[str], rows: list[list[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
