"""Every published figure and table of Karbachevsky et al. 2021, and the optimum beside them.

Writes a CSV and a PNG for each into a folder (``expected`` of this study holds a full run), prints
our numbers beside the published ones, and stops at once where Tables 3, 4 or 6 do not agree.

    python studies/karbachevsky2021/run.py [--out FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import curves
import figures
import layers
import optimum
import pandas as pd
import tables
from published import compare, disagreements, readme_table

SHARED = {"figure8": ("Table 3", "Figure 8: Table 3"), "figure9": ("Table 4", "Figure 9: Table 4")}
TITLES = {"figure13": "Figure 13: ResNet-18", "figure14": "Figure 14: VGG-16"}


def main() -> int:
    """Compute, write and print everything; 1 where a table that must agree does not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help="solve one budget and width alone")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    compared = compare(tables.ours())
    wrong = disagreements(compared)
    if not wrong.empty:
        print(f"These do not agree with the paper:\n{wrong.to_string(index=False)}")
        return 1
    optima = optimum.optima(given.quick)
    frames = {"deviations": compared, "optimum": optima, **paper_frames()}
    for name, frame in frames.items():
        frame.to_csv(given.out / f"{name}.csv", index=False)
    draw(given.out, optima)
    report(compared, optima)
    return 0


def paper_frames() -> dict[str, pd.DataFrame]:
    """The numbers of each figure and table, by file name."""
    fits = curves.area_fits()
    return {
        "figure1": fits,
        "figure3": fits,
        "figure3_refits": curves.refits(),
        "figure4": curves.channels(1),
        "figure6a": curves.sram("single-port"),
        "figure6b": curves.sram("dual-port"),
        "figure7": curves.ridge(),
        "figure8": tables.arrays("Table 3"),
        "figure9": tables.arrays("Table 4"),
        "figure12": curves.channels(curves.SYSTOLIC_PES),
        "figure13": curves.partial_sums("figure13"),
        "figure14": curves.partial_sums("figure14"),
        "table1": tables.table1(),
        "table2": tables.table2(),
        "table3": tables.arrays("Table 3"),
        "table4": tables.arrays("Table 4"),
        "table6": tables.table6(),
    }


def draw(out: Path, optima: pd.DataFrame) -> None:
    """Every picture."""
    pictures = {name: make() for name, make in figures.FITS.items()}
    pictures |= {
        name: figures.arrays(tables.arrays(item), title) for name, (item, title) in SHARED.items()
    }
    pictures |= {name: layers.draw(name, title) for name, title in TITLES.items()}
    pictures["optimum"] = figures.optimum(optima)
    for name, picture in pictures.items():
        picture.savefig(out / f"{name}.png")


def report(compared: pd.DataFrame, optima: pd.DataFrame) -> None:
    """What a reader looks for first."""
    print(f"\n{readme_table(compared)}\n")
    low, high = tables.fitted_interval()
    print(f"DRAM of Table 6: every printed latency allows {low:.5f} to {high:.5f} Gbit/s\n")
    print(optimum.readme_table(optima))


if __name__ == "__main__":
    sys.exit(main())
