"""A given tiling of a layer in place of the best: what it needs, moves, and how long it takes.

A machine that exists may have tiles that no search would choose. A given tile may be of any size up
to the layer's, also one that leaves PEs idle which the whole layer would keep busy: no multiple of
the array's granules (`codesign.costs.compute.Folding`). The layer then takes as long as its tiles
do one by one, those at its edges with what is left. SRAM need and DRAM traffic are counted as of
any tiling, by `codesign.costs.tiling`; what an energy has of the SRAM's reads and writes, by the
turns of the whole layer, as `codesign.costs.energy` does whatever the tiling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from codesign.costs.buffers import fitting_tilings
from codesign.costs.compute import Folding, PEArray, ceil_div, fold
from codesign.costs.layers import (
    LayerDesign,
    Order,
    Tile,
    array_of,
    cycles_on,
    no_room,
    of_resident,
    operand_bits_on,
    tiled_layer,
)
from codesign.costs.pixel_tiles import horizontal, vertical
from codesign.costs.residency import Residents
from codesign.costs.stored import stored_tilings
from codesign.costs.tiling import ORDERS, Tilings
from codesign.errors import SpecError
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.network import Layer, Network
from codesign.specs.schema import spec_dataclass

PARTS = {  # of a tile: the layer's size, and what it counts
    "g": ("G", "groups"),
    "k": ("K", "output channels"),
    "c": ("C", "input channels"),
    "p": ("P", "output rows"),
    "q": ("Q", "output columns"),
    "images": ("N", "images"),
}


@spec_dataclass
class GivenTiling:
    """How a layer is tiled.

    Attributes
    ----------
    tile : Tile
    order : str
        Tile loops, outermost first: a permutation of ``kcp``.
    mapping : str or None
        On a reconfigurable machine that of the layer; None: the best with this tiling.
    """

    tile: Tile
    order: Order
    mapping: ArrayMapping | None = None


class Settled(NamedTuple):
    """What follows from a given tiling.

    Attributes
    ----------
    table : Tilings
        Of one row.
    cycles : int
    mapping : str or None
        The layer's, where each has its own.
    """

    table: Tilings
    cycles: int
    mapping: ArrayMapping | None


def check_tiling(layer: Layer, given: GivenTiling) -> None:
    """Refuse a tiling that is none of the layer.

    Raises
    ------
    SpecError
        The layer has no tiles, a tile is larger than it, or has several images and not all their
        pixels.
    """
    if layer.moves:
        raise SpecError(f"layer {layer.name!r} only moves data and has no tiles")
    sizes = given.tile.sizes(layer)
    for part, (letter, what) in PARTS.items():
        found, most = sizes[part], getattr(layer, letter)
        if found > most:
            raise SpecError(
                f"layer {layer.name!r}: a tile of {found} {what}, but the layer has {most}"
            )
    if sizes["images"] > 1 and (sizes["p"], sizes["q"]) != (layer.P, layer.Q):
        raise SpecError(
            f"layer {layer.name!r}: a tile of {sizes['images']} images has all {layer.P} × "
            f"{layer.Q} output pixels of each, not {sizes['p']} × {sizes['q']}"
        )


def one_tiling(layer: Layer, given: GivenTiling) -> Tilings:
    """The tiling as a table of one row."""
    sizes = given.tile.sizes(layer)
    g, k, c, p, q, images = sizes.values()
    in_image = ceil_div(layer.P, p) * ceil_div(layer.Q, q)
    trips = {
        "k": ceil_div(layer.K, k),
        "c": ceil_div(layer.C, c),
        "p": layer.N * in_image if in_image > 1 else ceil_div(layer.N, images),
    }
    groups = ceil_div(layer.G, g)
    down, across = vertical(layer), horizontal(layer)
    held = [
        g * k * c * layer.window,
        g * c * images * down.held(p) * across.held(q),
        g * k * images * p * q,
    ]
    read = down.read(p) * across.read(q)
    once = [layer.weights, layer.N * layer.G * layer.C * read, 2 * layer.computed_outputs]
    need, traffic = [], []
    for n, (depends, other) in enumerate((("kc", "p"), ("cp", "k"), ("kp", "c"))):
        tiles = groups * math.prod(trips[loop] for loop in depends)
        inside = given.order[given.order.index(other) + 1 :]
        again = trips[other] if any(trips[loop] > 1 for loop in inside) else 1
        need.append(held[n] * (2 if tiles > 1 else 1))
        traffic.append(once[n] * (again - 1 if depends == "kp" else again))
    order = np.array([ORDERS.index(given.order)])
    return Tilings(np.array([[*sizes.values()]]), order, np.array([need]), np.array([traffic]))


def settle(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    given: GivenTiling,
) -> Settled:
    """What follows from a tiling of a layer (`check_tiling`), at its widths.

    Of a reconfigurable machine's mappings the one given, else that of least cycles: what a tiling
    needs and moves is the same in all.

    Raises
    ------
    SpecError
        The mapping given is none of the machine's, or there is none whose cycles are known.
    """
    offered = accelerator.mapping
    if given.mapping is not None and given.mapping not in offered:
        raise SpecError(
            f"layer {layer.name!r}: mapping {given.mapping!r} is given, but accelerator "
            f"{accelerator.name!r} has {', '.join(offered)}"
        )
    on = layer, accelerator, weight_bits, tensor_bits, given.tile
    asked = offered if given.mapping is None else (given.mapping,)
    mappings = [x for x in asked if whole_rounds(layer, array_of(*on[:4], x), given.tile)]
    if not mappings:
        down, across = layer.phases_in_turn
        sizes = given.tile.sizes(layer)
        raise SpecError(
            f"layer {layer.name!r}: a tile of {sizes['p']} × {sizes['q']} output pixels, but "
            f"accelerator {accelerator.name!r} skips inserted zeros in mapping output, which takes "
            f"whole rounds of {down} × {across}: multiples of these, or all"
        )
    count, mapping = min(((given_cycles(*on, x), x) for x in mappings), key=lambda pair: pair[0])
    return Settled(one_tiling(layer, given), count, mapping if accelerator.reconfigurable else None)


def given_tiled_layer(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    settled: Settled,
    resident: Residents | None = None,
) -> LayerDesign:
    """A layer with the tiling given; ``resident`` as of `tiled_layer`.

    Raises
    ------
    SpecError
        It does not fit the SRAM, or the buffer of an operand.
    """
    bits = operand_bits_on(layer, accelerator, weight_bits, tensor_bits)
    table = stored_tilings(settled.table, network, layer, accelerator.stored_channels)
    held, lacks = of_resident(table, layer, resident), "does not hold the tile given of"
    fitting_tilings(held, layer, accelerator, bits, lacks)
    on = network, layer, accelerator, weight_bits, tensor_bits
    found = tiled_layer(*on, table, 0, resident, settled.mapping, settled.cycles)
    assert found.sram_bits is not None
    need = found.sram_bits + found.resident_bits
    if need > (accelerator.sram_bits or 0):
        raise no_room(lacks, *on[1:], need, resident)
    return found


def given_cycles(
    layer: Layer,
    accelerator: Accelerator,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    tile: Tile,
    mapping: ArrayMapping,
) -> int:
    """Compute cycles of a layer in tiles of a given size, at its widths.

    Those of the whole layer, along every loop whose tiles are multiples of the array's granules;
    along the others those of each tile.
    """
    array = array_of(layer, accelerator, weight_bits, tensor_bits, mapping)
    return sum(
        count * cycles_on(piece, accelerator, weight_bits, tensor_bits, mapping)
        for piece, count in _pieces(layer, array, tile)
    )


def whole_rounds(layer: Layer, array: PEArray, tile: Tile) -> bool:
    """Whether a tile has as many output pixels of each phase, where the array takes them in turn.

    Of a part of a round the padding would decide which phases it has.
    """
    sizes, (down, across) = tile.sizes(layer), fold(layer, array).phases
    return all(
        sizes[part] % count == 0 or sizes[part] == size
        for part, size, count in (("p", layer.P, down), ("q", layer.Q, across))
    )


def _pieces(layer: Layer, array: PEArray, tile: Tile) -> Iterator[tuple[Layer, int]]:
    """Parts of a layer that the array takes one by one, and how many are alike."""
    splits, sizes = [], tile.sizes(layer)
    for part in _cut(layer, array, fold(layer, array), sizes):
        letter, _ = PARTS[part]
        whole, left = divmod(getattr(layer, letter), sizes[part])
        alike = [(sizes[part], whole), (left, 1)]
        splits.append([(letter, size, count) for size, count in alike if size and count])
    for choice in product(*splits):
        sized = {letter: size for letter, size, _ in choice}
        yield replace(layer, **sized), math.prod(count for _, _, count in choice)


def _cut(layer: Layer, array: PEArray, folding: Folding, sizes: Mapping[str, int]) -> list[str]:
    """Loops along which tiles leave PEs idle that the whole layer keeps busy."""
    together = folding.side_by_side
    cut = []
    for part, size, granule in (("k", layer.K, folding.tile_k), ("c", layer.C, folding.tile_c)):
        if sizes[part] != size and (together > 1 or sizes[part] % granule):
            cut.append(part)
    if cut or (sizes["g"] != layer.G and sizes["g"] % together):
        cut.append("g")
    if not _whole_turns(layer, sizes, folding):
        cut += ["p", "q"]
    return cut


def _whole_turns(layer: Layer, sizes: Mapping[str, int], folding: Folding) -> bool:
    """Whether all tiles of an image but the last fill the array with pixels, of each phase."""
    granule, (down, across) = folding.pixels, folding.phases
    each = (layer.P, sizes["p"], down), (layer.Q, sizes["q"], across)
    of_phase = [(ceil_div(size, count), ceil_div(full, count)) for size, full, count in each]
    heights, widths = (
        [(full, size // full), (size % full, 1)] if size % full else [(full, size // full)]
        for size, full in of_phase
    )
    for height, width in product(heights, widths):
        last = height == heights[-1] and width == widths[-1]
        if height[1] * width[1] > last and height[0] * width[0] % granule:
            return False
    return True
