"""Where a result's steps stand under their roofline, and the ceilings to draw."""

from __future__ import annotations

import pandas as pd

from codesign.results.hardware_result import HardwareResult, peaks_ops_per_s
from codesign.units import OPS_PER_GOP


def roofline_steps(result: HardwareResult) -> pd.DataFrame:
    """What has a place in the roofline, by number: each layer that multiplies, or run of such.

    What only moves data has no operations.
    """
    layers = result.layers
    numbers = [str(n) for n in range(1, len(layers) + 1)]
    for run in result.fused_runs:
        numbers[run.first : run.last + 1] = [f"{run.first + 1}–{run.last + 1}"] * len(run.layers)
    sums = [x for x in ("macs", "dram_bits", "latency_s", "sram_s") if x in layers]
    parts = layers[sums].groupby(numbers, sort=False).sum()
    same = layers[["gops", "bound_by"]].groupby(numbers, sort=False).first()
    steps = pd.concat([parts, same], axis=1)
    return steps[steps["macs"] > 0]


def ceilings_gops_per_s(result: HardwareResult) -> list[tuple[str, float]]:
    """Kernels and peaks to draw, ascending: that of most MACs and the fastest, or the next one."""
    peaks = peaks_ops_per_s(result)
    usual, fastest = next(iter(peaks)), max(peaks, key=peaks.__getitem__)
    others = [kernel for kernel, peak in peaks.items() if peak != peaks[usual]]
    drawn = {usual} if not others else {usual, others[0] if fastest == usual else fastest}
    return sorted(((kernel, peaks[kernel] / OPS_PER_GOP) for kernel in drawn), key=lambda x: x[1])
