"""Pipelines: against one shared array, and FINN's rule of folding against the optimum.

Writes one CSV per table and one PNG into a folder (``expected`` of this study holds ours), and
prints the tables.

    python studies/dataflow/run.py [--out FOLDER] [--part PART ...] [--quick]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import against_array
import greedy

QUICK_BUDGETS = 5


def main() -> None:
    """Compute, print and write the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--part", choices=("array", "greedy"), action="append", help="default: all")
    parser.add_argument("--quick", action="store_true", help="few budgets, greedy alone")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for part in given.part or (("greedy",) if given.quick else ("array", "greedy")):
        if part == "array":
            found = against_array.tables()
            against_array.draw(found).savefig(given.out / "against_array.png", dpi=130)
        else:
            found = greedy.tables(QUICK_BUDGETS if given.quick else greedy.BUDGETS)
        for name, table in found.items():
            table.to_csv(given.out / f"{name}.csv", index=False, float_format="%.5g")
            shown = table.to_string(index=False, float_format="{:.4g}".format, na_rep="-")
            print(f"\n{name}\n{shown}", flush=True)


if __name__ == "__main__":
    main()
