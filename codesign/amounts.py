"""How amounts are written for people: metrics in words and units, figures, gaps."""

from __future__ import annotations

import math
from typing import NamedTuple

from codesign.units import BITS_PER_GBIT, BITS_PER_MBIT, BOPS_PER_GBOP, HZ_PER_MHZ, MS_PER_S

ABSENT = "–"  # in place of an amount that is not known


class Shown(NamedTuple):
    """How a metric is written: in words, and divided by ``scale`` into ``unit``."""

    words: str
    scale: float
    unit: str

    def amount(self, value: float) -> str:
        """``0.6938 ms``: the value in the unit people write."""
        return f"{figure(value / self.scale)} {self.unit}".rstrip()


METRICS_SHOWN = {
    "latency_s": Shown("latency", 1 / MS_PER_S, "ms"),
    "area_mm2": Shown("area", 1.0, "mm²"),
    "dram_bits": Shown("DRAM traffic", BITS_PER_MBIT, "Mbit"),
    "noise": Shown("noise", 1.0, ""),
    "model_bits": Shown("model size", BITS_PER_MBIT, "Mbit"),
    "bops": Shown("bit operations", BOPS_PER_GBOP, "GBOP"),
}
RATES_SHOWN = {
    "dram_bits_per_s": Shown("DRAM bandwidth", BITS_PER_GBIT, "Gbit/s"),
    "clock_hz": Shown("clock", HZ_PER_MHZ, "MHz"),
}


def figure(value: float) -> str:
    """Four significant digits, thousands separated, no trailing zeros: ``95.07``, ``18,432``."""
    if value == 0 or not 1e-6 <= abs(value) < 1e12:
        return f"{value:.4g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def enough(value: float, digits: int = 4) -> str:
    """Significant digits, rounded up so that the printed value is enough: ``0.03031``."""
    if value <= 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(value))
    rounded = math.ceil(value * 10.0**places * (1 - 1e-12)) / 10.0**places
    return f"{rounded:.{max(digits, 10)}g}"


def clash_shown(metric: str, clash: tuple[float, float, float | None]) -> tuple[str, str, str]:
    """A limit, and the least alone and with the other budgets, in the unit people write.

    In digits enough to see which are more than the limit; what no value is enough for is absent.
    """
    scale = METRICS_SHOWN[metric].scale
    limit, needed = clash[0], clash[1:]
    for digits in range(4, 13):  # a limit counts as kept up to 10⁻⁹ above it
        asked = figure(limit / scale) if digits == 4 else f"{limit / scale:.{digits}g}"
        alone, least = (ABSENT if x is None else enough(x / scale, digits) for x in needed)
        seen = [
            float(text) > float(asked.replace(",", ""))
            for text, value in zip((alone, least), needed, strict=True)
            if value is not None and value > limit
        ]
        if all(seen):
            break
    return asked, alone, least


def gap_shown(gap: float) -> str:
    """``0``, ``< 1e-09`` (what rounding leaves), ``4e-07`` or ``7.1 %``."""
    if 0 < gap < 1e-9:
        return "< 1e-09"
    return f"{gap:.2g}" if gap < 1e-4 else f"{100 * gap:.3g} %"
