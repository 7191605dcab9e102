"""Given tilings: need and traffic as the oracle's, cycles as those of each tile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import product

import oracle_tilings
import pytest
from random_problems import random_network
from seeds import mostly_long

from codesign.costs.compute import PEArray, cycles
from codesign.costs.given_tiling import GivenTiling, given_cycles, one_tiling
from codesign.costs.layers import Tile
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Mapping
from codesign.specs.network import Layer

PARTS = [part.name for part in fields(Tile)]


def random_layer(rng: random.Random) -> Layer:
    layers = random_network(rng, layers=1).layers
    return rng.choice([layer for layer in layers if not layer.moves] or [random_layer(rng)])


def random_tile(rng: random.Random, layer: Layer) -> Tile:
    """Of any size, no matter what the array would want."""
    sizes = {"g": layer.G, "k": layer.K, "c": layer.C, "p": layer.P, "q": layer.Q}
    tile = {part: rng.randint(1, sizes[part]) for part in PARTS if part in sizes}
    if rng.random() < 0.3:
        tile |= {part: sizes[part] for part in ("p", "q") if part in PARTS}
    whole = all(tile[part] == sizes[part] for part in ("p", "q") if part in PARTS)
    return Tile(**tile, images=rng.randint(1, layer.N) if whole else 1)


def random_machine(rng: random.Random, mapping: Mapping) -> Accelerator:
    return Accelerator(
        name="random",
        rows=rng.choice((1, 2, 3, 4, 6)),
        cols=rng.choice((1, 2, 3, 4, 6)),
        engine=rng.choice((1, 2, 4, 9)),
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=1e9,
        mapping=mapping,
    )


def parts_of(size: int, tile: int) -> Iterator[int]:
    """Sizes of the tiles along one loop, one by one."""
    yield from (min(tile, size - start) for start in range(0, size, tile))


def cycles_one_by_one(layer: Layer, tile: Tile, array: PEArray) -> int:
    """Every tile laid over the array on its own."""
    on = array.rows, array.cols, array.engine, array.mapping
    columns = getattr(tile, "q", layer.Q)
    spans = [(images, layer.P, layer.Q) for images in parts_of(layer.N, tile.images)]
    if (tile.p, columns) != (layer.P, layer.Q):
        each = product(parts_of(layer.P, tile.p), parts_of(layer.Q, columns))
        spans = [(1, p, q) for p, q in each] * layer.N
    channels = product(
        parts_of(layer.G, tile.g), parts_of(layer.K, tile.k), parts_of(layer.C, tile.c)
    )
    pieces = [
        replace(layer, G=g, K=k, C=c, N=n, P=p, Q=q) for g, k, c in channels for n, p, q in spans
    ]
    return sum(int(cycles(piece, *on)) for piece in pieces)


@pytest.mark.parametrize("seed", mostly_long(range(60), 20))
def test_need_and_traffic_are_the_oracles(seed: int) -> None:
    rng = random.Random(f"given tiling {seed}")
    layer = random_layer(rng)
    tile, order = random_tile(rng, layer), rng.choice(oracle_tilings.ORDERS)
    table = one_tiling(layer, GivenTiling(tile=tile, order=order))
    theirs = oracle_tilings.Tile(*(getattr(tile, part) for part in oracle_tilings.Tile._fields))
    cost = oracle_tilings.tiling_cost(layer, theirs, order)
    assert (*table.need[0], *table.traffic[0]) == tuple(cost)
    assert len(table) == 1


@pytest.mark.parametrize("mapping", ["window", "im2col", "output"])
@pytest.mark.parametrize("seed", mostly_long(range(30), 12))
def test_cycles_are_those_of_each_tile(mapping: Mapping, seed: int) -> None:
    rng = random.Random(f"cycles of tiles {seed}")
    layer, machine = random_layer(rng), random_machine(rng, mapping)
    tile = random_tile(rng, layer)
    array = PEArray(machine.rows, machine.cols, machine.engine, mapping)
    bits = dict.fromkeys((layer.input, layer.output), 8)
    found = given_cycles(layer, machine, 8, bits, tile, mapping)
    assert found == cycles_one_by_one(layer, tile, array)
    assert found >= cycles(layer, machine.rows, machine.cols, machine.engine, mapping)


def test_a_tile_that_leaves_columns_idle_takes_longer() -> None:
    layer = Layer(name="a", K=64, C=12, P=4, Q=4, H=4, W=4, input="x", output="y")
    eyeriss = Accelerator(
        name="12 × 14", rows=12, cols=14, engine=1, pe_weight_bits=8, pe_activation_bits=8,
        clock_hz=1e9,
    )  # fmt: skip
    bits = {"x": 8, "y": 8}
    parts = dict.fromkeys(PARTS, 1) | {"c": 12, "p": 4}
    parts |= {"q": 4} if "q" in PARTS else {}

    def count(k: int) -> int:
        return given_cycles(layer, eyeriss, 8, bits, Tile(**parts | {"k": k}), "window")

    assert count(64) == 4 * 4 * 5  # ⌈64/14⌉
    assert count(28) == 4 * 4 * 5  # 28, 28 and 8: 2 + 2 + 1
    assert count(20) == 4 * 4 * 7  # 20, 20, 20 and 4: 2 + 2 + 2 + 1


def test_fill_cycles_are_counted_per_pass_of_the_tiles() -> None:
    layer = Layer(name="a", K=6, C=3, P=2, Q=2, H=2, W=2, input="x", output="y")
    machine = Accelerator(
        name="4 × 4", rows=4, cols=4, engine=1, pe_weight_bits=8, pe_activation_bits=8,
        clock_hz=1e9, fill_cycles=True,
    )  # fmt: skip
    parts = dict.fromkeys(PARTS, 2) | {"g": 1, "images": 1, "c": 3}
    on = layer, machine, 8, {"x": 8, "y": 8}
    assert given_cycles(*on, Tile(**parts | {"k": 4}), "window") == 2 * (4 + 7)  # 4 and 2
    assert given_cycles(*on, Tile(**parts | {"k": 3}), "window") == 2 * (4 + 7)  # 3 and 3
    assert given_cycles(*on, Tile(**parts | {"k": 2}), "window") == 3 * (4 + 7)  # 2, 2 and 2
