"""Arrays of whole numbers that are exact: of 64 bits where all fit, else Python's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[Any]
MOST_IN_64_BITS = 2**61  # so that two can be added


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


def largest(values: Whole, signed: bool = False) -> int:
    """The largest size of some numbers, of either sign if ``signed``; 0 where there are none."""
    most = int(values.max(initial=0))
    return max(most, -int(values.min(initial=0))) if signed else most
