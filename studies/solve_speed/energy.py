"""What a proof of least energy takes, beside one of least latency of the same problem."""

from __future__ import annotations

import json
import statistics
import sys

import pandas as pd
from processes import QUALITY, Usage, run_process

CASES = (  # network, mm², whether tensors may stay on chip
    *(("alexnet", 2.0, mode) for mode in ("none", "tensors")),
    *(("resnet18", 6.0, mode) for mode in ("none", "tensors")),
    *(("mobilenetv2", 2.0, mode) for mode in ("none", "tensors")),
    *(("resnet50", 6.0, mode) for mode in ("none", "tensors")),
    *(("vit_b_16", 6.0, mode) for mode in ("none", "tensors")),
)
QUICK_CASES = CASES[:1]
OBJECTIVES = ("energy", "latency")
MOST_S = 300.0  # of one solve, which is then not proven
PROVEN, WITHIN_BUDGETS = 0, 4  # exit codes of a solve that has an answer


def measure(repeats: int, cases: tuple[tuple[str, float, str], ...]) -> pd.DataFrame:
    """Medians of whole processes in the default space; both objectives in turn."""
    runs: dict[tuple[tuple[str, float, str], str], list[Usage]] = {}
    for _ in range(repeats):
        for case in cases:
            for objective in OBJECTIVES:
                runs.setdefault((case, objective), []).append(_solved(case, objective))
    return pd.DataFrame([_row(case, *(runs[case, x] for x in OBJECTIVES)) for case in cases])


def _solved(case: tuple[str, float, str], objective: str) -> Usage:
    """One process."""
    network, area_mm2, mode = case
    asked = ["--minimize", objective, "--quality", QUALITY, "--on-chip", mode]
    limits = ["--max-area-mm2", f"{area_mm2:g}", "--time-limit-s", f"{MOST_S:g}"]
    command = [sys.executable, "-m", "codesign", "solve", network, *asked, *limits, "--json"]
    return run_process(command, codes=(PROVEN, WITHIN_BUDGETS))


def _row(
    case: tuple[str, float, str], energy: list[Usage], latency: list[Usage]
) -> dict[str, object]:
    """Times of both objectives, and what each design takes."""
    least, fast = (json.loads(runs[-1].output) for runs in (energy, latency))
    pairs = zip(energy, latency, strict=True)
    return {
        **dict(zip(("network", "area_mm2", "on_chip"), case, strict=True)),
        "energy_median_s": statistics.median(run.wall_s for run in energy),
        "latency_median_s": statistics.median(run.wall_s for run in latency),
        "energy_cpu_s": statistics.median(run.cpu_s for run in energy),
        "latency_cpu_s": statistics.median(run.cpu_s for run in latency),
        "cpu_ratio": statistics.median(one.cpu_s / other.cpu_s for one, other in pairs),
        "energy_status": least["proof"]["status"],
        "energy_gap": least["proof"]["gap"],
        "latency_status": fast["proof"]["status"],
        "energy_programmes": least["solver"]["programmes"],
        "least_mj": 1e3 * least["metrics"]["energy_j"],
        "fastest_mj": 1e3 * fast["metrics"]["energy_j"],
        "latency_of_least_ms": 1e3 * least["metrics"]["latency_s"],
        "least_ms": 1e3 * fast["metrics"]["latency_s"],
    }
