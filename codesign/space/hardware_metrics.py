"""Metrics that the hardware alone decides: so much for each option, and so much per bit of SRAM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.area import array_area_um2, sram_base_um2
from codesign.costs.fpga import array_dsp, array_lut, bram
from codesign.problem.problem import Problem
from codesign.problem.tolerances import AREA_ROUNDING, ceiling
from codesign.space.capacities import UNLIMITED_BITS
from codesign.specs.fpga import Fpga
from codesign.units import UM2_PER_MM2


@dataclass(frozen=True)
class HardwareMetric:
    """A metric linear in the SRAM: ``(array + intercept + slope·S)/scale``.

    Attributes
    ----------
    name : str
    array : floats, shape (options,)
        Of the PE array, in parts of the metric's unit (area: µm², block RAMs: bits).
    intercept, slope : float
        Of an SRAM with the buffers beside it, and of each of its bits, in the same parts.
    scale : float
        Parts in one of the metric's unit (area: µm² in a mm²; bits of a block RAM).
    """

    name: str
    array: Floats
    intercept: float
    slope: float
    scale: float

    @property
    def base(self) -> Floats:
        """(options,): without any SRAM bit, in parts."""
        return self.array + self.intercept

    def value(self, options: Ints, sram_bits: Floats) -> Floats:
        """(options,): with an SRAM each, rounded as a design's is; it never falls with the SRAM."""
        sram = self.slope * np.asarray(sram_bits, dtype=np.float64) + self.intercept
        return np.asarray(self.array[options] / self.scale + sram / self.scale)

    def most_sram_bits(self, options: Ints, limit: float) -> Floats:
        """(options,): the most SRAM with which each keeps a limit; negative where none does.

        Exactly, by the definition of `budgets`: where rounding might decide, it does.
        """
        if not self.slope:
            keeps = self.value(options, np.zeros(len(options))) <= ceiling(limit)
            return np.where(keeps, UNLIMITED_BITS, -1.0)
        base, most_parts = self.base[options], ceiling(limit) * self.scale
        rounded = AREA_ROUNDING * (most_parts + base + abs(self.intercept))
        kept, most = (
            np.clip(np.floor((most_parts - base + error) / self.slope), -1.0, UNLIMITED_BITS)
            for error in (-rounded, rounded)
        )
        broken = most + 1
        while len(left := np.flatnonzero(broken - kept > np.maximum(np.spacing(most), 1.0))):
            middle = np.floor((kept[left] + broken[left]) / 2)
            keeps = self.value(options[left], middle) <= ceiling(limit)
            kept[left[keeps]], broken[left[~keeps]] = middle[keeps], middle[~keeps]
        return np.asarray(kept)


def hardware_metrics(
    problem: Problem, rows: Ints, cols: Ints, pe_weight_bits: Ints, pe_activation_bits: Ints
) -> dict[str, HardwareMetric]:
    """What the hardware options of a problem cost in its technology, by metric."""
    technology = problem.technology
    pes = rows, cols, pe_weight_bits, pe_activation_bits
    if isinstance(technology, Fpga):
        lut, dsp = array_lut(technology, *pes, problem.area_overhead), array_dsp(technology, *pes)
        buffers = [bits for bits in problem.choices.buffers if bits is not None]
        block = float(technology.bram_bits)
        beside = block * float(bram(technology, buffers).sum())
        return {
            "lut": HardwareMetric("lut", lut, 0.0, 0.0, 1.0),
            "dsp": HardwareMetric("dsp", dsp, 0.0, 0.0, 1.0),
            "bram": HardwareMetric("bram", 0 * dsp, beside, 1.0, block),
        }
    area_um2 = array_area_um2(technology, *pes, problem.area_overhead)
    slope = technology.sram_area_um2.slope
    fixed = sram_base_um2(technology, problem.choices.buffers)
    return {"area_mm2": HardwareMetric("area_mm2", area_um2, fixed, slope, UM2_PER_MM2)}


def most_sram_bits(
    metrics: Iterable[HardwareMetric], options: Ints, limits: Mapping[str, float]
) -> Floats:
    """(options,): the most SRAM with which each keeps all limits on these metrics.

    Unlimited where there are none, negative where no SRAM keeps them.
    """
    most = np.full(len(options), UNLIMITED_BITS)
    for metric in metrics:
        if metric.name in limits:
            most = np.minimum(most, metric.most_sram_bits(options, limits[metric.name]))
    return most
