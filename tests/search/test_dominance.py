"""Costs that nothing equals or beats, and least sums of two parts, against plain comparison."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.arrays import Floats
from codesign.search.dataflow import dominance


def drawn(rng: np.random.Generator, count: int, costs: int) -> Floats:
    """Costs, of many values or few."""
    return rng.integers(0, rng.integers(2, 40, costs), (count, costs)).astype(np.float64)


def compared(costs: Floats) -> list[int]:
    """Rows that no other equals or beats, of equals the first, pair by pair."""
    rows = [tuple(x) for x in costs.tolist()]
    found = []
    for n, mine in enumerate(rows):
        others = (x for m, x in enumerate(rows) if x != mine or m < n)
        if not any(all(a <= b for a, b in zip(x, mine, strict=True)) for x in others):
            found.append(n)
    return found


@pytest.mark.parametrize("costs", range(1, 6))
def test_best_rows_are_those_that_pairs_tell(costs: int) -> None:
    rng = np.random.default_rng(costs)
    for _ in range(20):
        every = drawn(rng, int(rng.integers(0, 60)), costs)
        assert sorted(dominance.best_rows(every).tolist()) == compared(every)


def test_many_levels_of_four_costs_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dominance, "LEVELS", 1)
    every = drawn(np.random.default_rng(0), 200, 4)
    assert sorted(dominance.best_rows(every).tolist()) == compared(every)


@pytest.mark.parametrize("cells", [2, 5, 1024])
def test_a_sieve_drops_many_and_none_of_the_best(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dominance, "CELLS", cells)
    rng, dropped = np.random.default_rng(cells), 0
    for _ in range(20):
        every = drawn(rng, 90, 3)
        sieve = dominance.Sieve(every[:30])
        kept = np.concatenate([sieve.passed(every[n : n + 30]) for n in (0, 30, 60)])
        best = {tuple(every[n]) for n in compared(every)}
        assert best <= {tuple(x) for x in every[kept].tolist()}
        dropped += int((~kept).sum())
    assert dropped > 0


def test_least_sums_are_those_of_all_pairs() -> None:
    rng, found = np.random.default_rng(7), 0
    for _ in range(60):
        one, other = drawn(rng, 12, 3), drawn(rng, 9, 3)
        most = rng.integers(0, 60, 2).astype(np.float64)
        sums = one[:, None] + other[None]
        within = (sums[..., 1:] <= most).all(axis=2)
        least = np.where(within, sums[..., 0], np.inf).min(axis=1)
        assert dominance.least_sums(one, other, most).tolist() == least.tolist()
        found += int(np.isfinite(least).sum())
    assert found > 100


def test_best_of_alike_have_costs_that_nothing_of_their_group_equals_or_beats() -> None:
    rng, dropped = np.random.default_rng(11), 0
    for _ in range(60):
        one, other, level = drawn(rng, 24, 3).T
        group = rng.integers(0, 3, (24, 2)).astype(np.float64)
        kept = dominance.best_of_alike(one[None], other[None], level, group)[0]
        for each in np.unique(group, axis=0):
            mine = np.flatnonzero((group == each).all(axis=1))
            every = np.stack([one, other, level], axis=1)[mine]
            best = {tuple(every[n]) for n in compared(every)}
            assert {tuple(x) for x in every[kept[mine]]} == best
        dropped += int((~kept).sum())
    assert dropped > 0
