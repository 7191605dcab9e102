"""One claim held to many random problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

T = TypeVar("T")


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
    """Parameters of which every run takes the first few, and a long one all."""
    every = list(seeds)
    return [*every[:few], *(pytest.param(seed, marks=pytest.mark.long) for seed in every[few:])]
