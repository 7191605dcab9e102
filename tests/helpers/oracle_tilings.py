"""Plain enumeration of one layer's tiles in each of the six loop orders."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise, permutations
from typing import NamedTuple

from oracle_machine import array_cycles as array_cycles
from oracle_machine import ceil_div, channel_step, groups_at_once, in_turn, rows_are_full

from codesign.specs.network import Layer

ORDERS = tuple("".join(order) for order in permutations("kcp"))

RELEVANT = {"weights": "kc", "ifmap": "cp", "output": "kp"}  # the loops an operand depends on


class Tile(NamedTuple):
    """Groups, output channels, input channels, output rows, columns and images of one tile."""

    g: int
    k: int
    c: int
    p: int
    q: int
    images: int


class Cost(NamedTuple):
    """What one tiling takes, in elements of each operand (partial sums for the output).

    ``held_*`` is the SRAM it needs, ``moved_*`` the DRAM traffic.
    """

    held_weights: int
    held_ifmap: int
    held_output: int
    moved_weights: int
    moved_ifmap: int
    moved_psum: int


Buffers = tuple[int | None, int | None, int | None]  # of weights, ifmap and partial sums, in bits

NO_BUFFERS: Buffers = (None, None, None)

Tilings = list[tuple[int, int]]  # (SRAM need, DRAM traffic) in bits, ascending need


def vertical(pair: int | tuple[int, int]) -> int:
    """The vertical one of a stride or dilation."""
    return pair if isinstance(pair, int) else pair[0]


def horizontal(pair: int | tuple[int, int]) -> int:
    """The horizontal one."""
    return pair if isinstance(pair, int) else pair[1]


def reduction_bits(layer: Layer) -> int:
    """``⌈log2(C·R·S)⌉``."""
    bits = 0
    while 2**bits < layer.C * layer.R * layer.S:
        bits += 1
    return bits


def _sizes(step: int, whole: int) -> list[int]:
    """Multiples of ``step`` below ``whole``, and ``whole`` itself."""
    return [*range(step, whole, step), whole]


def legal_tiles(
    layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window", skips: bool = False
) -> list[Tile]:
    """Every tile that keeps the array as busy as the whole layer does; in every phase."""
    g = groups_at_once(layer, rows, cols, engine, mapping, skips)
    if g > 1:
        blocks = [(tg, layer.K, layer.C) for tg in _sizes(g, layer.G)]
    else:
        channels = _sizes(channel_step(layer, rows, engine, mapping, skips), layer.C)
        blocks = [(1, tk, tc) for tk in _sizes(cols, layer.K) for tc in channels]
    every = [(tp, tq, 1) for tp in range(1, layer.P + 1) for tq in range(1, layer.Q + 1)]
    down, across = in_turn(layer) if skips and mapping == "output" else (1, 1)
    one = replace(layer, P=ceil_div(layer.P, down), Q=ceil_div(layer.Q, across))
    every = [
        (p, q, images)
        for p, q, images in every
        if (p == layer.P or p % down == 0) and (q == layer.Q or q % across == 0)
        if rows_are_full(_pixels(one, ceil_div(p, down), ceil_div(q, across)), rows, mapping)
    ]
    whole_images = [(layer.P, layer.Q, images) for images in range(2, layer.N + 1)]
    return [Tile(*block, *span) for block in blocks for span in every + whole_images]


def _pixels(layer: Layer, p: int, q: int) -> list[int]:
    """Output pixels of the tiles of an image, in order."""
    return [
        min(p, layer.P - first_row) * min(q, layer.Q - first_col)
        for first_row in range(0, layer.P, p)
        for first_col in range(0, layer.Q, q)
    ]


def trips(layer: Layer, tile: Tile) -> dict[str, int]:
    """Trip count of each loop over tiles; ``g`` is the outermost one over groups."""
    in_image = ceil_div(layer.P, tile.p) * ceil_div(layer.Q, tile.q)
    return {
        "g": ceil_div(layer.G, tile.g),
        "k": ceil_div(layer.K, tile.k),
        "c": ceil_div(layer.C, tile.c),
        "p": layer.N * in_image if in_image > 1 else ceil_div(layer.N, tile.images),
    }


def refetch(order: str, count: Mapping[str, int], relevant: str) -> int:
    """How often each tile of an operand is fetched, its loops running in ``order``."""
    fetches, so_far = 1, 1
    for loop in order:  # outermost first
        so_far *= count[loop]
        if loop in relevant and count[loop] > 1:
            fetches = so_far
    return fetches // math.prod(count[loop] for loop in relevant)


def rows_in(layer: Layer, rows_out: int, anywhere: bool = False) -> int:
    """Stored ifmap rows that ``rows_out`` output rows read, however they lie over them.

    The rows covered are counted out: every one in ``input_dilation`` is stored, from some offset.
    Where each is repeated, those are counted that tiles have, or (``anywhere``) any such rows.
    """
    reach = (layer.R - 1) * vertical(layer.dilation) + 1
    covered = (rows_out - 1) * vertical(layer.stride) + reach
    again = vertical(layer.input_repetition)
    if again > 1 and not anywhere:
        return min(layer.H, max(map(len, over_repeated(layer, 0, rows_out))))
    if again > 1:
        each = ({row // again for row in range(at, at + covered)} for at in range(again))
        return min(layer.H, max(map(len, each)))
    return min(layer.H, stored_rows(layer, covered))


def cols_in(layer: Layer, cols_out: int) -> int:
    """Stored ifmap columns that ``cols_out`` output columns read, likewise."""
    reach = (layer.S - 1) * horizontal(layer.dilation) + 1
    covered = (cols_out - 1) * horizontal(layer.stride) + reach
    if horizontal(layer.input_repetition) > 1:
        return min(layer.W, max(map(len, over_repeated(layer, 1, cols_out))))
    return min(layer.W, most_stored(covered, horizontal(layer.input_dilation)))


def over_repeated(layer: Layer, axis: int, tile: int) -> list[set[int]]:
    """Stored rows (0) or columns (1) under each tile, where windows see them several times.

    Half of the padding is before them, rounded down; it is counted like rows that are stored.
    """
    along = (vertical, horizontal)[axis]
    outputs, taps, stored = ((layer.P, layer.R, layer.H), (layer.Q, layer.S, layer.W))[axis]
    step, again = along(layer.stride), along(layer.input_repetition)
    reach = (taps - 1) * along(layer.dilation) + 1
    above = max((outputs - 1) * step + reach - stored * again, 0) // 2
    found = []
    for first in range(0, outputs, tile):
        start, end = first * step, (min(first + tile, outputs) - 1) * step + reach
        found.append({(row - above) // again for row in range(start, end)})
    return found


def again_read(layer: Layer, axis: int, tile: int) -> int:
    """Rows or columns that two tiles in a row have, of all such two, where they are repeated."""
    return sum(len(one & other) for one, other in pairwise(over_repeated(layer, axis, tile)))


def stored_rows(layer: Layer, covered: int) -> int:
    """Most stored rows among so many consecutive rows of the ifmap, inserted zeros included."""
    return most_stored(covered, vertical(layer.input_dilation))


@cache
def most_stored(covered: int, step: int) -> int:
    """The same of rows or columns, of which one in ``step`` is stored."""
    return max(sum(row % step == offset for row in range(covered)) for offset in range(step))


def rows_read(layer: Layer, tile: Tile) -> int:
    """Ifmap rows fetched per image, halo rows once per row tile."""
    row_tiles = ceil_div(layer.P, tile.p)
    if row_tiles == 1:
        return layer.H
    reach = (layer.R - 1) * vertical(layer.dilation) + 1
    halo = max(reach - vertical(layer.stride), 0)
    again = (row_tiles - 1) * stored_rows(layer, halo)
    if vertical(layer.input_repetition) > 1:
        again = again_read(layer, 0, tile.p)
    return min(layer.H + again, row_tiles * rows_in(layer, tile.p))


def cols_read(layer: Layer, tile: Tile) -> int:
    """Ifmap columns fetched per row, halo columns once per column of tiles."""
    col_tiles = ceil_div(layer.Q, tile.q)
    if col_tiles == 1:
        return layer.W
    reach = (layer.S - 1) * horizontal(layer.dilation) + 1
    halo = max(reach - horizontal(layer.stride), 0)
    again = (col_tiles - 1) * most_stored(halo, horizontal(layer.input_dilation))
    if horizontal(layer.input_repetition) > 1:
        again = again_read(layer, 1, tile.q)
    return min(layer.W + again, col_tiles * cols_in(layer, tile.q))


def tiling_cost(layer: Layer, tile: Tile, order: str) -> Cost:
    """SRAM need and DRAM traffic of one tiling, in elements."""
    (cost,) = tile_costs(layer, tile, [refetches(order, *_inner_trips(layer, tile))])
    return cost


def _inner_trips(layer: Layer, tile: Tile) -> tuple[int, int, int]:
    """Trip counts of the loops whose order is open."""
    count = trips(layer, tile)
    return count["k"], count["c"], count["p"]


@cache
def refetches(order: str, k: int, c: int, p: int) -> tuple[int, int, int]:
    """How often tiles of weights, ifmap and partial sums are fetched in an order of k, c and p."""
    count = {"k": k, "c": c, "p": p}
    weights, ifmap, output = (refetch(order, count, relevant) for relevant in RELEVANT.values())
    return weights, ifmap, output


@cache
def all_refetches(k: int, c: int, p: int) -> list[tuple[int, int, int]]:
    """The same in every order, equal ones once."""
    return [*dict.fromkeys(refetches(order, k, c, p) for order in ORDERS)]


def tile_costs(layer: Layer, tile: Tile, again: Iterable[tuple[int, int, int]]) -> list[Cost]:
    """SRAM need and DRAM traffic of one tile in orders that fetch weights, ifmap, sums so often."""
    count = trips(layer, tile)
    twice = {
        name: 2 if count["g"] * math.prod(count[loop] for loop in relevant) > 1 else 1
        for name, relevant in RELEVANT.items()
    }
    window = layer.R * layer.S
    weights = layer.G * layer.K * layer.C * window
    ifmap_held = tile.images * rows_in(layer, tile.p) * cols_in(layer, tile.q)
    ifmap = layer.N * layer.G * layer.C * rows_read(layer, tile) * cols_read(layer, tile)
    outputs = layer.G * layer.K * layer.N * layer.P * layer.Q
    held = (
        twice["weights"] * tile.g * tile.k * tile.c * window,
        twice["ifmap"] * tile.g * tile.c * ifmap_held,
        twice["output"] * tile.g * tile.k * tile.images * tile.p * tile.q,
    )
    return [
        Cost(*held, weights * of_weights, ifmap * of_ifmap, 2 * outputs * (of_output - 1))
        for of_weights, of_ifmap, of_output in again
    ]


def layer_costs(
    layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window", skips: bool = False
) -> list[Cost]:
    """Costs of every tiling of a layer, equal ones once."""
    found: dict[Cost, None] = {}
    for tile in legal_tiles(layer, rows, cols, engine, mapping, skips):
        again = all_refetches(*_inner_trips(layer, tile))
        found.update(dict.fromkeys(tile_costs(layer, tile, again)))
    return list(found)


def best_tilings(
    layer: Layer,
    costs: Iterable[Cost],
    bw: int,
    ba: int,
    weights_stay: bool = False,
    ifmap_stays: bool = False,
    buffers: Buffers = NO_BUFFERS,
) -> Tilings:
    """Need and traffic of the tilings no other is as good as in both, ascending need.

    An operand that stays on chip has no tile and is not fetched. What only moves data streams: no
    SRAM, the input read once. A part of a tile that has a buffer of its own must fit there, and
    takes none of the SRAM.
    """
    if layer.moves:
        elements = layer.N * layer.G * layer.C * layer.H * layer.W
        return [(0, 0 if ifmap_stays else elements * ba)]
    bacc = bw + ba + reduction_bits(layer)
    fetched_bw, fetched_ba = (0 if weights_stay else bw), (0 if ifmap_stays else ba)
    bits = fetched_bw, fetched_ba, bacc
    pairs = {
        (
            shared_bits(cost, bits, buffers),
            cost.moved_weights * fetched_bw
            + cost.moved_ifmap * fetched_ba
            + cost.moved_psum * bacc,
        )
        for cost in costs
        if in_buffers(cost, bits, buffers)
    }
    kept: Tilings = []
    for need, traffic in sorted(pairs):
        if not kept or traffic < kept[-1][1]:
            kept.append((need, traffic))
    return kept


def held_bits(cost: Cost, bits: tuple[int, int, int]) -> tuple[int, int, int]:
    """Bits of a tiling's weights, ifmap and partial sums."""
    return cost.held_weights * bits[0], cost.held_ifmap * bits[1], cost.held_output * bits[2]


def in_buffers(cost: Cost, bits: tuple[int, int, int], buffers: Buffers) -> bool:
    """Whether every part that has a buffer of its own fits it."""
    if buffers == NO_BUFFERS:
        return True
    pairs = zip(held_bits(cost, bits), buffers, strict=True)
    return all(most is None or held <= most for held, most in pairs)


def shared_bits(cost: Cost, bits: tuple[int, int, int], buffers: Buffers) -> int:
    """Bits of the parts that have none."""
    if buffers == NO_BUFFERS:
        return sum(held_bits(cost, bits))
    pairs = zip(held_bits(cost, bits), buffers, strict=True)
    return sum(held for held, most in pairs if most is None)


def least_traffic(tilings: Tilings, sram_bits: int) -> int:
    """Least traffic of the tilings that fit: that of the last, for more room never moves more."""
    fitting = bisect_right(tilings, (sram_bits, math.inf))
    assert fitting, "no tiling fits"
    return tilings[fitting - 1][1]
