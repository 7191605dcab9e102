"""The study's tables as its README holds them.

python studies/pareto_speed/tell.py [--out FOLDER]    # where the CSV files are
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from race import BASELINE, LEVELS, OURS

FRAMES = ("ratios", "reached", "single")


def main() -> None:
    """Print the tables of a finished run, or write them into a text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    found = tables({name: pd.read_csv(given.out / f"{name}.csv") for name in FRAMES})
    if given.into is None:
        print("\n\n".join(found.values()))
        return
    text = given.into.read_text("utf-8")
    for name, table in found.items():
        text = re.sub(f"(<!-- {name} -->\n\n).*?(\n\n)", rf"\g<1>{table}\g<2>", text, flags=re.S)
    given.into.write_text(text, "utf-8")


def tables(frames: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """All tables by name."""
    made = (ratio_table, reached_table, single_table)
    return {name: "\n".join(make(frames[name])) for make, name in zip(made, FRAMES, strict=True)}


def ratio_table(summary: pd.DataFrame) -> list[str]:
    """One solve, then a row per front."""
    first = summary.iloc[0]
    lines = [
        "| | whole process (s) | ratio | after imports (s) | ratio | aim | "
        "its points solved alone (s) | gain |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        f"| one solve | {first['process solve_s']:.2f} | 1 | {first['in-process solve_s']:.2f} | 1 "
        "| | | |",
    ]
    for _, row in summary.iterrows():
        alone, gain = row["independent solves_s"], row["sharing gains"]
        told = "– | –" if pd.isna(alone) else f"{alone:.1f} | {gain:.1f}"
        lines.append(
            f"| {row['front']}, {row['points']} points "
            f"| {row['process front_s']:.2f} | {row['process ratio']:.1f} "
            f"| {row['in-process front_s']:.2f} | {row['in-process ratio']:.1f} "
            f"| {row['aim']:.0f} | {told} |"
        )
    return lines


def reached_table(reached: pd.DataFrame) -> list[str]:
    """Seconds to each share, a row per front and method; the baseline also with its tables."""
    head = " | ".join(f"{level * 100:g} %" for level in LEVELS)
    lines = [
        f"| front | | {head} | at the end |",
        f"|---|---|{'---:|' * (len(LEVELS) + 1)}",
    ]
    for _, row in reached.iterrows():
        late = {OURS: {OURS: 0.0}}.get(
            row["method"],
            {f"{BASELINE}, tables given": 0.0, f"{BASELINE}, tables built": row["tables_s"]},
        )
        for label, extra in late.items():
            cells = " | ".join(_seconds(row[f"{level:.1%}"] + extra) for level in LEVELS)
            end = f"{row['end share']:.2%} in {row['end_s'] + extra:.0f} s".replace("%", " %")
            lines.append(f"| {row['front']} | {label} | {cells} | {end} |")
    return lines


def single_table(single: pd.DataFrame) -> list[str]:
    """Seconds to the least latency of one solve: median and worst over the seeds."""
    within = {"1 %": "within 0.01_s", "0.1 %": "within 0.001_s", "equal": "within 1e-09_s"}
    lines = [f"| | {' | '.join(within)} |", f"|---|{'---:|' * len(within)}"]
    for label, pick in (("median seed", "median"), ("worst seed", "max")):
        cells = " | ".join(_seconds(single[name].agg(pick)) for name in within.values())
        lines.append(f"| {label} | {cells} |")
    return lines


def _seconds(seconds: float) -> str:
    if seconds == float("inf"):
        return "–"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


if __name__ == "__main__":
    main()
