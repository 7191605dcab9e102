"""Tiles that are given, not chosen: of any size up to the layer's, and cycles of each.

A given tile may leave PEs idle that the whole layer would keep busy. The layer is then cut along
the loops whose tiles do not fill whole turns of the array, and each piece takes its own cycles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

from codesign.checking.cost_model import (
    Array,
    Tile,
    ceil_div,
    channel_step,
    fills_turns,
    groups_at_once,
    phases_of_tiles,
    pixel_step,
)
from codesign.checking.network import Layer

Cycles = Callable[[Layer, Array], int]
LETTERS = {"g": "G", "k": "K", "c": "C", "p": "P", "q": "Q"}  # the layer's size along each part


def size_faults(layer: Layer, tile: Tile) -> list[tuple[str, str]]:
    """Which parts of a tile are larger than the layer, or nothing; several images are whole."""
    most = {part: getattr(layer, letter) for part, letter in LETTERS.items()}
    sizes = _sizes(layer, tile)
    whole = (sizes["p"], sizes["q"]) == (layer.P, layer.Q)
    most["images"], sizes["images"] = (layer.N if whole else 1), tile.images
    return [(part, f"1 to {x}") for part, x in most.items() if not 1 <= sizes[part] <= x]


def round_faults(layer: Layer, array: Array, tile: Tile) -> list[tuple[str, str]]:
    """Which of a tile's rows and columns are no whole rounds of phases, where these take turns."""
    tiled, each = _sizes(layer, tile), phases_of_tiles(layer, array)
    return [
        (part, f"{size}, or a multiple of {count}: whole rounds of phases")
        for part, size, count in zip(("p", "q"), (layer.P, layer.Q), each, strict=True)
        if tiled[part] != size and tiled[part] % count
    ]


def _sizes(layer: Layer, tile: Tile) -> dict[str, int]:
    """Each part of a tile but the images; all output columns where it says nothing of them."""
    return {part: getattr(tile, part) or getattr(layer, x) for part, x in LETTERS.items()}


def cycles_in_tiles(layer: Layer, array: Array, tile: Tile, cycles: Cycles) -> int:
    """Cycles of a layer in tiles of this size, by those of a layer."""
    along, tiled = [], _sizes(layer, tile)
    for part in _ragged(layer, array, tiled):
        size, step = getattr(layer, LETTERS[part]), tiled[part]
        starts = range(0, size, step)
        along.append([(LETTERS[part], step, size // step)] if size >= step else [])
        along[-1] += [(LETTERS[part], size - starts[-1], 1)] if size % step else []
    total = 0
    for piece in product(*along):
        sizes: dict[str, Any] = {letter: size for letter, size, _ in piece}
        alike = math.prod(count for _, _, count in piece)
        total += alike * cycles(replace(layer, **sizes), array)
    return total


def _ragged(layer: Layer, array: Array, tile: dict[str, int]) -> list[str]:
    """Parts of a tile that do not fill whole turns; groups are cut where channels are."""
    side_by_side = groups_at_once(layer, array)
    steps = {"k": array.cols, "c": channel_step(layer, array)}
    found = []
    for part, step in steps.items():
        size, whole = tile[part], getattr(layer, LETTERS[part])
        if size < whole and (side_by_side > 1 or size % step):
            found.append(part)
    if found or (tile["g"] < layer.G and tile["g"] % side_by_side):
        found.append("g")
    down, across = phases_of_tiles(layer, array)
    one = replace(layer, P=ceil_div(layer.P, down), Q=ceil_div(layer.Q, across))
    of_phase = ceil_div(tile["p"], down), ceil_div(tile["q"], across)
    full = fills_turns(one, *of_phase, pixel_step(array))
    return found if full else [*found, "p", "q"]
