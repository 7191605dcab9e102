"""Latency and DRAM traffic as one whole number, so that choices compare exactly.

A layer takes ``max(cycles/clock, bits/bandwidth)``, and of the smaller the share that does not
overlap. Clock and bandwidth are fractions, as every floating-point number is, and so is the share:
in some unit of time all latencies are whole. That number and the DRAM
bits are the digits of one: sums and comparisons of it are those of the pair, first one, then the
other. Nothing is rounded: what is equal is equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

First = Literal["latency_s", "dram_bits"]

DIGIT = 80  # binary places for the DRAM bits of 10,000 layers of less than 2^63 each


@dataclass(frozen=True)
class Rates:
    """What turns cycles and DRAM bits into one whole number, the cost.

    Attributes
    ----------
    clock_hz : float
    dram_bits_per_s : float or None
        None: DRAM bits alone count.
    first : "latency_s" or "dram_bits"
        What is minimised first; the other breaks ties.
    exposed : Fraction
        Share of the shorter of both times that adds to the longer.
    sram_bits_per_cycle : int or None
        Of the SRAM's port; None: it takes no time.
    """

    clock_hz: float
    dram_bits_per_s: float | None
    first: First = "latency_s"
    exposed: Fraction = Fraction(0)
    sram_bits_per_cycle: int | None = None

    @cached_property
    def factors(self) -> tuple[int, int, int, int]:
        """``a, b, s, d`` of the cost ``(time(cycles·a, bits·b) << s) + (bits << d)``."""
        if self.dram_bits_per_s is None:
            return 0, 0, 0, 0
        clock, rate = Fraction(self.clock_hz), Fraction(self.dram_bits_per_s)
        of_cycle = clock.denominator * rate.numerator
        of_bit = clock.numerator * rate.denominator
        common = math.gcd(of_cycle, of_bit)
        parts = self.sram_bits_per_cycle or 1  # in which a cycle is a whole number of them too
        of_cycle, of_bit = of_cycle // common * parts, of_bit // common * parts
        if self.first == "latency_s":
            return of_cycle, of_bit, DIGIT, 0
        most = 2 * max(of_cycle, of_bit) * self.exposed.denominator
        return of_cycle, of_bit, 0, DIGIT + most.bit_length()

    @property
    def of_port_bit(self) -> int:
        """What a bit of the SRAM's port costs, as time; a cycle costs ``a`` of the factors."""
        parts = self.sram_bits_per_cycle
        return 0 if parts is None else self.factors[0] // parts

    def time(self, compute: int, memory: int) -> int:
        """``max + exposed·min`` of the two, in parts of which their unit has a whole number."""
        if not self.exposed:
            return max(compute, memory)
        small, whole = self.exposed.numerator, self.exposed.denominator
        return max(compute, memory) * whole + min(compute, memory) * small

    def first_of(self, cost: int) -> float:
        """What is minimised first, of a cost: latency in s, or DRAM bits."""
        of_cycle, _, shift, digit = self.factors
        if not shift:
            return float(cost >> digit)
        parts = of_cycle * self.exposed.denominator
        return float(Fraction(cost >> shift, parts) / Fraction(self.clock_hz))
