"""A solution's least SRAM, and tilings that are never priced because others beat them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from random_problems import random_case
from seeds import mostly_long

from codesign import Layer, Network, Problem, load_network
from codesign.space import staircase
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, least_sram, price
from codesign.space.staircase import Staircase

SEEDS = range(30)
SHRINKABLE = ("latency_s", "dram_bits")


def some_point(space: HardwareSpace, rng: random.Random) -> Solution | None:
    """Hardware, widths and a capacity at random; None where no tile fits."""
    option = rng.randrange(len(space))
    variable_width = [int(rng.choice(np.flatnonzero(ok))) for ok in space.variable_allowed]
    free = [int(rng.choice(np.flatnonzero(ok))) for ok in space.weight_allowed]
    pairs = zip(space.weight_index, free, strict=True)
    weight = [w if variable is None else variable_width[variable] for variable, w in pairs]
    return price(space, option, variable_width, weight, 10 ** rng.uniform(2, 6))


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 7))
def test_the_least_sram_is_that_of_a_scan(seed: int) -> None:
    rng = random.Random(f"least SRAM {seed}")
    space = HardwareSpace(random_case(seed).problem)
    for _ in range(20):
        point = some_point(space, rng)
        if point is None:
            continue
        limits = {name: point.metrics[name] * rng.choice((1.0, 1.1, 2.0)) for name in SHRINKABLE}
        del limits[rng.choice(SHRINKABLE)]
        needs = [point.sram_bits]
        for g in range(len(space.geometries)):
            stairs = space.staircase(int(space.shape_of[point.option]), g)
            needs += stairs.need[np.isfinite(stairs.need)].astype(int).tolist()
        within = []
        for bits in sorted(set(needs)):
            smaller = price(space, point.option, point.variable_width, point.weight, bits)
            keeps = smaller is not None and all(
                smaller.metrics[name] <= limit * (1 + 1e-9) for name, limit in limits.items()
            )
            if keeps and bits <= point.sram_bits:
                within.append(smaller)
        found = least_sram(space, point, limits)
        assert found.sram_bits == min(p.sram_bits for p in within if p is not None)
        assert found.metrics["area_mm2"] <= point.metrics["area_mm2"]
        assert found.metrics["noise"] == point.metrics["noise"]


def test_a_point_over_its_limits_stays_as_it_is() -> None:
    space = HardwareSpace(random_case(0).problem)
    point = next(p for p in (some_point(space, random.Random(n)) for n in range(99)) if p)
    assert least_sram(space, point, {"latency_s": point.metrics["latency_s"] / 2}) == point


def large_layer() -> Problem:
    """One layer with some thousand tilings."""
    layer = Layer(name="l", K=96, C=72, P=28, Q=28, R=3, S=3, H=28, W=28, input="x", output="y")
    tensors = {"x": layer.ifmap, "y": layer.computed_outputs}
    return Problem(network=Network(name="one", layers=(layer,), tensors=tensors))


@pytest.mark.parametrize("problem", [large_layer(), Problem(network=load_network("resnet18"))])
def test_tilings_beaten_at_all_widths_are_on_no_staircase(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def staircases() -> list[Staircase]:
        space = HardwareSpace(problem)
        shapes = range(0, len(space.shapes), 31)
        return [space.staircase(s, g) for s in shapes for g in range(len(space.geometries))]

    pruned, left = staircases(), []
    real = staircase._undominated
    monkeypatch.setattr(
        staircase,
        "_undominated",
        lambda tiles, *costs: (
            left.append((len(real(tiles, *costs)), len(tiles))) or np.arange(len(tiles))
        ),
    )
    for some, every in zip(pruned, staircases(), strict=True):
        assert np.array_equal(some.need, every.need)
        assert np.array_equal(some.traffic, every.traffic)
    worth, all_of_them = np.sum(left, axis=0)
    assert worth < 0.5 * all_of_them
