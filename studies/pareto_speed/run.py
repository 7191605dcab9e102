"""A front's time over that of one solve, and its hypervolume beside NSGA-II's over wall time.

Writes ``ratios.csv``, ``ratio_runs.csv``, ``volume.csv``, ``reached.csv``, ``single.csv``,
``ratios.png`` and ``volume.png`` into a folder (``expected`` of this study holds a run of ours).

    python studies/pareto_speed/run.py [--out FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import draw
import pandas as pd
import race
import ratios
import tell
from questions import FULL, QUESTIONS, QUICK


def main() -> None:
    """Measure everything, write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help="few points, in a smaller space")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    stats = QUICK if given.quick else FULL
    questions = tuple(q.smaller() for q in QUESTIONS) if given.quick else QUESTIONS
    runs, summary = ratios.measure(stats, questions)
    tables, tables_s = race.build_tables(stats.sides)
    print(f"tables of every array: {tables_s:.1f} s", flush=True)
    volumes = pd.concat([race.race(q, tables, stats) for q in questions], ignore_index=True)
    frames = {
        "ratio_runs": runs,
        "ratios": summary,
        "volume": volumes,
        "reached": race.reached(volumes, tables_s),
        "single": race.single_objective(tables, stats),
    }
    for name, frame in frames.items():
        frame.to_csv(given.out / f"{name}.csv", index=False, float_format="%.6g")
    print("", *tell.tables(frames).values(), sep="\n\n")
    draw.ratios(summary).savefig(given.out / "ratios.png", dpi=110)
    draw.volumes(volumes, tables_s).savefig(given.out / "volume.png", dpi=110)


if __name__ == "__main__":
    main()
