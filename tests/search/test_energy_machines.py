"""Energy on machines with optional terms, alone and against other metrics, held to enumeration.

Cycles to fill and load, times that overlap in part, buffers of operands' own; mappings of layers'
own, PEs that split.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from compare_energy import check
from compare_fronts import assert_same, check_points
from enumerated_energy import EnergyPoint
from enumerated_fronts import Floats, nondominated
from random_energy import TERMS, drawn

from codesign import pareto

FRONT_KINDS = (*TERMS, "none", "tensors", "mapping", "reconfigurable", "widening")
OBJECTIVES = (
    ("latency_s", "energy_j"),
    ("energy_j", "area_mm2"),
    ("energy_j", "noise"),
    ("latency_s", "energy_j", "area_mm2"),
)
MOST_OF_FRONT = {2: 5, 3: 4}  # points, by the number of objectives


@pytest.mark.parametrize(
    ("seed", "kind"), [(2, "fill"), (12, "overlap"), (2, "buffers"), (13, "all")]
)
def test_the_optimum_on_machines_of_all_kinds(seed: int, kind: str) -> None:
    check(seed, kind)


@pytest.mark.long
@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("block", range(5))
def test_the_optimum_on_machines_of_all_kinds_at_length(block: int, kind: str) -> None:
    for seed in range(100 + 20 * block, 120 + 20 * block):
        if drawn(seed, kind)[1]:
            check(seed, kind, "whole" if seed % 4 == 0 else "search")


def compare_front(seed: int, kind: str) -> int:
    """Hold a front to the enumerated one; returns its points, 0 where there is none."""
    problem, points = drawn(seed, kind)
    objectives = OBJECTIVES[seed % len(OBJECTIVES)]
    problem = replace(problem, budgets={}, quality=None)
    if not points:
        return 0
    front = nondominated(_values(points, objectives))
    most = MOST_OF_FRONT[len(objectives)]
    if len(front) > most:
        last, limit = objectives[-1], float(np.sort(front[:, -1])[most - 1])
        problem = replace(problem, budgets={last: limit})
        front = front[front[:, -1] <= limit * (1 + 1e-9)]
    found = pareto(problem, objectives, points=None)
    assert found.complete
    assert_same(found.values, front)
    check_points(found)
    return len(front)


def _values(points: list[EnergyPoint], objectives: tuple[str, ...]) -> Floats:
    return np.array([[point.metrics[name] for name in objectives] for point in points])


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind"), [(3, "none"), (7, "tensors"), (9, "reconfigurable")])
def test_fronts_with_energy_are_the_enumerated_ones(seed: int, kind: str) -> None:
    assert compare_front(seed, kind) >= 3


@pytest.mark.long
@pytest.mark.parametrize("kind", FRONT_KINDS)
@pytest.mark.parametrize("block", range(4))
def test_fronts_with_energy_are_the_enumerated_ones_at_length(block: int, kind: str) -> None:
    for seed in range(12 * block, 12 * block + 12):
        compare_front(seed, kind)
