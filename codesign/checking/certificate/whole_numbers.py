"""Arrays of whole numbers that are exact: of 64 bits where all fit, else Python's own."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[Any]
MOST_IN_64_BITS = 2**61  # so that two can be added
FACTOR_DIGITS = 30  # binary, of a factor that is rounded


def whole_numbers(values: Iterable[int]) -> Whole:
    """As an array."""
    listed = list(values)
    fit = all(x < MOST_IN_64_BITS for x in listed)
    return np.array(listed, dtype=np.int64 if fit else object)


def times(values: Whole, factor: int, signed: bool = False) -> Whole:
    """Whole numbers times another of at least 0; ``signed``: some of them may be below 0."""
    if max(largest(values, signed), 1) * factor >= MOST_IN_64_BITS:
        values = values.astype(object)
    return values * factor


def rounded_down(values: Whole, factor: Fraction, signed: bool = False) -> Whole:
    """Whole numbers times a factor of at least 0, rounded down.

    Each by less than 1 and ``2^-29`` of itself. ``signed``: some of them may be below 0, of which
    this is no more than what the others lose, where all add up to 0 at least.
    """
    if not factor:
        return np.zeros(values.shape, dtype=np.int64)
    digits = factor.numerator.bit_length() - factor.denominator.bit_length()
    shift = FACTOR_DIGITS - digits
    found = times(values, math.floor(factor * Fraction(2) ** shift), signed)
    found = found >> shift if shift >= 0 else times(found, 2**-shift, signed)
    if found.dtype == object and largest(found, signed) < MOST_IN_64_BITS:
        return found.astype(np.int64)
    return found


def largest(values: Whole, signed: bool = False) -> int:
    """The largest size of some numbers, of either sign if ``signed``; 0 where there are none."""
    most = int(values.max(initial=0))
    return max(most, -int(values.min(initial=0))) if signed else most
