"""What the proof of a suite takes, beside those of its networks by themselves."""

from __future__ import annotations

import json
import statistics
import sys
from typing import NamedTuple

import pandas as pd
from processes import QUALITY, Usage, run_process


class Case(NamedTuple):
    """One suite."""

    networks: tuple[str, ...]
    weights: str
    area_mm2: float
    on_chip: str  # whether tensors may stay on chip
    objective: str = "latency"


FIRST, SECOND = ("resnet18", "mobilenetv2", "vit_b_16"), ("alexnet", "resnet50", "vgg16")
MODES = ("none", "tensors")
CASES = (
    *(Case(FIRST, "2,1,1", 6.0, mode) for mode in MODES),
    *(Case(FIRST, "1,8,1", 6.0, mode) for mode in MODES),
    *(Case(FIRST, "2,1,1", area_mm2, mode) for area_mm2 in (2.0, 12.0) for mode in MODES),
    *(Case(SECOND, "1,1,1", 6.0, mode) for mode in MODES),
    *(Case(FIRST, "1,1,1", 6.0, mode, "regret") for mode in MODES),
)
QUICK_CASES = CASES[:1]
MOST_S = 300.0  # of one solve, which is then not proven
PROVEN, WITHIN_BUDGETS = 0, 4  # exit codes of a solve that has an answer


def measure(repeats: int, cases: tuple[Case, ...]) -> pd.DataFrame:
    """Medians of whole processes in the default space; the suite after each of its networks."""
    return pd.DataFrame([_row(case, [_solved(case) for _ in range(repeats)]) for case in cases])


def _solved(case: Case) -> tuple[list[Usage], Usage]:
    """A process for each network, and one for the suite."""
    limits = ["--max-area-mm2", f"{case.area_mm2:g}", "--time-limit-s", f"{MOST_S:g}"]
    asked = [*limits, "--quality", QUALITY, "--on-chip", case.on_chip, "--json"]
    command = [sys.executable, "-m", "codesign", "solve"]
    codes = PROVEN, WITHIN_BUDGETS
    alone = [run_process([*command, x, *asked], codes=codes) for x in case.networks]
    whole = [*command, *case.networks, "--minimize", case.objective, *asked]
    if case.objective != "regret":
        whole += ["--weights", case.weights]
    return alone, run_process(whole, codes=codes)


def _row(case: Case, runs: list[tuple[list[Usage], Usage]]) -> dict[str, object]:
    """Times of the suite and of its networks, and what was proven."""
    proof = json.loads(runs[-1][1].output)["proof"]
    return {
        "networks": " ".join(case.networks),
        "weights": case.weights,
        **dict(zip(("area_mm2", "on_chip", "objective"), case[2:], strict=True)),
        "suite_median_s": statistics.median(whole.wall_s for _, whole in runs),
        "suite_cpu_s": statistics.median(whole.cpu_s for _, whole in runs),
        "alone_cpu_s": statistics.median(sum(x.cpu_s for x in alone) for alone, _ in runs),
        "cpu_ratio": statistics.median(
            whole.cpu_s / sum(x.cpu_s for x in alone) for alone, whole in runs
        ),
        "status": proof["status"],
        "gap": proof["gap"],
        "ties": proof["ties"],
    }
