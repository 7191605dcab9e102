"""The least cost within a limit on another, over tables that share variables, is the enumerated."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest

from codesign.search.bounds import labels
from codesign.search.bounds.labels import LabelSearch, LabelTable, TooManyLabels


def _random_search(rng: random.Random) -> tuple[LabelSearch, list[tuple[float, float]]]:
    """A search over random tables, and the costs of all that it chooses from."""
    sizes = [rng.randint(1, 3) for _ in range(rng.randint(1, 4))]
    own = np.full((len(sizes), max(sizes), 2), np.inf)
    for v, size in enumerate(sizes):
        for value in range(size - (size > 1 and rng.random() < 0.2)):
            own[v, value] = rng.randint(0, 3), rng.randint(0, 3)
    tables = []
    # Every variable is of some table, as every width is of some layer.
    for n in range(rng.randint(len(sizes), len(sizes) + 2)):
        scope = {n} if n < len(sizes) else set()
        scope = tuple(sorted(scope | {v for v in range(len(sizes)) if rng.random() < 0.4}))
        every = [*product(*(range(sizes[v]) for v in scope))] * 2
        rows = rng.sample(every, rng.randint(1, len(every)))
        values = np.array(rows, dtype=np.int64).reshape(len(rows), len(scope))
        costs = np.array([(rng.randint(0, 9), rng.randint(0, 9)) for _ in rows], dtype=float)
        tables.append(LabelTable(scope, values, costs))
    charge = rng.choice([0.0, 0.5, 1.0, 3.0])
    return LabelSearch(tables, own, sizes, charge), _every_cost(tables, own, sizes)


def _every_cost(
    tables: list[LabelTable], own: np.ndarray, sizes: list[int]
) -> list[tuple[float, float]]:
    found = []
    for values in product(*(range(size) for size in sizes)):
        alone = sum(own[v, value] for v, value in enumerate(values))
        rows = [
            [n for n, x in enumerate(t.values) if [*x] == [values[v] for v in t.scope]]
            for t in tables
        ]
        for entries in product(*rows):
            total = alone + sum(t.costs[n] for t, n in zip(tables, entries, strict=True))
            if np.isfinite(total).all():
                found.append((float(total[0]), float(total[1])))
    return found


@pytest.mark.parametrize("few_rows", [0, labels.FEW_ROWS])
def test_best_within_limit_and_ceiling_is_the_enumerated_one(
    few_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether dominated labels are found one by one, or all at once."""
    monkeypatch.setattr(labels, "FEW_ROWS", few_rows)
    rng = random.Random(0)
    met = 0
    for _ in range(250):
        search, costs = _random_search(rng)
        limit, ceiling = rng.randint(0, 25), rng.randint(5, 60)
        within = [x for x, y in costs if y <= limit and x + search.charge * y <= ceiling + 1e-9]
        best = search.solve(limit, ceiling + 1e-9)
        if not within:
            assert best is None or best.costs[1] <= limit
            continue
        assert best is not None
        assert best.costs[0] == min(within)
        met += 1
        parts = [t.costs[n] for t, n in zip(search.tables, best.entries, strict=True)]
        parts += [search.own[v, value] for v, value in enumerate(best.values)]
        assert (sum(parts) == best.costs).all()
        for table, n in zip(search.tables, best.entries, strict=True):
            assert [*table.values[n]] == [best.values[v] for v in table.scope]
    assert met > 30


def test_too_many_labels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = np.array([(n, 9 - n) for n in range(10)], dtype=float)
    table = LabelTable((), np.zeros((10, 0), dtype=np.int64), costs)
    search = LabelSearch([table, table], np.zeros((0, 1, 2)), [], 1.0)
    assert search.solve(9, 99).costs.tolist() == [9, 9]
    monkeypatch.setattr(labels, "MOST_LABELS", 20)
    with pytest.raises(TooManyLabels):
        search.solve(9, 99)
