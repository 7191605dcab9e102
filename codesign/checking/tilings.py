"""Least DRAM traffic of a layer within an SRAM capacity, over every legal tiling.

Not all tilings need to be looked at. Traffic depends on a tile's output channels, input channels
and groups through their trip counts alone, and on its rows through trip count and halo, which grow
with them; the SRAM need grows with each part of a tile. So of all tiles of the same trip counts the
smallest is at least as good as any other. Of the six loop orders only those count to which no other
of the same tile is as good in every operand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import product

from codesign.checking.arithmetic import (
    ORDERS,
    RELEVANT,
    Array,
    Elements,
    Tile,
    accumulation_bits,
    ceil_div,
    channels_at_once,
    groups_at_once,
    refetch,
    rows_read,
    sram_elements,
    trips,
)
from codesign.checking.network import Layer

Tiling = tuple[Elements, Elements]  # SRAM need, DRAM traffic


class Stairs:
    """Tilings of one layer on one array, for any pair of widths and any capacity."""

    def __init__(self, layer: Layer, array: Array, widths: tuple[int, ...]) -> None:
        self.psum_extra = accumulation_bits(layer)
        self.tilings = _unbeaten(tuple(tilings(layer, array)), widths, self.psum_extra)
        self.steps: dict[tuple[int, int], tuple[list[int], list[int]]] = {}

    def least_traffic(self, bw: int, ba: int, sram_bits: int) -> int | None:
        """Least DRAM bits of a tiling that fits; None where none does."""
        if (bw, ba) not in self.steps:
            priced = _priced(self.tilings, bw, ba, self.psum_extra)
            self.steps[bw, ba] = _steps(priced)
        needs, traffic = self.steps[bw, ba]
        fitting = bisect_right(needs, sram_bits)
        return traffic[fitting - 1] if fitting else None


def shape_of(layer: Layer, array: Array) -> tuple[object, ...]:
    """What the tilings of a layer on an array depend on."""
    loops = (layer.N, layer.G, layer.K, layer.C, layer.P, layer.Q, layer.R, layer.S)
    rows = (layer.H, layer.W, layer.stride[0], layer.dilation[0], layer.input_dilation[0])
    steps = (min(array.cols, layer.K), min(channels_at_once(layer, array), layer.C))
    return (*loops, *rows, *steps, groups_at_once(layer, array), layer.moves)


def ideal_traffic(layer: Layer) -> Elements:
    """Traffic that no tiling on any array goes below: all once, rows as few as row tiles read."""
    if layer.moves:
        return Elements(0, layer.ifmap, 0)
    rows = min(rows_read(layer, tile) for tile, _ in smallest_tiles(layer.P, 1))
    return Elements(layer.weights, layer.N * layer.G * layer.C * layer.W * rows, 0)


def tilings(layer: Layer, array: Array) -> Iterator[Tiling]:
    """Every tiling that can be best at some widths and capacity, and perhaps some more."""
    for tile in _tiles(layer, array):
        count = trips(layer, tile)
        need = sram_elements(layer, tile)
        ifmap = layer.N * layer.G * layer.C * layer.W * rows_read(layer, tile.p)
        again_p, again_k, again_c = count["p"], count["k"], count["c"]
        for weights, ifmaps, psums in orders(again_k > 1, again_c > 1, again_p > 1):
            yield (
                need,
                Elements(
                    layer.weights * (again_p if weights else 1),
                    ifmap * (again_k if ifmaps else 1),
                    2 * layer.outputs * (again_c - 1) if psums else 0,
                ),
            )


def _tiles(layer: Layer, array: Array) -> Iterator[Tile]:
    """The smallest legal tile of each set of trip counts."""
    side_by_side = groups_at_once(layer, array)
    if side_by_side > 1:
        blocks = [(g, layer.K, layer.C) for g, _ in smallest_tiles(layer.G, side_by_side)]
    else:
        outputs = smallest_tiles(layer.K, array.cols)
        inputs = smallest_tiles(layer.C, channels_at_once(layer, array))
        blocks = [(1, k, c) for (k, _), (c, _) in product(outputs, inputs)]
    spans = [(p, 1) for p, count in smallest_tiles(layer.P, 1) if count > 1]
    spans += [(layer.P, images) for images, _ in smallest_tiles(layer.N, 1)]
    return (Tile(*block, *span) for block, span in product(blocks, spans))


def smallest_tiles(size: int, step: int) -> list[tuple[int, int]]:
    """The smallest multiple of ``step`` (or ``size``) of each trip count, and that count."""
    steps = ceil_div(size, step)
    found, most = [], steps
    while most > 0:
        count = ceil_div(steps, most)
        least = ceil_div(steps, count)
        found.append((min(least * step, size), count))
        most = least - 1
    return found


@cache
def orders(many_k: bool, many_c: bool, many_p: bool) -> tuple[tuple[bool, ...], ...]:
    """Which operands the loop they do not depend on fetches again, for orders worth a look.

    Parameters
    ----------
    many_k, many_c, many_p : bool
        Whether each loop has more than one trip.
    """
    count = {"k": 1 + many_k, "c": 1 + many_c, "p": 1 + many_p}
    every = [
        tuple(refetch(order, count, loops) > 1 for loops in RELEVANT.values()) for order in ORDERS
    ]
    return tuple(
        one
        for one in dict.fromkeys(every)
        if not any(
            other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in every
        )
    )


def _priced(given: tuple[Tiling, ...], bw: int, ba: int, psum_extra: int) -> list[tuple[int, int]]:
    """SRAM and DRAM bits of tilings."""
    psum = bw + ba + psum_extra
    return [(need.bits(bw, ba, psum), moved.bits(bw, ba, psum)) for need, moved in given]


def _steps(priced: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Needs, ascending, at which the least traffic falls, and that traffic."""
    needs: list[int] = []
    traffic: list[int] = []
    for need, moved in sorted(priced):
        if not traffic or moved < traffic[-1]:
            needs.append(need)
            traffic.append(moved)
    return needs, traffic


def _unbeaten(
    given: tuple[Tiling, ...], widths: tuple[int, ...], psum_extra: int
) -> tuple[Tiling, ...]:
    """The tilings without most of those that another beats at all widths.

    Need and traffic are linear in both widths: what is no less at the four corners of the widths
    is no less anywhere between.
    """
    low, high = widths[0], widths[-1]
    corners = [_priced(given, bw, ba, psum_extra) for bw, ba in product({low, high}, repeat=2)]
    every = [tuple(x for pair in four for x in pair) for four in zip(*corners, strict=True)]
    best: dict[int, None] = {}
    for priced in corners:
        falling = None
        for n in sorted(range(len(priced)), key=priced.__getitem__):
            if falling is None or priced[n][1] < falling:
                falling = priced[n][1]
                best[n] = None
    rivals = [every[n] for n in best]
    kept = {every[n]: n for n in reversed([*best])}
    for n, mine in enumerate(every):
        if mine not in kept and not any(
            all(a <= b for a, b in zip(rival, mine, strict=True)) for rival in rivals
        ):
            kept[mine] = n
    return tuple(given[n] for n in kept.values())
