"""What a certificate takes: to write beyond the solve, and to check."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import pandas as pd
from processes import ON_CHIP, run_process

CASE = ("mobilenetv2", "--minimize", "area", "--max-latency-ms", "10", "--on-chip", ON_CHIP)
LIMIT_S = 5.0  # for either


def measure(repeats: int) -> pd.DataFrame:
    """Medians of whole processes: with and without a certificate in turn, then the deep check."""
    program = [sys.executable, "-m", "codesign"]
    writing, checking = [], []
    with tempfile.TemporaryDirectory() as folder:
        design, proof = (str(Path(folder, name)) for name in ("design.json", "proof.json"))
        solve = [*program, "solve", *CASE, "--out", design]
        check = [*program, "check", design, "--deep", "--certificate", proof]
        for _ in range(repeats):
            bare = run_process(solve)
            writing.append(run_process([*solve, "--certificate", proof]).minus(bare))
            checking.append(run_process(check))
    rows = []
    for what, runs in (("write it, beyond the solve", writing), ("check --deep", checking)):
        rows.append(
            {
                "what": what,
                "median_s": statistics.median(run.wall_s for run in runs),
                "median_cpu_s": statistics.median(run.cpu_s for run in runs),
                "limit_s": LIMIT_S,
            }
        )
    return pd.DataFrame(rows)
