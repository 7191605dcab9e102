"""Tiles of pixels: none that could be best is missing, whatever multiple of pixels fills rows."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import product

import oracle_machine
import oracle_tilings
import pytest
from random_networks import Draft, random_network
from small_layers import layer

from codesign import Layer, SpecError
from codesign.costs.compute import PEArray
from codesign.costs.pixel_tiles import PixelTiles, count_pixel_tiles, pixel_tiles
from codesign.costs.tiling import check_tiles

Costs = tuple[int, int, int, int]  # ifmap held, outputs held, ifmap read, trips


def costs_of(described: Layer, p: int, q: int, images: int) -> Costs:
    """What grows with need and traffic, per channel."""
    tile = oracle_tilings.Tile(described.G, described.K, described.C, p, q, images)
    held = oracle_tilings.rows_in(described, p) * oracle_tilings.cols_in(described, q)
    read = oracle_tilings.rows_read(described, tile) * oracle_tilings.cols_read(described, tile)
    count = oracle_tilings.trips(described, tile)["p"]
    return images * held, images * p * q, described.N * read, count


def legal(described: Layer, granule: int) -> Iterable[tuple[int, int, int]]:
    """Every rows × columns × images, tile by tile in order."""
    for p, q in product(range(1, described.P + 1), range(1, described.Q + 1)):
        pixels = [
            min(p, described.P - row) * min(q, described.Q - col)
            for row in range(0, described.P, p)
            for col in range(0, described.Q, q)
        ]
        if oracle_machine.rows_are_full(pixels, granule, "output"):
            yield p, q, 1
    for images in range(2, described.N + 1):
        yield described.P, described.Q, images


def listed(tiles: PixelTiles) -> list[tuple[tuple[int, int, int], Costs, bool]]:
    """Each tile with its costs, and whether it is frugal."""
    each = (tiles.p, tiles.q, tiles.images, tiles.held, tiles.pixels, tiles.read, tiles.trips)
    rows = zip(*(x.tolist() for x in each), strict=True)
    return [((p, q, n), (*of,), x) for (p, q, n, *of), x in zip(rows, tiles.frugal, strict=True)]


def as_good(one: Costs, other: Costs) -> bool:
    """Whether no cost is larger."""
    return all(a <= b for a, b in zip(one, other, strict=True))


def few(costs: Costs) -> Costs:
    """The same where trips beyond one do not count."""
    return *costs[:3], int(costs[3] > 1)


@pytest.mark.parametrize("granule", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("spread", ["input_dilation", "input_repetition"])
def test_every_tile_has_one_as_good_that_is_listed(
    granule: int, spread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Draft, "spread", spread)
    compared = 0
    for seed in range(25):
        network = random_network(random.Random(f"pixels {seed}"), layers=3, moving=True)
        for described in network.layers:
            every = {tile: costs_of(described, *tile) for tile in legal(described, granule)}
            found = listed(pixel_tiles(described, granule))
            for tile, costs, _ in found:
                assert every[tile] == costs
                compared += costs[3] > 1
            frugal = [few(costs) for _, costs, kept in found if kept]
            for costs in every.values():
                assert any(as_good(mine, costs) for _, mine, _ in found)
                assert any(as_good(mine, few(costs)) for mine in frugal)
            for i, (_, mine, _) in enumerate(found):  # and no more than that
                assert not any(as_good(x, mine) for j, (_, x, _) in enumerate(found) if i != j)
            for i, costs in enumerate(frugal):
                assert not any(as_good(x, costs) for j, x in enumerate(frugal) if i != j)
    assert compared > 60


def test_tiles_that_fill_rows_of_the_array() -> None:
    # 6 × 4 outputs in multiples of 8: two or four rows over all 4 columns. One, two or three
    # columns over all 6 rows are 6, 12 or 18, and what is over neither all rows nor all columns
    # leaves a last column of tiles of another multiple.
    tiles = pixel_tiles(layer(P=6, Q=4, H=6, W=4), 8)
    assert set(zip(tiles.p.tolist(), tiles.q.tolist(), strict=True)) == {(2, 4), (4, 4), (6, 4)}


@pytest.mark.parametrize(
    ("described", "told"),
    [
        (layer(P=70_000, Q=70_000, H=70_000, W=70_000), "70000 × 70000 outputs have 2"),
        (
            layer(P=100_000, Q=1000, H=31_623, W=1000, R=2, dilation=(68_378, 1), K=5, C=10_000),
            "tiles of one output each read up to",
        ),
    ],
)
def test_layers_with_too_many_tiles_or_elements(described: Layer, told: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_tiles(described, PEArray(64, 64, 9))
    assert "layer 'l': " in str(caught.value)
    assert told in str(caught.value)


def test_a_large_image_is_within_bounds() -> None:
    described = layer(P=2048, Q=2048, H=2048, W=2048, R=3, S=3)
    check_tiles(described, PEArray(64, 64, 9))
    assert len(pixel_tiles(described).p) < count_pixel_tiles(described) < 10_000
