"""A tiled layer as rectangular pieces, for tools that know neither ragged edges nor padding.

Mappers of loop nests take every loop to divide what it runs over, and the input of a tile to be as
large at the border of an image as inside. Our tiles are ragged at the edges, and the padding is not
stored. So a layer is cut into pieces whose tiles are all alike: along channels and images those
before the last tile, and the last where it is smaller; along rows and columns the first, those
between and the last. Within a piece the loops over tiles run as in the layer. An operand that stays
in the SRAM from one piece to the next is charged to the first of these alone, and outputs to the
last that adds to them. Pieces add up to the layer's traffic, see `codesign.costs.tiling`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from codesign.costs.compute import ceil_div
from codesign.costs.layer_row import LayerDesign
from codesign.costs.pixel_tiles import Axis, horizontal, vertical
from codesign.specs.layer import Layer

DIMENSIONS = "NGKCPQRS"
OPERANDS = ("weights", "ifmap", "output")
IRRELEVANT = {"weights": "p", "ifmap": "k", "output": "c"}  # the tile loop it does not depend on
PIXELS = "QPN"  # dimensions of the pixel loop, innermost first


class Share(NamedTuple):
    """Alike tiles along one dimension.

    Attributes
    ----------
    tile, trips : int
        Outputs (or channels, images) of a tile, and how many tiles there are.
    held : int
        Rows (columns) of the ifmap that each of them reads; elsewhere the tile.
    first, last : bool
        Whether they are the first tiles of the layer, or its last.
    """

    tile: int
    trips: int
    held: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Piece:
    """Part of a layer with tiles all alike.

    Attributes
    ----------
    tile, trips : dict of str to int
        By dimension (`DIMENSIONS`).
    held : (int, int)
        Rows and columns of the ifmap that a tile reads.
    loops : tuple of str
        Dimensions of the loops over tiles, outermost first: those of more than one trip, and those
        of one trip whose loop has more in the whole layer, for they keep operands from staying.
    charged : dict of str to bool
        By operand: whether it is fetched here. Of outputs, whether they are finished here.
    """

    tile: dict[str, int]
    trips: dict[str, int]
    held: tuple[int, int]
    loops: tuple[str, ...]
    charged: dict[str, bool]

    @property
    def sizes(self) -> dict[str, int]:
        """The whole of each dimension."""
        return {name: self.tile[name] * self.trips[name] for name in DIMENSIONS}


def pieces(layer: Layer, row: LayerDesign) -> list[Piece]:
    """The pieces of a layer that is tiled."""
    assert row.tile is not None
    assert row.order is not None
    tile = row.tile.sizes(layer)
    shares = {
        "N": _channels(layer.N, tile["images"]),
        "G": _channels(layer.G, tile["g"]),
        "K": _channels(layer.K, tile["k"]),
        "C": _channels(layer.C, tile["c"]),
        "P": _pixels(vertical(layer), tile["p"]),
        "Q": _pixels(horizontal(layer), tile["q"]),
        "R": [Share(layer.R, 1, layer.R, True, True)],
        "S": [Share(layer.S, 1, layer.S, True, True)],
    }
    trips = {name: sum(share.trips for share in found) for name, found in shares.items()}
    by_loop = {"k": trips["K"], "c": trips["C"], "p": trips["N"] * trips["P"] * trips["Q"]}
    again = {name: refetched(name, row.order, by_loop) for name in OPERANDS}
    return [
        _piece(dict(zip(shares, chosen, strict=True)), row.order, by_loop, again)
        for chosen in product(*shares.values())
    ]


def refetched(operand: str, order: str, trips: dict[str, int]) -> bool:
    """Whether an operand is fetched in each trip of the loop it does not depend on."""
    other = IRRELEVANT[operand]
    return trips[other] > 1 and any(trips[x] > 1 for x in order[order.index(other) + 1 :])


def _piece(
    shares: dict[str, Share], order: str, by_loop: dict[str, int], again: dict[str, bool]
) -> Piece:
    pixels = [shares[name] for name in PIXELS]
    first = {"p": all(x.first for x in pixels), "k": shares["K"].first, "c": shares["C"].last}
    charged = {name: again[name] or first[IRRELEVANT[name]] for name in OPERANDS}
    trips = {name: share.trips for name, share in shares.items()}
    sizes = {name: share.tile * share.trips for name, share in shares.items()}
    loops = ["G"] * (trips["G"] > 1)
    for loop in order:
        loops += _of_loop(loop, trips, sizes) if by_loop[loop] > 1 else ()
    return Piece(
        tile={name: share.tile for name, share in shares.items()},
        trips=trips,
        held=(shares["P"].held, shares["Q"].held),
        loops=tuple(loops),
        charged=charged,
    )


def _of_loop(loop: str, trips: dict[str, int], sizes: dict[str, int]) -> Iterator[str]:
    """Dimensions of a loop over tiles, outermost first; some one of them, even of one trip."""
    names = PIXELS[::-1] if loop == "p" else loop.upper()
    moving = [name for name in names if trips[name] > 1]
    yield from moving or [max(names, key=lambda name: sizes[name])]


def _channels(size: int, tile: int) -> list[Share]:
    whole, left = divmod(size, tile)
    found = [Share(tile, whole, tile, True, not left)]
    return found + ([Share(left, 1, left, False, True)] if left else [])


def _pixels(axis: Axis, tile: int) -> list[Share]:
    """Tiles along rows or columns, with what each reads; the first and last read no padding."""
    trips = ceil_div(axis.outputs, tile)
    tiles = [tile] * (trips - 1) + [axis.outputs - tile * (trips - 1)]
    held = [axis.held(x) for x in tiles]
    spare = sum(held) - axis.read(tile)
    held[-1] += max(-spare, 0)  # rows that no window covers
    for at in (-1, 0):  # what is no more than padding
        less = min(spare if at == 0 else (spare + 1) // 2, held[at] - 1)
        held[at] -= max(less, 0)
        spare -= max(less, 0)
    found: list[Share] = []
    for n, (size, reads) in enumerate(zip(tiles, held, strict=True)):
        last = n == trips - 1
        if found and (found[-1].tile, found[-1].held) == (size, reads):
            found[-1] = found[-1]._replace(trips=found[-1].trips + 1, last=last)
        else:
            found.append(Share(size, 1, reads, n == 0, last))
    return found


def rows_of(piece: Piece) -> int:
    """Elements of the ifmap per channel and image that a piece reads in one pass."""
    return math.prod(piece.held) * piece.trips["P"] * piece.trips["Q"]
