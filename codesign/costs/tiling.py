"""Every tiling of a layer that can be best at some bitwidths, with its SRAM need and DRAM traffic.

A tile is ``tk`` output channels × ``tc`` input channels × ``tp`` output rows × ``tq`` output
columns (or whole images); with groups side by side it is ``tg`` whole groups. The three tile loops
run in one of six orders; ``p`` is the loop over all tiles of pixels, columns inside rows, see
`pixel_tiles`. Weights depend on {k, c}, the ifmap on {c, p}, outputs on {k, p}: each operand is
irrelevant to exactly one loop, and is fetched again for each of its trips when a loop the operand
does depend on, with more than one trip, runs inside.

Need and traffic are linear in the three widths ``(bw, ba, bacc)`` of weights, ifmap and partial
sums, so a tiling is kept as its coefficients: elements per operand. Of channels only the smallest
tile of each trip count is listed (same traffic, least SRAM), and of those whose trips fetch nothing
again only the smallest; of pixels only tiles that no other one dominates, and of the six orders
only those that no other order of the same tile dominates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Ints
from codesign.costs.compute import (
    Folding,
    PEArray,
    channel_granule,
    fold,
    side_by_side,
)
from codesign.costs.pixel_tiles import (
    PixelTiles,
    count_pixel_tiles,
    horizontal,
    pixel_tiles,
    smallest_tiles,
    vertical,
)
from codesign.errors import SpecError
from codesign.specs.network import Layer

ORDERS = ("kcp", "ckp", "kpc", "pkc", "cpk", "pck")  # outermost first
TILE_COLUMNS = ("g", "k", "c", "p", "q", "images")
MAX_TILES = 1_000_000
MAX_PIXEL_TILES = 2**17  # as of an image of 32,000 × 32,000
MAX_ELEMENTS = 2**56  # whose bits, added up, are whole numbers of 64 bits
MOST_CODES = 2**62  # numbers that stand for three
_OPERANDS = ("kc", "cp", "kp")  # loops that weights, ifmap and outputs depend on
_IRRELEVANT = "pkc"  # the one loop each of them does not


@dataclass(frozen=True)
class Tilings:
    """Tilings of one layer on one array shape, one row each.

    Attributes
    ----------
    tile : ints, shape (n, 6)
        `TILE_COLUMNS`.
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


def tilings(layer: Layer, array: PEArray, folding: Folding | None = None) -> Tilings:
    """All tilings of ``layer`` on an array that are worth considering.

    ``folding``: how it folds onto the array, where that is known.
    A layer that only moves data has one, of nothing: it streams, and needs no SRAM.
    """
    if layer.moves:
        none = np.zeros((1, 3), dtype=np.int64)
        tile = np.ones((1, len(TILE_COLUMNS)), dtype=np.int64)
        order = np.zeros(1, dtype=np.int64)
        return Tilings(tile, order, need=none, traffic=np.array([[0, layer.ifmap, 0]]))
    folding = folding or fold(layer, array)
    channels = _channel_tiles(layer, folding)
    pixels = pixel_tiles(layer, folding.pixels, folding.phases)
    order, i, j = _worth_listing(channels, pixels)
    g, k, c, trips_g, trips_k, trips_c = channels[i].T
    trips_p = pixels.trips[j]
    many = trips_g > 1, trips_k > 1, trips_c > 1, trips_p > 1
    again = _orders()[1][order, 4 * many[1] + 2 * many[2] + many[3]]
    tile = np.stack([g, k, c, pixels.p[j], pixels.q[j], pixels.images[j]], axis=1)
    need, traffic = (np.empty((len(i), 3), dtype=np.int64) for _ in range(2))
    need[:, 0] = g * k * c * layer.window << (many[0] | many[1] | many[2])
    need[:, 1] = g * c * pixels.held[j] << (many[0] | many[2] | many[3])
    need[:, 2] = g * k * pixels.pixels[j] << (many[0] | many[1] | many[3])
    traffic[:, 0] = np.where(again[:, 0], trips_p, 1) * layer.weights
    traffic[:, 1] = np.where(again[:, 1], trips_k, 1) * pixels.read[j] * (layer.G * layer.C)
    # The first visit of an output is no spill.
    traffic[:, 2] = (np.where(again[:, 2], trips_c, 1) - 1) * (2 * layer.computed_outputs)
    found = Tilings(tile, order, need, traffic)
    # Groups outside, or side by side, double buffers that the other loops do not.
    return found.take(_least_need(need, traffic.T)) if layer.G > 1 else found


def _worth_listing(channels: Ints, pixels: PixelTiles) -> tuple[Ints, Ints, Ints]:
    """Order, channel tile and pixel tile of every tiling that no other one clearly dominates.

    Where trips over channels fetch nothing again, of the tiles that are not all channels the
    smallest is as good as any; where weights are fetched once, pixel tiles differ by less.
    """
    _, trips_k, trips_c = channels.T[3:]
    small_k, small_c = ((x == 1) | (x == x.max()) for x in (trips_k, trips_c))
    of_channels = 8 * (trips_k > 1) + 4 * (trips_c > 1) + 2 * small_k + small_c
    of_pixels = 2 * (pixels.trips > 1) + pixels.frugal
    order, i, j = np.nonzero(_listed()[:, of_channels[:, None], of_pixels])
    return order, i, j


@cache
def _listed() -> Bools:
    """(orders, 16, 4): which orders are worth listing of tiles of channels and of pixels.

    By whether k and c have more than one trip, and their tiles are all channels or the smallest
    (8, 4, 2, 1); and by whether p has, and pixel tiles are `PixelTiles.frugal` (2, 1).
    """
    keep, again = (x.reshape(len(ORDERS), 4, 1, 1, 2, 1, *x.shape[2:]) for x in _orders())
    either = np.array([False, True])
    small = either[:, None, None, None], either[:, None, None], either
    again_k, again_c = again[..., 1] | small[0], again[..., 2] | small[1]
    return np.asarray(keep & (again[..., 0] | small[2]) & again_k & again_c).reshape(-1, 16, 4)


def least_needs(
    layer: Layer, rows: Ints, cols: Ints, engine: int, zero_skipping: bool = False
) -> Ints:
    """(arrays, n, 3): SRAM elements as `Tilings.need`; some row needs no more than any tiling.

    In mapping window. With one row, column and multiplier it is so in any mapping.

    An operand is buffered twice as soon as some loop it depends on has more than one trip, however
    many; so of each loop only the smallest tile and the whole are of interest.
    """
    if layer.moves:
        return np.zeros((len(rows), 1, 3), dtype=np.int64)
    groups = side_by_side(layer, rows, cols, engine, "window", zero_skipping)
    small = (
        channel_granule(layer, rows, engine, "window", zero_skipping),
        np.minimum(cols, layer.K),
    )
    found = []
    for g in (groups, np.where(groups > 1, layer.G, 1)):
        for c in (small[0], np.full_like(rows, layer.C)):
            for k in (small[1], np.full_like(rows, layer.K)):
                for held, outputs, p_again in _least_pixels(layer):
                    again = g < layer.G
                    c_again, k_again = again | (c < layer.C), again | (k < layer.K)
                    found.append(
                        [
                            g * k * c * layer.window * (1 + (c_again | k_again)),
                            g * c * held * (1 + (c_again | p_again)),
                            g * k * outputs * (1 + (k_again | p_again)),
                        ]
                    )
    return np.moveaxis(np.array(found), -1, 0)


def check_tiles(layer: Layer, array: PEArray) -> None:
    """Refuse a layer with too many tiles to go through.

    Raises
    ------
    SpecError
        More than a million, or an ifmap so often read again that 64 bits do not hold it.
    """
    what = f"layer {layer.name!r}"
    if not layer.moves:
        folding = fold(layer, array)
        pixels = count_pixel_tiles(layer, folding.pixels, folding.phases)
        if pixels > MAX_PIXEL_TILES:
            raise SpecError(
                f"{what}: its {layer.P} × {layer.Q} outputs have {pixels} tiles of rows and "
                f"columns; at most {MAX_PIXEL_TILES} are compared, cut the image into parts"
            )
        read = layer.N * vertical(layer).most_read * horizontal(layer).most_read
        if layer.G * layer.K * layer.C * read > MAX_ELEMENTS:
            raise SpecError(
                f"{what}: tiles of one output each read up to {read:.3g} elements of each of "
                f"{layer.G * layer.C} channels, for each of {layer.K} outputs; at most "
                f"{MAX_ELEMENTS:.3g} in all are counted, give it a smaller kernel or dilation"
            )
    found = count_tiles(layer, array)
    if found > MAX_TILES:
        raise SpecError(
            f"{what} has {found} tiles on an array of {array.rows} × {array.cols}; at most "
            f"{MAX_TILES} are searched, offer larger arrays"
        )


def count_tiles(layer: Layer, array: PEArray) -> int:
    """Tiles `tilings` would go through, before the six orders."""
    if layer.moves:
        return 1
    folding = fold(layer, array)
    pixels = len(pixel_tiles(layer, folding.pixels, folding.phases).p)
    if folding.side_by_side > 1:
        return len(smallest_tiles(layer.G, folding.side_by_side)) * pixels
    channels = len(smallest_tiles(layer.K, folding.tile_k))
    return channels * len(smallest_tiles(layer.C, folding.tile_c)) * pixels


def _least_pixels(layer: Layer) -> list[tuple[int, int, bool]]:
    """Ifmap elements held per channel, outputs per channel, and whether there are more tiles.

    Of the one tile that is all, if it is worth its while, and of the smallest ones.
    """
    tiles = pixel_tiles(layer)
    every = zip(tiles.held.tolist(), tiles.pixels.tolist(), tiles.trips.tolist(), strict=True)
    found: list[tuple[int, int, bool]] = []
    for held, outputs, trips in sorted(every):
        if not any(o <= outputs and more <= (trips > 1) for _, o, more in found):
            found.append((held, outputs, trips > 1))
    return found


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


def _least_need(need: Ints, moved: Ints) -> Ints:
    """Indices of tilings that the smallest one of equal traffic does not dominate.

    Of need (n, 3) and, in any units, traffic (3, n).
    """
    order, first = _by_traffic(moved)
    # The least sum of each traffic, and of those the first, in one number.
    shift = max(len(need) - 1, 1).bit_length()
    number = (need.sum(axis=1) << shift) + np.arange(len(need))
    smallest = np.minimum.reduceat(number[order], np.flatnonzero(first)) & ((1 << shift) - 1)
    its_smallest = np.empty_like(order)
    its_smallest[order] = smallest[np.cumsum(first) - 1]
    dominated: Bools = np.asarray((need >= need[its_smallest]).all(axis=1))
    dominated[smallest] = False
    return np.flatnonzero(~dominated)


def _by_traffic(moved: Ints) -> tuple[Ints, Bools]:
    """An order of tilings (3, n) by traffic, and where in it other traffic begins.

    Sorted far faster by one number than by three, if that has room.
    """
    sizes = [int(x) + 1 for x in moved.max(axis=1)]
    if math.prod(sizes) < MOST_CODES:
        code = (moved[0] * sizes[1] + moved[1]) * sizes[2] + moved[2]
        order = np.argsort(code)
        columns = code[None, order]
    else:
        order = np.lexsort(moved)
        columns = moved[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
    return order, first


def _channel_tiles(layer: Layer, folding: Folding) -> Ints:
    """Rows ``g, k, c, trips_g, trips_k, trips_c``."""
    if folding.side_by_side > 1:
        groups = smallest_tiles(layer.G, folding.side_by_side)
        return np.array([[g, layer.K, layer.C, t, 1, 1] for g, t in groups], dtype=np.int64)
    of_k, of_c = (
        np.array(smallest_tiles(size, granule), dtype=np.int64)
        for size, granule in ((layer.K, folding.tile_k), (layer.C, folding.tile_c))
    )
    found = np.empty((len(of_k), len(of_c), 6), dtype=np.int64)
    found[..., 0], found[..., 3] = 1, layer.G
    found[..., [1, 4]], found[..., [2, 5]] = of_k[:, None], of_c
    return found.reshape(-1, 6)
