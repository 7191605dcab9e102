"""How the baseline was tuned: one setting at a time, in processor time, medians over three seeds.

Writes ``tuning.csv``; the best of each front is ``TUNED`` in ``race.py``.

    python studies/pareto_speed/tune.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from baseline import Tuning, evolve
from encoding import Encoding
from questions import QUESTIONS, Question
from race import TUNED, build_tables, encoding
from volume import Box

SEEDS = range(3)
MOMENTS_S = (0.3, 1.0, 3.0)
POINTS = 40  # of the front whose ends span the box
SETTINGS = {
    "size": (50, 100, 200, 400, 800, 1600),
    "mutated": (0.7, 1.5, 2.5),
    "hardware": (1.0, 2.0, 5.0, 10.0),
    "crossover": (0.5, 0.9),
    "reset": (0.0, 0.1, 0.3),
    "logarithmic": (False, True),
}


def main() -> None:
    """Try every setting on every front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    tables, _ = build_tables(None)
    rows = []
    for question in QUESTIONS:
        box = Box.around(question.front(None, POINTS), logarithmic=False)
        genes = encoding(question, tables)
        tuned = TUNED[question.name]
        tried = [(key, value) for key, values in SETTINGS.items() for value in values]
        if question.quality is not None:
            tried.append(("trim", False))
        for key, value in tried:
            if key == "trim":
                shares = shares_of(question, replace(genes, trim=value), tuned, box)
            else:
                shares = shares_of(question, genes, replace(tuned, **{key: value}), box)
            chosen = key != "trim" and getattr(tuned, key) == value
            row = {"front": question.name, "setting": key, "value": value, "chosen": chosen}
            rows.append(row | dict(zip((f"{x:g} s" for x in MOMENTS_S), shares, strict=True)))
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(given.out / "tuning.csv", index=False, float_format="%.5f")


def shares_of(question: Question, genes: Encoding, tuning: Tuning, box: Box) -> list[float]:
    """Median share of the box dominated at each moment."""
    shares = []
    for seed in SEEDS:
        run = evolve(genes, question.objectives, tuning, seed, MOMENTS_S[-1], time.process_time)
        done = np.maximum(np.searchsorted(run.seconds, MOMENTS_S), 1)
        shares.append(box.history(run.values, run.counts[done - 1]))
    return np.median(shares, axis=0).tolist()


if __name__ == "__main__":
    main()
