"""Loop nests of perfect factors, as tools have them that take every loop to divide its dimension.

A piece of a layer (`codesign.exports.pieces`) has loops over tiles, then those within a tile, then
the array: rows × engine multipliers a column, each a divisor of what is left.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from codesign.costs.layer_row import LayerDesign
from codesign.exports.mapped import Mapped
from codesign.exports.pieces import IRRELEVANT, Piece, pieces
from codesign.specs.accelerator import Accelerator
from codesign.specs.layer import Layer, along

LOOPS = {"k": ("K",), "c": ("C",), "p": ("N", "P", "Q")}  # dimensions of each loop over tiles
PADDED = "padding is read as data, rows or columns that no window covers are not"
SPILLED = "spilled sums: their last write is as wide as the others"
UNNAMED = re.compile(r"[^A-Za-z0-9]+")


class Nest(NamedTuple):
    """A piece of a layer as a loop nest.

    Attributes
    ----------
    piece : Piece
    down, across : dict of str to int
        What the multipliers of a column take of each dimension, and the columns.
    turns : dict of str to int
        Loops within a tile, outermost first.
    """

    piece: Piece
    down: dict[str, int]
    across: dict[str, int]
    turns: dict[str, int]

    def above(self, operand: str) -> int:
        """Loops over tiles, from the outermost one, that the operand is fetched in each trip of.

        It stays while the loops inside them run, which it does not depend on.
        """
        other, count = LOOPS[IRRELEVANT[operand]], len(self.piece.loops)
        while count and self.piece.loops[count - 1] in other:
            count -= 1
        return count


def nests(mapped: Mapped, layer: Layer, row: LayerDesign) -> list[Nest]:
    """The loop nests of a layer that is tiled."""
    found = []
    for piece in pieces(layer, row):
        down, across = _array(piece, row.mapping, mapped.accelerator)
        kept = {x: piece.tile[x] // (down.get(x, 1) * across.get(x, 1)) for x in "NGKCRSPQ"}
        found.append(Nest(piece, down, across, kept))
    return found


def _array(
    piece: Piece, mapping: str | None, chip: Accelerator
) -> tuple[dict[str, int], dict[str, int]]:
    kind, tile = mapping or chip.mapping[0], piece.tile
    room = chip.engine if kind != "im2col" else chip.rows * chip.engine
    down = {}
    for name in "SR":
        down[name] = _divisor(tile[name], room)
        room //= down[name]
    down["C"] = _divisor(tile["C"], room * chip.rows if kind == "window" else room)
    left = chip.rows * chip.engine // math.prod(down.values())
    down["Q"] = _divisor(tile["Q"], chip.rows) if kind == "output" else 1
    across = {"K": _divisor(tile["K"], chip.cols)}
    whole = down["C"] == tile["C"] and across["K"] == tile["K"]
    if kind != "output" and whole:
        groups = min(left, chip.cols // tile["K"])
        down["G"] = _divisor(tile["G"], max(1, groups))
    return {x: n for x, n in down.items() if n > 1}, {x: n for x, n in across.items() if n > 1}


def _divisor(size: int, most: int) -> int:
    return next(x for x in range(min(size, most), 0, -1) if size % x == 0)


def natural(layer: Layer, piece: Piece, axis: int) -> int:
    """Rows (0) or columns (1) that the windows of a tile span, padding and all."""
    outputs, taps = (("P", "R"), ("Q", "S"))[axis]
    reach = (piece.tile[taps] - 1) * along(axis, layer.dilation) + 1
    return (piece.tile[outputs] - 1) * along(axis, layer.stride) + reach


def spans_as_held(layer: Layer, piece: Piece) -> bool:
    """Whether we read just what the windows span."""
    return all(natural(layer, piece, axis) == piece.held[axis] for axis in (0, 1))


def identifier(name: str, number: int) -> str:
    """A name of letters, digits and underscores that no other piece has."""
    return f"L{number:04}_{UNNAMED.sub('_', name)[:60].strip('_')}"
