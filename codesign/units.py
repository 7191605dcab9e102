"""Factors between the units people write and the units the model computes in; amounts as text.

Inside: bits, bits/s, seconds, hertz, µm². At the door: Mbit, Gbit/s, ms, MHz, mm².
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

UM2_PER_MM2 = 1e6
BITS_PER_KBIT = 1e3
BITS_PER_MBIT = 1e6
BITS_PER_GBIT = 1e9
BOPS_PER_GBOP = 1e9
OPS_PER_MAC = 2  # a product and a sum, as GOPS and TOPS are usually counted
OPS_PER_GOP = 1e9
OPS_PER_TOP = 1e12
HZ_PER_MHZ = 1e6
MS_PER_S = 1e3
MJ_PER_J = 1e3
UJ_PER_J = 1e6
NJ_PER_J = 1e9
PJ_PER_J = 1e12
FJ_PER_J = 1e15
MW_PER_W = 1e3

MAX_DIGITS = 25  # floating-point numbers that differ do so in their first 18
RATES = ("images_per_s", "interval_s", "tokens_per_s")  # in tables where batches or tokens are
ABSENT = "–"  # in place of an amount that is not known


class DisplayUnit(NamedTuple):
    """How a metric is written: its label, and its value divided by ``scale`` into ``unit``.

    Of a label that is a plural and has no unit, ``one`` is the singular.
    """

    label: str
    scale: float
    unit: str
    one: str = ""

    def number(self, value: float) -> str:
        """``0.6938``: the value in the unit people write, which is left out."""
        return four_digits(value / self.scale)

    def amount(self, value: float) -> str:
        """``0.6938 ms``: the value in the unit people write."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def at_most(self, limit: float) -> str:
        """``latency ≤ 5 ms``."""
        return f"{self.label} ≤ {self.amount(limit)}"

    @property
    def heading(self) -> str:
        """``latency (ms)``, or the label alone of what has no unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def unit_name(self) -> str:
        """The unit, or of what has none one of it, or the label: a change per unit of it."""
        return self.unit or self.one or self.label


OF_MEMBER = "@"  # between a metric and the member of a suite whose share of it is meant


def of_member(metric: str, member: str) -> str:
    """The share that a member of a suite has of a metric, as a metric: ``latency_s@resnet18``."""
    return f"{metric}{OF_MEMBER}{member}"


def kind_of(metric: str) -> str:
    """The metric that a metric of a member is its share of; any other is itself."""
    return metric if metric.startswith("cost:") else metric.partition(OF_MEMBER)[0]


def member_of(metric: str) -> str | None:
    """The name of the member whose share a metric is; None of a metric of the whole."""
    kind = kind_of(metric)
    return None if kind == metric else metric[len(kind) + 1 :]


class _MetricUnits(dict[str, DisplayUnit]):
    """By metric; a member's share has its unit, a cost of one's own has its name and no unit."""

    def __missing__(self, metric: str) -> DisplayUnit:
        member = member_of(metric)
        if member is not None:
            unit = self[kind_of(metric)]
            return unit._replace(label=f"{unit.label} of {member}", one=unit.one or unit.label)
        if not metric.startswith("cost:"):
            raise KeyError(metric)
        return DisplayUnit(f"cost {metric.removeprefix('cost:')}", 1.0, "")


METRIC_UNITS = _MetricUnits(
    interval_s=DisplayUnit("interval", 1 / MS_PER_S, "ms"),
    latency_s=DisplayUnit("latency", 1 / MS_PER_S, "ms"),
    area_mm2=DisplayUnit("area", 1.0, "mm²"),
    lut=DisplayUnit("LUTs", 1.0, "", "LUT"),
    dsp=DisplayUnit("DSP blocks", 1.0, "", "DSP block"),
    bram=DisplayUnit("block RAMs", 1.0, "", "block RAM"),
    dram_bits=DisplayUnit("DRAM traffic", BITS_PER_MBIT, "Mbit"),
    noise=DisplayUnit("noise", 1.0, ""),
    model_bits=DisplayUnit("model size", BITS_PER_MBIT, "Mbit"),
    bops=DisplayUnit("bit operations", BOPS_PER_GBOP, "GBOP"),
    energy_j=DisplayUnit("energy", 1 / MJ_PER_J, "mJ"),
    regret=DisplayUnit("regret", 1.0, ""),
)
RATE_UNITS = {
    "dram_bits_per_s": DisplayUnit("DRAM bandwidth", BITS_PER_GBIT, "Gbit/s"),
    "clock_hz": DisplayUnit("clock", HZ_PER_MHZ, "MHz"),
}


def in_display_order(metrics: Iterable[str]) -> list[str]:
    """Metrics in the order in which they are shown, costs of one's own last; no members' shares."""
    given = tuple(name for name in metrics if member_of(name) is None)
    costs = [name for name in given if name not in METRIC_UNITS]
    return [*(name for name in METRIC_UNITS if name in given), *costs]


def four_digits(value: float) -> str:
    """Four significant digits, thousands separated, no trailing zeros: ``95.07``, ``18,432``."""
    if value == 0 or not 1e-6 <= abs(value) < 1e12:
        return f"{value:.4g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return _trimmed(f"{value:,.{digits}f}")


def rounded_up(value: float, digits: int = 4, scale: float = 1.0) -> str:
    """Significant digits of ``value / scale``, rounded up so that what is printed is enough.

    ``0.03031``. Up to 11 digits what rounding of sums left behind does not count.
    """
    if value <= 0:
        return "0"
    from decimal import ROUND_CEILING, Context, Decimal

    exact = Decimal(float(value)) / Decimal(repr(scale))
    noise = Decimal("1e-12") if digits < 12 else Decimal(0)
    return _all_digits(
        Context(prec=digits, rounding=ROUND_CEILING).create_decimal(exact * (1 - noise))
    )


def distinct_texts(
    limit: float, values: Iterable[float], scale: float = 1.0
) -> tuple[str, list[str]]:
    """A limit, and values rounded up, divided by ``scale``.

    In digits enough to see which values are more than the limit, four at least.
    """
    from decimal import Context, Decimal

    values = tuple(values)
    for digits in range(4, MAX_DIGITS):
        exact = Context(prec=digits).create_decimal(Decimal(float(limit)) / Decimal(repr(scale)))
        limit_text = four_digits(limit / scale) if digits == 4 else _all_digits(exact)
        value_texts = [rounded_up(x, digits, scale) for x in values]
        number = Decimal(limit_text.replace(",", ""))
        above = (
            Decimal(text) > number for text, x in zip(value_texts, values, strict=True) if x > limit
        )
        if all(above):
            break
    return limit_text, value_texts


def conflict_texts(
    metric: str, conflict: tuple[float, float, float | None]
) -> tuple[str, str, str]:
    """A limit, and the least alone and with the other budgets, in the unit people write.

    See `distinct_texts`; a value that does not exist is absent.
    """
    limit, alone, needed = conflict
    known = [alone] if needed is None else [alone, needed]
    limit_text, texts = distinct_texts(limit, known, METRIC_UNITS[metric].scale)
    return limit_text, texts[0], ABSENT if needed is None else texts[1]


def gap_text(gap: float) -> str:
    """``0``, ``< 1e-09`` (what rounding leaves), ``4e-07`` or ``7.1 %``."""
    if 0 < gap < 1e-9:
        return "< 1e-09"
    return f"{gap:.2g}" if gap < 1e-4 else f"{100 * gap:.3g} %"


def _all_digits(value: Decimal) -> str:
    """All digits of an amount without trailing zeros, an exponent only where it is very small."""
    if value == 0 or -7 < value.adjusted() < 12:
        return _trimmed(f"{value:f}")
    return f"{value.normalize():e}"


def _trimmed(text: str) -> str:
    """Decimals without trailing zeros."""
    return text.rstrip("0").rstrip(".") if "." in text else text
