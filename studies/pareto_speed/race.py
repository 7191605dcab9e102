"""Hypervolume over wall time: fronts of more and more points, and NSGA-II on the same tables."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from baseline import Tuning, evolve
from encoding import Encoding
from population import Tables
from questions import AREA_MM2, NETWORK, QUALITY, Question, SearchStats, fresh_problem
from volume import Box

import codesign

EARLIEST_S = 0.02
SAMPLES = 80
LEVELS = (0.90, 0.95, 0.99, 0.995, 0.999)
OURS, BASELINE = "codesign", "NSGA-II"
TUNED = {  # see tune.py
    "latency–area": Tuning(size=200, hardware=5.0, logarithmic=True),
    "latency–noise": Tuning(size=200, hardware=5.0),
    "latency–area–noise": Tuning(size=800, hardware=10.0),
    "one solve": Tuning(size=100),
}


def encoding(question: Question, tables: Tables) -> Encoding:
    """Genes of a front's designs."""
    low, high = question.ranges.get("area_mm2", (AREA_MM2, AREA_MM2))
    noise = None if question.quality is None else tables.problem.budgets["noise"]
    return Encoding(tables, low, high, noise)


def race(question: Question, tables: Tables, stats: SearchStats) -> pd.DataFrame:
    """A row per front of ours and per sampled moment of each run of NSGA-II.

    Shares are of the most hypervolume there can be: what the proofs of our largest front leave.
    """
    fronts = [timed_front(question, stats.sides, count) for count in question.counts]
    largest = fronts[-1][1]
    rows = [
        row
        for logarithmic in (False, True)
        for row in _shares(question, fronts, Box.around(largest, logarithmic))
    ]
    for seed in range(stats.seeds):
        run = evolve(
            encoding(question, tables),
            question.objectives,
            TUNED[question.name],
            seed,
            stats.limit_s,
        )
        moments = np.geomspace(EARLIEST_S, run.seconds[-1], SAMPLES)
        done = np.searchsorted(run.seconds, moments, side="right")
        moments, counts = moments[done > 0], run.counts[done[done > 0] - 1]
        for logarithmic in (False, True):
            box = Box.around(largest, logarithmic)
            most = 1 - box.excluded(largest.ruled, question.objectives)
            for seconds, count, share in zip(
                moments, counts, box.history(run.values, counts), strict=True
            ):
                rows.append(
                    {
                        "method": BASELINE,
                        "seed": seed,
                        "axes": _axes(logarithmic),
                        "seconds": seconds,
                        "designs": count,
                        "share": share / most,
                    }
                )
            told = f"{question.name}, {BASELINE} seed {seed}, {_axes(logarithmic)} axes"
            print(f"{told}: {share / most:.5f}", flush=True)
    frame = pd.DataFrame(rows)
    frame.insert(0, "front", question.name)
    return frame


def timed_front(
    question: Question, sides: tuple[int, ...] | None, points: int | None
) -> tuple[float, codesign.Front]:
    """Seconds, from problem to front."""
    started = time.perf_counter()
    front = question.front(sides, points)
    seconds = time.perf_counter() - started
    print(f"{question.name}, {len(front)} points: {seconds:.2f} s", flush=True)
    return seconds, front


def _axes(logarithmic: bool) -> str:
    return "logarithmic" if logarithmic else "linear"


def _shares(
    question: Question, fronts: Sequence[tuple[float, codesign.Front]], box: Box
) -> list[dict[str, object]]:
    most = 1 - box.excluded(fronts[-1][1].ruled, question.objectives)
    return [
        {
            "method": OURS,
            "axes": _axes(box.logarithmic),
            "seconds": seconds,
            "points": len(front),
            "complete": front.complete,
            "share": box.dominated(front.values) / most,
            "certified": (1 - box.excluded(front.ruled, question.objectives)) / most,
        }
        for seconds, front in fronts
    ]


def reached(volumes: pd.DataFrame, tables_s: float) -> pd.DataFrame:
    """Seconds to shares of the hypervolume on linear axes; of NSGA-II the median over its seeds."""
    rows = []
    linear = volumes[volumes["axes"] == "linear"]
    for (front, method), runs in linear.groupby(["front", "method"], sort=False):
        row: dict[str, object] = {"front": front, "method": method}
        for level in LEVELS:
            first = [
                run.loc[run["share"] >= level, "seconds"].min()
                for _, run in runs.groupby(runs["seed"].fillna(-1))
            ]
            row[f"{level:.1%}"] = np.median(np.nan_to_num(first, nan=np.inf))
        last = runs.groupby(runs["seed"].fillna(-1))["share"].max()
        row |= {"end_s": runs["seconds"].max(), "end share": last.median()}
        row["certified"] = runs["certified"].min()
        row["tables_s"] = tables_s if method == BASELINE else 0.0
        rows.append(row)
    return pd.DataFrame(rows)


def single_objective(tables: Tables, stats: SearchStats) -> pd.DataFrame:
    """A row per seed: seconds of NSGA-II until it is so near the least latency of one solve."""
    started = time.perf_counter()
    least = codesign.solve(fresh_problem(stats.sides)).metrics["latency_s"]
    solve_s = time.perf_counter() - started
    genes = Encoding(tables, AREA_MM2, AREA_MM2, tables.problem.budgets["noise"])
    rows = []
    for seed in range(stats.seeds):
        run = evolve(genes, ("latency_s",), TUNED["one solve"], seed, min(stats.limit_s, 3.0))
        best = np.minimum.accumulate(run.values[:, 0])[run.counts - 1] / least - 1
        row: dict[str, object] = {"seed": seed, "solve_s": solve_s}
        for within in (0.01, 0.001, 1e-9):
            row[f"within {within:g}_s"] = run.seconds[best <= within].min(initial=np.inf)
        rows.append(row | {"end_s": run.seconds[-1], "end above": best[-1]})
    return pd.DataFrame(rows)


def build_tables(sides: tuple[int, ...] | None) -> tuple[Tables, float]:
    """The baseline's tables for every array, and the seconds they took."""
    problem = codesign.Problem(
        network=codesign.load_network(NETWORK),
        choices=fresh_problem(sides).choices,
        quality=QUALITY,
    )
    started = time.perf_counter()
    tables = Tables(problem)
    return tables, time.perf_counter() - started
