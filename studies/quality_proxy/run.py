"""Do noise proxies rank bitwidths as measured accuracy does, and what does `solve` gain by them?

Trains nine small networks on scikit-learn's digits, quantises them at random bitwidths, compares
what the proxies say with what is measured, and finds accelerators under noise budgets. Writes
CSV files and pictures into a folder (``expected`` of this study holds a run of ours).

    python studies/quality_proxy/run.py [--out FOLDER] [--quick] [--part exported]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import draw
import pandas as pd
import tell
from architectures import ARCHITECTURES
from assignments import COUNT, POPULATIONS, measure
from correlation import ceilings, correlations
from designs import LEVELS, design_all
from designs import frame as design_frame
from exported import exported
from gains import RESAMPLES, gains
from subjects import Subject, subject, train_all
from subjects import frame as subject_frame
from training import EPOCHS, be_deterministic, splits

QUICK_LEVELS = (3.0,)
QUICK_RESAMPLES = 100


def main() -> None:
    """Measure everything, write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help="hardly any training, few images")
    parser.add_argument("--part", choices=["exported"], help="this table alone")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    be_deterministic()
    epochs, most = (1, 100) if given.quick else (EPOCHS, None)
    if given.part:
        split = splits(most)[0]
        frames = {"exported": _exported([subject(x, 0, split, epochs) for x in ARCHITECTURES])}
        return _write(frames, given.out, tell.exported(frames["exported"]))
    subjects = _train(epochs, most)
    count, levels = (20, QUICK_LEVELS) if given.quick else (COUNT, LEVELS)
    measured = [
        measure(subject, population, count, _say)
        for subject in subjects
        for population in POPULATIONS
    ]
    chosen = design_all(subjects, levels, _say)
    _say("resampling")
    same, equal = gains(chosen, QUICK_RESAMPLES if given.quick else RESAMPLES)
    frames = {
        "networks": subject_frame(subjects),
        "assignments": pd.concat([part.frame for part in measured], ignore_index=True),
        "correlations": correlations(measured),
        "ceilings": ceilings(measured),
        "designs": design_frame(chosen, subjects),
        "same_budget": same,
        "equal_quality": equal,
        "exported": _exported([x for x in subjects if x.fold == 0]),
    }
    _write(frames, given.out, *tell.tables(frames).values())
    for name, picture in draw.pictures(frames).items():
        picture.savefig(given.out / f"{name}.png", dpi=110)


def _write(frames: dict[str, pd.DataFrame], folder: Path, *tables: str) -> None:
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.5g")
    print("", *tables, sep="\n\n")


def _exported(subjects: list[Subject]) -> pd.DataFrame:
    found = []
    for one in subjects:
        found.append(exported(one))
        _say(f"{one.architecture}: exported and run")
    return pd.concat(found, ignore_index=True)


def _train(epochs: int, most_images: int | None) -> list[Subject]:
    subjects = []
    for one in train_all(epochs, most_images):
        subjects.append(one)
        _say(
            f"{one.architecture} {one.fold}: {one.whole.correct.mean():.2%} of "
            f"{len(one.split.held_out)} images right, trained in {one.seconds:.0f} s"
        )
    return subjects


STARTED = time.perf_counter()


def _say(line: str) -> None:
    print(f"{time.perf_counter() - STARTED:6.0f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
