"""Energy held against a measured chip and against an open estimator.

Writes one CSV per table into a folder (``expected`` of this study holds ours), and prints them.

    python studies/energy/run.py [--out FOLDER] [--part PART ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import eyeriss
import pandas as pd


def zigzag_tables() -> dict[str, pd.DataFrame]:
    """Of the part that needs ZigZag, which is imported only here."""
    import equal_activity

    return equal_activity.tables()


PARTS: dict[str, Callable[[], dict[str, pd.DataFrame]]] = {
    "eyeriss": eyeriss.tables,
    "zigzag": zigzag_tables,
}


def main() -> None:
    """Compute, print and write the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for part in given.part or PARTS:
        for name, table in PARTS[part]().items():
            table.to_csv(given.out / f"{name}.csv", index=False, float_format="%.5g")
            shown = table.to_string(index=False, float_format="{:.4g}".format, na_rep="-")
            print(f"\n{name}\n{shown}", flush=True)


if __name__ == "__main__":
    main()
