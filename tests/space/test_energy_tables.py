"""What the space says of energies beforehand, held to every tiling: never more than it takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from random_on_chip import on_chip_case
from random_problems import random_case

from codesign.costs.tiling import Tilings, operand_bits
from codesign.problem.problem import Problem
from codesign.space.hardware import HardwareSpace
from codesign.specs.network import Layer, Network

KINDS = ("", "mapping", "reconfigurable")
SEEDS = range(4)
ROUNDING = 1 + 1e-12


def strided(rng: random.Random) -> Network:
    """Two layers whose strides skip rows and columns of their input."""
    layers, C, H, W = [], rng.choice((2, 3, 6)), rng.choice((10, 13)), rng.choice((9, 12))
    tensors = {"t0": C * H * W}
    for n, (R, stride) in enumerate(rng.sample([(1, 2), (1, 3), (2, 3), (3, 2)], 2)):
        K, P, Q = rng.choice((2, 4, 6)), (H - R) // stride + 1, (W - R) // stride + 1
        sides = {"K": K, "C": C, "P": P, "Q": Q, "R": R, "S": R, "H": H, "W": W}
        names = {"name": f"layer{n}", "input": f"t{n}", "output": f"t{n + 1}"}
        layers.append(Layer(**names, **sides, stride=(stride, stride)))
        C, H, W = K, P, Q
        tensors[f"t{n + 1}"] = C * H * W
    return Network(name="strided", layers=tuple(layers), tensors=tensors)


@cache
def space_of(kind: str, on_chip: bool, seed: int) -> HardwareSpace:
    """A space that counts energy, on a kind of machine."""
    case = on_chip_case(seed, "moving", kind) if on_chip else random_case(seed, machine=kind)
    rng = random.Random(f"energy tables {kind} {seed}")
    problem: Problem = case.problem
    given = problem.technology.energy
    assert given is not None
    reads = {"sram_read_j_per_bit": 1e-12 * 10 ** rng.uniform(-1, 2)}
    technology = replace(problem.technology, energy=replace(given, **reads))
    problem = replace(problem, technology=technology, budgets={}, quality=None)
    if seed % 2:
        choices = replace(problem.choices, places={}, pinned={}, shared=())
        problem = replace(problem, network=strided(rng), choices=choices, sensitivity=None)
    space = HardwareSpace(replace(problem, dram_energy_j_per_bit=4e-12))
    space.count_energy()
    return space


def tilings_of(space: HardwareSpace, shape: int) -> Iterator[tuple[int, int, int, Tilings]]:
    """Kind of layer, geometry, mode and all tilings."""
    for mode in range(len(space.modes)):
        for variant in range(space.variant_count):
            for geometry in range(len(space.geometries)):
                tiles = space.staircase(shape, geometry, variant, mode).tilings
                yield variant * len(space.geometries) + geometry, geometry, mode, tiles


@pytest.mark.parametrize("on_chip", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_tiling_takes_less_than_is_said(seed: int, kind: str, on_chip: bool) -> None:
    space = space_of(kind, on_chip, seed)
    assert space.energy is not None
    for shape in sorted({0, len(space.shapes) - 1}):
        most = space.most_need(shape, True)
        for k, g, mode, tiles in tilings_of(space, shape):
            rough = space.priced_rooms(shape, mode)
            per_bit = space.energy.per_bit(space.energy.mapping(shape, mode), g)
            for w, a in ((0, 0), (0, -1), (-1, -1)):
                bits = operand_bits(
                    int(space.widths[w]),
                    int(space.widths[a]),
                    space.geometries[g].accumulation_bits,
                )
                need = space.tile_bits(tiles.need, bits)
                moved_j = (tiles.traffic * per_bit) @ bits
                fits = np.flatnonzero(np.isfinite(need))
                assert (space.compulsory_j[k, w, a] <= moved_j[fits] * ROUNDING).all()
                for n in fits[:: max(1, len(fits) // 20)].tolist():
                    bound = rough.within(need[[n]])[0, k, w, a]
                    within = fits[need[fits] <= need[n]]
                    assert bound <= moved_j[within].min() * ROUNDING
                best = fits[moved_j[fits] == moved_j[fits].min(initial=np.inf)]
                if len(best) and np.isfinite(most[k, w, a]):
                    assert need[best].min() <= most[k, w, a] * ROUNDING


@pytest.mark.parametrize("on_chip", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_tiling_is_better_than_ideal(seed: int, on_chip: bool) -> None:
    """In DRAM bits and in energy, on any array and within any room."""
    given = space_of("", on_chip, seed).problem
    choices = replace(given.choices, rows=(2, 4, 6), cols=(2, 8), square=False)
    space = HardwareSpace(replace(given, choices=choices))
    space.count_energy()
    ideal, finest = space.with_ideal_tilings(), space.finest
    assert finest is not None
    for shape in range(len(space.shapes)):
        needs = space.rooms(shape).needs.astype(float)
        few = needs[:: max(1, len(needs) // 40)]
        for room in (few, few - 1, np.array([np.inf])):
            bits = space.rooms(shape).within(room)
            assert (ideal.rooms(finest).within(room) <= bits).all()
            energy_j = space.rooms(shape, energy=True).within(room)
            assert (ideal.priced_rooms(finest).within(room) <= energy_j * ROUNDING).all()
        assert (ideal.rooms(finest).most <= space.rooms(shape).most).all()
