"""Every tiling of a layer that can be best at some bitwidths, with its SRAM need and DRAM traffic.

A tile is ``tk`` output channels × ``tc`` input channels × ``tp`` output rows (or whole images);
with groups side by side it is ``tg`` whole groups. The three tile loops run in one of six orders.
Weights depend on {k, c}, the ifmap on {c, p}, outputs on {k, p}: each operand is irrelevant to
exactly one loop, and is fetched again for each of its trips when a loop the operand does depend
on, with more than one trip, runs inside.

Need and traffic are linear in the three widths ``(bw, ba, bacc)`` of weights, ifmap and partial
sums, so a tiling is kept as its coefficients: elements per operand. Only the smallest tile of each
trip count is listed (same traffic, least SRAM), and of the six orders only those that no other
order of the same tile dominates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Ints
from codesign.costs.compute import (
    Folding,
    PEArray,
    ceil_div,
    channels_per_pe,
    fold,
    side_by_side,
)
from codesign.errors import SpecError
from codesign.specs.network import Layer

ORDERS = ("kcp", "ckp", "kpc", "pkc", "cpk", "pck")  # outermost first
MAX_TILES = 1_000_000
_OPERANDS = ("kc", "cp", "kp")  # loops that weights, ifmap and outputs depend on
_IRRELEVANT = "pkc"  # the one loop each of them does not


@dataclass(frozen=True)
class Tilings:
    """Tilings of one layer on one array shape, one row each.

    Attributes
    ----------
    tile : ints, shape (n, 5)
        ``g, k, c, p, images``.
    order : ints, shape (n,)
        Index into `ORDERS`.
    need : ints, shape (n, 3)
        SRAM elements of weights, ifmap, partial sums, buffers doubled where the operand has more
        than one tile; the need in bits is ``need @ (bw, ba, bacc)``.
    traffic : ints, shape (n, 3)
        DRAM elements of weights, ifmap, spilled partial sums; the final write of the outputs and
        the residual reads are the same for every tiling and not counted.
    """

    tile: Ints
    order: Ints
    need: Ints
    traffic: Ints

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: Ints) -> Tilings:
        """Some of them."""
        return Tilings(self.tile[rows], self.order[rows], self.need[rows], self.traffic[rows])


def operand_bits(
    weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike, accumulation_bits: int
) -> Ints:
    """``(bw, ba, bw + ba + ⌈log2(C·R·S)⌉)`` on a new last axis; widths broadcast together."""
    bw, ba = np.broadcast_arrays(
        np.asarray(weight_bits, dtype=np.int64), np.asarray(activation_bits, dtype=np.int64)
    )
    return np.stack([bw, ba, bw + ba + accumulation_bits], axis=-1)


def rows_in(layer: Layer, tile_rows: int) -> int:
    """Stored ifmap rows that ``tile_rows`` output rows read at most.

    ``min(H, ⌈((t − 1)·stride + R_eff) / u⌉)``: of the rows a tile covers, one in ``u``, the input
    dilation, is stored; the others are zeros. How the tile lies over them depends on the padding,
    so the worst case counts.
    """
    covered = (tile_rows - 1) * layer.stride_rows + layer.kernel_rows
    return min(layer.H, ceil_div(covered, layer.input_dilation_rows))


def halo_rows(layer: Layer) -> int:
    """Stored ifmap rows adjoining row tiles share at most: ``⌈max(R_eff − stride, 0) / u⌉``."""
    shared = max(layer.kernel_rows - layer.stride_rows, 0)
    return ceil_div(shared, layer.input_dilation_rows)


def tilings(layer: Layer, array: PEArray) -> Tilings:
    """All tilings of ``layer`` on an array that are worth considering.

    A layer that only moves data has one, of nothing: it streams, and needs no SRAM.
    """
    if layer.moves:
        none = np.zeros((1, 3), dtype=np.int64)
        tile, order = np.ones((1, 5), dtype=np.int64), np.zeros(1, dtype=np.int64)
        return Tilings(tile, order, need=none, traffic=np.array([[0, layer.ifmap, 0]]))
    folding = fold(layer, array)
    channels = _channel_tiles(layer, folding)
    images = _row_tiles(layer, folding.pixels)
    i, j = (grid.ravel() for grid in np.indices((len(channels), len(images))))
    g, k, c, trips_g, trips_k, trips_c = channels[i].T
    p, n_images, trips_p, ifmap_rows, tile_rows = images[j].T

    tiles_of = [
        trips_g * trips_k * trips_c,
        trips_g * trips_c * trips_p,
        trips_g * trips_k * trips_p,
    ]
    elements = [
        g * k * c * layer.window,
        g * c * n_images * tile_rows * layer.W,
        g * k * n_images * p * layer.Q,
    ]
    need = np.stack([e * np.where(t > 1, 2, 1) for e, t in zip(elements, tiles_of, strict=True)], 1)

    keep, again = _orders()
    cut = (trips_k > 1) * 4 + (trips_c > 1) * 2 + (trips_p > 1)
    order, row = np.nonzero(keep[:, cut])
    trips = np.stack([trips_p, trips_k, trips_c], axis=1)[row]
    refetch = np.where(again[order, cut[row]], trips, 1)
    once = np.empty((len(k), 3), dtype=np.int64)
    once[:, 0] = layer.weights
    once[:, 1] = layer.N * layer.G * layer.C * layer.W * ifmap_rows
    once[:, 2] = 2 * layer.computed_outputs
    extra = np.array([0, 0, 1])  # the first visit of an output is no spill
    need, traffic = need[row], once[row] * (refetch - extra)
    kept = _least_need(need, traffic)
    row = row[kept]
    tile = np.stack([g[row], k[row], c[row], p[row], n_images[row]], axis=1)
    return Tilings(tile, order[kept], need[kept], traffic[kept])


def least_needs(layer: Layer, rows: Ints, cols: Ints, engine: int) -> Ints:
    """(arrays, n, 3): SRAM elements as `Tilings.need`; some row needs no more than any tiling.

    In mapping window. With one row, column and multiplier it is so in any mapping.

    An operand is buffered twice as soon as some loop it depends on has more than one trip, however
    many; so of each loop only the smallest tile and the whole are of interest.
    """
    if layer.moves:
        return np.zeros((len(rows), 1, 3), dtype=np.int64)
    groups = side_by_side(layer, rows, cols, engine)
    small = np.minimum(rows * channels_per_pe(layer, engine), layer.C), np.minimum(cols, layer.K)
    found = []
    for g in (groups, np.where(groups > 1, layer.G, 1)):
        for c in (small[0], np.full_like(rows, layer.C)):
            for k in (small[1], np.full_like(rows, layer.K)):
                for whole in (False, True):
                    p, n = (layer.P, layer.N) if whole else (1, 1)
                    again = g < layer.G
                    c_again, k_again = again | (c < layer.C), again | (k < layer.K)
                    p_again = not whole and layer.N * layer.P > 1
                    found.append(
                        [
                            g * k * c * layer.window * (1 + (c_again | k_again)),
                            g * c * n * rows_in(layer, p) * layer.W * (1 + (c_again | p_again)),
                            g * k * n * p * layer.Q * (1 + (k_again | p_again)),
                        ]
                    )
    return np.moveaxis(np.array(found), -1, 0)


def check_tiles(layer: Layer, array: PEArray) -> None:
    """Refuse a layer with too many tiles to go through.

    Raises
    ------
    SpecError
        More than a million.
    """
    found = count_tiles(layer, array)
    if found > MAX_TILES:
        raise SpecError(
            f"layer {layer.name!r} has {found} tiles on an array of {array.rows} × {array.cols}; "
            f"at most {MAX_TILES} are searched, offer larger arrays"
        )


def count_tiles(layer: Layer, array: PEArray) -> int:
    """Tiles `tilings` would go through, before the six orders."""
    if layer.moves:
        return 1
    folding = fold(layer, array)
    row_tiles = _smallest_tiles(layer.P, _row_granule(layer, folding.pixels))
    per_image = len(row_tiles) + len(_smallest_tiles(layer.N, 1))
    if folding.side_by_side > 1:
        return len(_smallest_tiles(layer.G, folding.side_by_side)) * per_image
    channels = len(_smallest_tiles(layer.K, folding.tile_k))
    return channels * len(_smallest_tiles(layer.C, folding.tile_c)) * per_image


def _refetches(trips: dict[str, Ints]) -> Ints:
    """Times each operand is fetched, shape (6 orders, tiles, 3 operands)."""
    shape = (len(ORDERS), len(trips["k"]), len(_OPERANDS))
    refetch = np.ones(shape, dtype=np.int64)
    for o, order in enumerate(ORDERS):
        for x, (relevant, irrelevant) in enumerate(zip(_OPERANDS, _IRRELEVANT, strict=True)):
            inside = [loop for loop in order[order.index(irrelevant) + 1 :] if loop in relevant]
            again = np.any([trips[loop] > 1 for loop in inside], axis=0)
            refetch[o, :, x] = np.where(again, trips[irrelevant], 1)
    return refetch


@cache
def _orders() -> tuple[Bools, Bools]:
    """What the six orders do, by which of the loops k, c, p have more than one trip (4, 2, 1).

    Returns
    -------
    keep : bools, shape (orders, 8)
        That no other order dominates it or, if earlier, equals it.
    again : bools, shape (orders, 8, operands)
        That an operand is fetched for each trip of the loop it does not depend on.
    """
    loops = np.array([(k, c, p) for k in (1, 2) for c in (1, 2) for p in (1, 2)]).T
    refetch = _refetches(dict(zip("kcp", loops, strict=True)))
    return _nondominated(refetch), refetch > 1


def _nondominated(refetch: Ints) -> Bools:
    """Orders of each tile not dominated by another or, if earlier, equal: (orders, tiles)."""
    other, mine = refetch[None], refetch[:, None]
    better = (other < mine).any(axis=-1) | np.tri(len(refetch), k=-1, dtype=bool)[:, :, None]
    return np.asarray(~((other <= mine).all(axis=-1) & better).any(axis=1))


def _least_need(need: Ints, traffic: Ints) -> Ints:
    """Indices of tilings that the smallest one of equal traffic does not dominate."""
    by_traffic = np.lexsort((need.sum(axis=1), *traffic.T))
    sorted_traffic, sorted_need = traffic[by_traffic], need[by_traffic]
    first = np.ones(len(need), dtype=bool)
    first[1:] = (sorted_traffic[1:] != sorted_traffic[:-1]).any(axis=1)
    smallest = sorted_need[first][np.cumsum(first) - 1]
    dominated = ~first & (sorted_need >= smallest).all(axis=1)
    return np.sort(by_traffic[~dominated])


def _channel_tiles(layer: Layer, folding: Folding) -> Ints:
    """Rows ``g, k, c, trips_g, trips_k, trips_c``."""
    if folding.side_by_side > 1:
        groups = _smallest_tiles(layer.G, folding.side_by_side)
        return np.array([[g, layer.K, layer.C, t, 1, 1] for g, t in groups], dtype=np.int64)
    return np.array(
        [
            [1, k, c, layer.G, trips_k, trips_c]
            for k, trips_k in _smallest_tiles(layer.K, folding.tile_k)
            for c, trips_c in _smallest_tiles(layer.C, folding.tile_c)
        ],
        dtype=np.int64,
    )


def _row_granule(layer: Layer, pixels: int) -> int:
    """Output rows that hold a multiple of so many pixels."""
    return pixels // math.gcd(pixels, layer.Q)


def _row_tiles(layer: Layer, pixels: int) -> Ints:
    """Rows ``p, images, trips_p, ifmap rows read per image, ifmap rows held per image``."""
    tiles = []
    halo = halo_rows(layer)
    for p, trips in _smallest_tiles(layer.P, _row_granule(layer, pixels)):
        if trips > 1:
            held = rows_in(layer, p)
            read = min(layer.H + (trips - 1) * halo, trips * held)
            tiles.append((p, 1, layer.N * trips, read, held))
    for images, trips in _smallest_tiles(layer.N, 1):
        tiles.append((layer.P, images, trips, layer.H, rows_in(layer, layer.P)))
    return np.array(tiles, dtype=np.int64)


@lru_cache(maxsize=4096)
def _smallest_tiles(size: int, granule: int) -> tuple[tuple[int, int], ...]:
    """``(tile, trips)``: the smallest multiple of ``granule`` (or ``size``) for each trip count."""
    granules = ceil_div(size, granule)
    found = []
    tile = granules
    while tile > 0:
        trips = ceil_div(granules, tile)
        tile = ceil_div(granules, trips)
        found.append((min(tile * granule, size), trips))
        tile -= 1
    return tuple(found)
