"""Tensors that stay on chip: a measured chip, a compiler, and what they do to the optimum.

Writes one CSV per table and one PNG per picture into a folder (``expected`` of this study holds
ours), and prints the tables.

    python studies/on_chip/run.py [--out FOLDER] [--part PART ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import growth
import optimum
import pandas as pd
import sram_price
import tpu
from matplotlib.figure import Figure


def vela_tables() -> dict[str, pd.DataFrame]:
    """Of the first part that needs Vela, which is imported only here."""
    import vela

    return vela.tables()


def cascade_tables() -> dict[str, pd.DataFrame]:
    """Of the other."""
    import vela_cascades

    return vela_cascades.tables()


PARTS: dict[str, Callable[[], dict[str, pd.DataFrame]]] = {
    "tpu": tpu.tables,
    "sram": sram_price.tables,
    "vela": vela_tables,
    "cascades": cascade_tables,
    "optimum": optimum.tables,
    "growth": growth.tables,
}
PICTURES: dict[str, Callable[[dict[str, pd.DataFrame]], Figure]] = {"optimum": optimum.draw}


def main() -> None:
    """Compute, print and write the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for part in given.part or PARTS:
        found = PARTS[part]()
        if part in PICTURES:
            PICTURES[part](found).savefig(given.out / f"{part}.png", dpi=130)
        for name, table in found.items():
            table.to_csv(given.out / f"{name}.csv", index=False, float_format="%.5g")
            shown = table.to_string(index=False, float_format="{:.4g}".format, na_rep="-")
            print(f"\n{name}\n{shown}", flush=True)


if __name__ == "__main__":
    main()
