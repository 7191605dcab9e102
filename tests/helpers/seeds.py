"""One claim held to many random problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")
GOLDEN = (math.sqrt(5) - 1) / 2


def check_all(seeds: Iterable[int], check: Callable[[int], object]) -> None:
    """Check the problem of every seed; told at the end are all that fail."""
    wrong = []
    for seed in seeds:
        try:
            check(seed)
        except Exception as error:
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    assert not wrong, "\n".join(wrong)


def mostly_long(seeds: Iterable[T], few: int) -> list[T | ParameterSet]:
    """Parameters, or tuples of several, of which every run takes the first few, a long one all."""
    every = list(seeds)
    rest = ((seed if isinstance(seed, tuple) else (seed,)) for seed in every[few:])
    return [*every[:few], *(pytest.param(*values, marks=pytest.mark.long) for values in rest)]


def half_long(seeds: Iterable[T | ParameterSet], step: int = 2) -> list[T | ParameterSet]:
    """Of parameters every run takes every second, or so many apart, a long one all.

    Those with marks keep them. Distances between those taken vary, so that kinds which alternate
    are not left out; a kind of which there are one or two may be, until a long run.
    """
    every = list(seeds)
    plain = [x for x in every if not isinstance(x, ParameterSet)]
    marked = [x for x in every if isinstance(x, ParameterSet)]
    first = [x for n, x in enumerate(plain) if n * GOLDEN % 1 < 1 / step]
    rest = [x for n, x in enumerate(plain) if n * GOLDEN % 1 >= 1 / step]
    return [*mostly_long([*first, *rest], len(first)), *marked]
