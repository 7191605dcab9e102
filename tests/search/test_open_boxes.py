"""Boxes are disjoint and hold exactly what no design dominates and no bound rules out."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from enumerated_fronts import Floats

from codesign.search.open_boxes import OpenBoxes

INF = math.inf


class Known:
    """Boxes, and beside them plainly what they were told."""

    def __init__(self, ideal: Floats) -> None:
        self.boxes = OpenBoxes.above(ideal)
        self.ideal = ideal
        self.designs: list[Floats] = []
        self.ruled: list[tuple[float, Floats]] = []

    def dominate(self, design: Floats) -> None:
        self.designs.append(design)
        self.boxes = self.boxes.without_dominated(design)

    def rule(self, bound: float, limits: Floats) -> None:
        self.ruled.append((bound, limits))
        self.boxes = self.boxes.without_empty(bound, limits)

    def holds(self, point: Floats) -> bool:
        """Whether a point is still unexplored, by what the words say."""
        if (point < self.ideal).any():
            return False
        if any((point >= design).all() for design in self.designs):
            return False
        # At a limit itself either will do: boxes contain their low end, limits what they name.
        return not any(point[0] < b and (point[1:] < limits).all() for b, limits in self.ruled)

    def boxes_around(self, point: Floats) -> int:
        """How many boxes hold a point."""
        return int(((self.boxes.low <= point) & (point < self.boxes.high)).all(axis=1).sum())


def told(rng: random.Random, axes: int, count: int) -> Known:
    """Random designs and bounds, many of them level with one another, some without limits."""
    known = Known(np.array([rng.choice((0.0, 0.5, 1.0)) for _ in range(axes)]))
    for _ in range(count):
        values = np.array([float(rng.randint(0, 8)) for _ in range(axes)])
        if rng.random() < 0.5:
            known.dominate(values)
        else:
            free = np.array([rng.random() < 0.2 for _ in range(axes - 1)])
            bound = INF if rng.random() < 0.15 else values[0]
            known.rule(bound, np.where(free, INF, values[1:]))
    return known


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("seed", range(30))
def test_boxes_hold_what_is_unexplored_and_once(seed: int, axes: int) -> None:
    rng = random.Random(f"{seed} {axes}")
    known = told(rng, axes, count=rng.randint(1, 8))
    # Half-way between the numbers used, every combination; then anywhere off them.
    middles = np.stack(np.meshgrid(*[np.arange(0.25, 9, 0.5)] * axes), axis=-1).reshape(-1, axes)
    anywhere = np.array([[rng.uniform(0, 10) for _ in range(axes)] for _ in range(300)])
    for point in np.concatenate([middles, anywhere]):
        assert known.boxes_around(point) == known.holds(point), str(point)
    assert (known.boxes.low < known.boxes.high).all()


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("seed", range(15))
def test_volumes_add_up(seed: int, axes: int) -> None:
    known = told(random.Random(f"volume {seed} {axes}"), axes, count=6)
    worst = np.full(axes, 9.0)
    # Every face lies on a whole or half number: cells of that size are unexplored as a whole.
    cells = np.stack(np.meshgrid(*[np.arange(0.25, 9, 0.5)] * axes), axis=-1).reshape(-1, axes)
    volume = sum(known.holds(cell) for cell in cells) * 0.5**axes
    assert known.boxes.volumes(worst).sum() == pytest.approx(volume)


def test_two_objectives_by_hand() -> None:
    boxes = OpenBoxes.above(np.array([1.0, 1.0]))
    boxes = boxes.without_dominated(np.array([2.0, 5.0]))
    boxes = boxes.without_dominated(np.array([4.0, 1.0]))
    boxes = boxes.without_empty(2.0, np.array([INF]))
    # Left: first objective from 2 to 4, second from 1 to 5.
    assert boxes.volumes(np.array([10.0, 10.0])).sum() == pytest.approx(2 * 4)
    boxes = boxes.without_empty(3.0, np.array([3.0]))
    assert boxes.volumes(np.array([10.0, 10.0])).sum() == pytest.approx(2 * 4 - 1 * 2)
    assert boxes.volumes(np.array([2.5, 10.0])).sum() == pytest.approx(0.5 * 2)
    boxes = boxes.without_empty(INF, np.array([2.0]))  # no design at all below 2
    assert boxes.volumes(np.array([10.0, 10.0])).sum() == pytest.approx(2 * 4 - 2 - 1)
    assert boxes.low[:, 1].min() == 2.0
    boxes = boxes.above_all(np.array([3.0, 0.0]))
    assert boxes.volumes(np.array([10.0, 10.0])).sum() == pytest.approx(1 * 3)


def test_three_objectives_by_hand() -> None:
    boxes = OpenBoxes.above(np.zeros(3)).without_dominated(np.array([1.0, 2.0, 3.0]))
    worst = np.array([4.0, 5.0, 6.0])
    assert boxes.volumes(worst).sum() == pytest.approx(4 * 5 * 6 - 3 * 3 * 3)
    boxes = boxes.without_empty(2.0, np.array([2.0, INF]))  # disjoint from what is dominated
    assert boxes.volumes(worst).sum() == pytest.approx(4 * 5 * 6 - 27 - 2 * 2 * 6)
    boxes = boxes.without_empty(2.0, np.array([INF, INF]))  # of that 1·3·3 is dominated
    assert boxes.volumes(worst).sum() == pytest.approx(4 * 5 * 6 - 27 - 2 * 5 * 6 + 1 * 3 * 3)


def test_all_is_explored() -> None:
    boxes = OpenBoxes.above(np.array([1.0, 2.0])).without_dominated(np.array([1.0, 2.0]))
    assert len(boxes) == 0
    assert boxes.volumes(np.array([5.0, 5.0])).tolist() == []
    boxes = OpenBoxes.above(np.zeros(3)).without_empty(INF, np.array([INF, INF]))
    assert len(boxes) == 0
