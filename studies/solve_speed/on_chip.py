"""What a proof takes where tensors may stay on chip, beside the same problem with all in DRAM."""

from __future__ import annotations

import json
import statistics
import sys

import pandas as pd
from processes import Usage, run_process

CASES = (  # network, mm², limit in seconds where tensors may stay
    ("resnet18", 6.0, 3.0),
    ("resnet50", 6.0, 8.0),
    ("mobilenetv2", 2.0, 8.0),
    ("mobilenetv2", 4.0, 8.0),
    ("vit_b_16", 6.0, 15.0),
    ("resnet152", 6.0, 30.0),
)
QUICK_CASES = CASES[:1]
DRAM_GBIT_PER_S = (153.6, 25.6)
MODES = ("tensors", "none")
MOST_S = 300.0  # of one solve, which is then not proven
PROVEN, WITHIN_BUDGETS = 0, 4  # exit codes of a solve that has an answer

Question = tuple[str, float, float]  # network, mm², Gbit/s


def measure(repeats: int, cases: tuple[tuple[str, float, float], ...]) -> pd.DataFrame:
    """Medians of whole processes in the default space, at the default quality.

    Both modes of a question run in turn, and so do the questions, so that noise hits all alike.
    """
    limits = {(name, mm2, rate): most for name, mm2, most in cases for rate in DRAM_GBIT_PER_S}
    runs: dict[tuple[Question, str], list[Usage]] = {}
    for _ in range(repeats):
        for question in limits:
            for mode in MODES:
                runs.setdefault((question, mode), []).append(_solved(question, mode))
    return pd.DataFrame(
        [
            _row(question, limit_s, *(runs[question, mode] for mode in MODES))
            for question, limit_s in limits.items()
        ]
    )


def _solved(question: Question, mode: str) -> Usage:
    """One process."""
    network, area_mm2, gbit_per_s = question
    limits = ["--max-area-mm2", f"{area_mm2:g}", "--time-limit-s", f"{MOST_S:g}"]
    machine = ["--dram-gbit-per-s", f"{gbit_per_s:g}", "--on-chip", mode]
    command = [sys.executable, "-m", "codesign", "solve", network, *limits, *machine, "--json"]
    return run_process(command, codes=(PROVEN, WITHIN_BUDGETS))


def _row(
    question: Question, limit_s: float, stay: list[Usage], none: list[Usage]
) -> dict[str, object]:
    """Times of both modes, and what is gained; proven is what every run of a mode has proven."""
    designs, without = ([json.loads(run.output) for run in runs] for runs in (stay, none))
    design = designs[-1]
    latency_ms, none_ms = (1e3 * each["metrics"]["latency_s"] for each in (design, without[-1]))
    return {
        **dict(zip(("network", "area_mm2", "dram_gbit_per_s"), question, strict=True)),
        "layers": len(design["layers"]),
        "median_s": statistics.median(run.wall_s for run in stay),
        "worst_s": max(run.wall_s for run in stay),
        "limit_s": limit_s,
        "median_cpu_s": statistics.median(run.cpu_s for run in stay),
        "peak_mib": max(run.peak_mib for run in stay),
        "status": _status(designs),
        "gap": max(each["proof"]["gap"] for each in designs),
        "solved": design["solver"]["solved"],
        "programmes": design["solver"]["programmes"],
        "resident": sum(place == "chip" for place in design["on_chip"].values()),
        "latency_ms": latency_ms,
        "none_median_s": statistics.median(run.wall_s for run in none),
        "none_status": _status(without),
        "none_latency_ms": none_ms,
        "saved": 1 - latency_ms / none_ms,
    }


def _status(designs: list[dict]) -> str:
    """Optimal if every run has proven it."""
    return "optimal" if all(x["proof"]["status"] == "optimal" for x in designs) else "feasible"
