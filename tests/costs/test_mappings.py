"""Cycles and tilings of layers in every mapping, held to plain counting.

The oracle's arithmetic, and what it rests on: tiles worked off one by one, each as a layer of its
own, keep the array no longer than the whole layer does.
"""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import oracle_machine
import oracle_tilings
import pytest
from random_machines import FACTORS, KERNELS
from random_networks import random_network
from seeds import check_all

from codesign import Choices
from codesign.costs.compute import PEArray, cycles, side_by_side, trips, widened
from codesign.costs.tiling import ORDERS, least_needs, operand_bits, tilings
from codesign.specs.machine import MAPPINGS, Mapping
from codesign.specs.network import Layer

SIDES = (1, 2, 3, 4, 5, 6, 8, 12, 16)
ENGINES = (1, 2, 4, 9, 9, 9, 18, 36, 64)
BITS = ((1, 1), (1, 16), (16, 1), (4, 8), (7, 3))
SEEDS = range(12)
BLOCK = 100
LONG_BLOCKS = range(1000, 2000, BLOCK)


def random_layers(rng: random.Random) -> list[Layer]:
    """Layers of all kinds that multiply, grouped, strided and transposed ones among them."""
    network = random_network(rng, layers=4, scale=rng.choice((1, 1, 2)), moving=rng.random() < 0.5)
    return [layer for layer in network.layers if not layer.moves]


def random_machine(rng: random.Random) -> Choices:
    factors = {kernel: rng.choice(FACTORS) for kernel in KERNELS if rng.random() < 0.5}
    fill, load = rng.random() < 0.5, rng.random() < 0.5
    return Choices(fill_cycles=fill, weight_load=load, cycle_factors=factors)


# --- cycles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_cycles_are_the_counted_ones(mapping: Mapping) -> None:
    for seed in range(30):
        rng = random.Random(f"cycles {mapping} {seed}")
        machine, engine = random_machine(rng), rng.choice(ENGINES)
        rows, cols = (np.array(rng.sample(SIDES, 4)) for _ in range(2))
        for layer in random_layers(rng):
            found = cycles(layer, rows[:, None], cols, engine, mapping, machine)
            truth = [
                oracle_machine.machine_cycles(machine, layer, r, c, engine, mapping)
                for r, c in product(rows.tolist(), cols.tolist())
            ]
            assert found.ravel().tolist() == truth


def test_a_pe_splits_as_often_as_its_parts_hold_the_operands() -> None:
    for pe in product((1, 2, 4, 8, 16, 32), repeat=2):
        for bits in product(range(1, pe[0] + 1), range(1, pe[1] + 1)):
            assert widened(9, *bits, *pe) == oracle_machine.split_engine(9, bits, pe)


# --- tiles keep the array busy ------------------------------------------------------------------


def parts(size: int, tile: int) -> list[int]:
    """Sizes of the tiles of a loop, the last with what is left."""
    return [min(tile, size - first) for first in range(0, size, tile)]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_tiles_one_by_one_take_as_long_as_the_layer(mapping: Mapping) -> None:
    compared = 0
    for seed in range(40):
        rng = random.Random(f"tiles {mapping} {seed}")
        array = rng.choice(SIDES), rng.choice(SIDES), rng.choice(ENGINES), mapping
        for layer in random_layers(rng):
            whole = oracle_machine.array_cycles(layer, *array)
            found = tilings(layer, PEArray(*array))
            for row in rng.sample(range(len(found)), min(4, len(found))):
                sizes = dict(zip(TILE, found.tile[row].tolist(), strict=True))
                assert tiles_cycles(layer, sizes, array) == whole
                compared += 1
    assert compared > 300


TILE = ("g", "k", "c", "p", "q", "images")


def tiles_cycles(layer: Layer, tile: dict[str, int], array: tuple[int, int, int, str]) -> int:
    """Cycles of all tiles, each laid over the array as a layer would be.

    Groups that run side by side in the whole layer do so in a tile; without, one runs after the
    other. Images, rows and pixels of a tile share the array as those of the layer do.
    """
    together, cols = oracle_machine.groups_at_once(layer, *array), array[1]
    count, channels = 0, product(*(parts(getattr(layer, x.upper()), tile[x]) for x in "gkc"))
    for (g, k, c), (n, pixels) in product(channels, image_tiles(layer, tile)):
        part = (c * layer.R * layer.S, n, pixels)
        count += -(-g // together) * -(-k // cols) * turns_of(layer, c, part, array)
    return count


def image_tiles(layer: Layer, tile: dict[str, int]) -> list[tuple[int, int]]:
    """Images and output pixels of each tile of pixels."""
    pixels = [p * q for p, q in product(parts(layer.P, tile["p"]), _columns(layer, tile))]
    if len(pixels) > 1:
        return [(1, x) for _ in range(layer.N) for x in pixels]
    return [(n, layer.P * layer.Q) for n in parts(layer.N, tile["images"])]


def _columns(layer: Layer, tile: dict[str, int]) -> list[int]:
    return parts(layer.Q, tile["q"])


def turns_of(
    layer: Layer, channels: int, part: tuple[int, int, int], array: tuple[int, int, int, str]
) -> int:
    """Turns over the products and the pixels of a tile."""
    rows, _, engine, mapping = array
    summed, images, pixels = part
    if mapping == "window":
        window = layer.R * layer.S
        each = -(-channels // (rows * max(1, engine // window))) * -(-window // engine)
        return each * images * pixels
    if mapping == "im2col":
        return -(-summed // (rows * engine)) * images * pixels
    return -(-summed // engine) * images * -(-pixels // rows)


# --- tilings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_tiling_is_missing_and_none_is_illegal(seed: int, mapping: Mapping) -> None:
    check_tilings(seed, mapping)


@pytest.mark.long
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_no_tiling_is_missing_and_none_is_illegal_long(first: int, mapping: Mapping) -> None:
    check_all(range(first, first + BLOCK), lambda seed: check_tilings(seed, mapping))


def check_tilings(seed: int, mapping: Mapping) -> None:
    rng = random.Random(f"tilings {mapping} {seed}")
    array = rng.choice(SIDES), rng.choice(SIDES), rng.choice(ENGINES), mapping
    for layer in random_layers(rng):
        found = tilings(layer, PEArray(*array))
        legal = set(oracle_tilings.legal_tiles(layer, *array))
        kept = set()
        for i in range(len(found)):
            tile = oracle_tilings.Tile(*found.tile[i].tolist())
            assert tile in legal
            cost = oracle_tilings.tiling_cost(layer, tile, ORDERS[int(found.order[i])])
            assert (*found.need[i].tolist(), *found.traffic[i].tolist()) == cost
            kept.add(cost)
        every = oracle_tilings.layer_costs(layer, *array)
        for bw, ba in BITS:
            best = oracle_tilings.best_tilings(layer, every, bw, ba)
            assert oracle_tilings.best_tilings(layer, kept, bw, ba) == best
            resident = oracle_tilings.best_tilings(layer, every, bw, ba, True, True)
            assert oracle_tilings.best_tilings(layer, kept, bw, ba, True, True) == resident


# --- what is known of tilings beforehand --------------------------------------------------------


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_no_tiling_needs_less_than_the_least(mapping: Mapping) -> None:
    """With one row, column and multiplier, of any array in any mapping."""
    one = np.array([1])
    for seed in range(20):
        rng = random.Random(f"least {mapping} {seed}")
        array = rng.choice(SIDES), rng.choice(SIDES), rng.choice(ENGINES), mapping
        for layer in random_layers(rng):
            least = least_needs(layer, one, one, 1)[0]
            every = oracle_tilings.layer_costs(layer, *array)
            for (bw, ba), kept in product(BITS, product((0, 1), repeat=2)):
                bits = operand_bits(bw, ba, layer.accumulation_bits) * np.array([*kept, 1])
                assert (least @ bits).min() <= min(np.array(x[:3]) @ bits for x in every)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_equal_trips_are_equal_cycles_and_tiles_no_larger(mapping: Mapping) -> None:
    alike = 0
    for seed in range(10):
        rng = random.Random(f"trips {mapping} {seed}")
        sides, engine = np.array(sorted(rng.sample(SIDES, 6))), rng.choice(ENGINES)
        for layer in random_layers(rng):
            tables = trips(layer, sides, sides, engine, mapping)
            (r, a), (c, b) = (rng.choice(equal_rows(table)) for table in tables)
            small, large = ((int(sides[i]), int(sides[j]), engine) for i, j in ((r, c), (a, b)))
            if small == large:
                continue
            counts = [int(cycles(layer, *x, mapping)) for x in (small, large)]
            assert counts[0] == counts[1]
            best, other = (
                oracle_tilings.best_tilings(
                    layer, oracle_tilings.layer_costs(layer, *x, mapping), 4, 4
                )
                for x in (small, large)
            )
            for need, traffic in other:
                assert oracle_tilings.least_traffic(best, need) <= traffic
            alike += 1
    assert alike > 10


def equal_rows(table: np.ndarray) -> list[tuple[int, int]]:
    """Numbers of equal rows, the smaller first; those of one row with itself last."""
    rows = [tuple(row) for row in table.tolist()]
    every = [(i, j) for i, x in enumerate(rows) for j, y in enumerate(rows) if x == y and i <= j]
    return [pair for pair in every if pair[0] < pair[1]] or every


def test_groups_side_by_side_are_never_more_than_there_are() -> None:
    for seed in range(20):
        rng = random.Random(f"groups {seed}")
        for layer, mapping in product(random_layers(rng), MAPPINGS):
            engine = rng.choice(ENGINES)
            rows, cols = (x.ravel() for x in np.meshgrid(SIDES, SIDES, indexing="ij"))
            found = side_by_side(layer, rows, cols, engine, mapping)
            truth = [
                oracle_machine.groups_at_once(layer, r, c, engine, mapping)
                for r, c in product(SIDES, repeat=2)
            ]
            assert found.ravel().tolist() == truth
