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
from codesign.search.bounds.charged_costs import charged_costs, energies_alone
from codesign.search.bounds.layer_tables import ONLY_ENERGY
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.option_batches import OptionBatches
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


@pytest.mark.parametrize("on_chip", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_rooms_are_looked_up_where_one_step_ends_and_the_next_begins(
    seed: int, on_chip: bool
) -> None:
    """One less than each tiling needs, just so much, and one more; and beside tensors on chip."""
    space = space_of("", on_chip, seed)
    for shape in (0, len(space.shapes) - 1):
        table = space.rooms(shape)
        row = np.arange(table.least.size)
        which, need, traffic = table.steps(row, np.zeros(len(row)), np.full(len(row), np.inf))
        asked = np.repeat(which, 3)
        room = np.repeat(need, 3) + np.tile([-1, 0, 1], len(need))
        fits = (which == asked[:, None]) & (need <= room[:, None])
        right = np.where(fits, traffic, np.inf).min(axis=1)
        assert np.array_equal(table.traffic(asked, room.astype(float)), right)
        sram_bits = np.array([room.max() + 7, room.max() + 7, 1])
        held = (sram_bits[0] - room).astype(np.int64)
        beside = table.traffic_beside(asked, held, sram_bits.astype(float))
        assert np.array_equal(beside[:2], [right, right])
        assert np.array_equal(beside[2], table.traffic(asked, 1.0 - held))


@pytest.mark.parametrize("roughly", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_energies_of_tables_are_their_parts_added_up(seed: int, kind: str, roughly: bool) -> None:
    """Those of layers beside open places, which are worked out in one go."""
    space = space_of(kind, True, seed)
    batches = OptionBatches(space, ("energy_j",))
    options = np.arange(0, len(space.shape_of), max(1, len(space.shape_of) // 5))
    sram_bits = np.linspace(1.1, 3.0, len(options)) * space.min_sram_bits_of_shapes.max()
    batch = batches.of_options(options, sram_bits, roughly=roughly)
    tables, some = Relaxation(space).of(batch).tables, np.arange(1, len(batch))
    energy = space.additive_metrics.index("energy_j")
    for n, family in enumerate(tables.families):
        shape = len(batch), len(family.geometry), *family.sizes
        for mode in batch.each_mode:
            parts = charged_costs(mode, ONLY_ENERGY, *tables.costs_of(n, mode))
            right = np.broadcast_to(sum(parts[1:], parts[0]), shape)
            found = energies_alone(family, mode, space.dram_bits_per_s)
            assert np.allclose(found, right, rtol=1e-12, atol=0)
            apart = energies_alone(family, mode.take(some), space.dram_bits_per_s)
            assert np.array_equal(apart, found[some])
            most = np.where(np.isinf(found), -np.inf, found).max(axis=tuple(range(2, found.ndim)))
            assert np.array_equal(tables.largest(n, mode, energy), most)
