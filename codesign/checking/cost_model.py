"""The cost model in whole numbers and fractions: array, tiles, traffic, noise.

Written from the model's page, in its words. Everything is exact but ``log₂``, which is rounded
down by less than 10⁻³⁸.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from codesign.checking.network import Layer
from codesign.checking.zeros import Phase, phases, phases_in_turn

ORDERS = ("kcp", "ckp", "kpc", "pkc", "cpk", "pck")  # of the loops over tiles, outermost first
RELEVANT = {"weights": "kc", "ifmap": "cp", "psum": "kp"}  # loops an operand depends on
LOG2_BITS = 128  # binary digits of a logarithm after the point


def ceil_div(a: int, b: int) -> int:
    """``⌈a/b⌉``."""
    return -(-a // b)


@cache
def log2_below(n: int) -> Fraction:
    """``log₂ n`` of a whole number, from below within ``2^(1−LOG2_BITS)``.

    Digit by digit: the square of ``x = 2^y`` has the logarithm ``2y``, whose whole part is the next
    digit of ``y``. Squares are rounded down, and so the logarithm is.
    """
    whole = n.bit_length() - 1
    precision = 2 * LOG2_BITS
    x = (n << precision) >> whole  # n / 2^whole, in [1, 2)
    digits = 0
    for _ in range(LOG2_BITS):
        x = x * x >> precision
        carry = x >> (precision + 1)
        x >>= carry
        digits = 2 * digits + carry
    return whole + Fraction(digits, 1 << LOG2_BITS)


def default_noise(bits: int) -> Fraction:
    """``4^(−b)``."""
    return Fraction(1, 4**bits)


class Array(NamedTuple):
    """A PE array: columns take output channels, rows what their mapping says.

    Attributes
    ----------
    engine : int
        Multipliers of a PE.
    mapping : str
        What rows take: input channels, a PE a window of each ("window"); input channels and the
        positions of the kernel ("im2col"); output pixels ("output").
    skips_zeros : bool
        Outputs over inserted zeros are computed phase by phase, without products of these.
    """

    rows: int
    cols: int
    engine: int
    mapping: str = "window"
    skips_zeros: bool = False


class Tile(NamedTuple):
    """Groups, output channels, input channels, output rows, columns and images of one tile.

    Without ``q`` it has all output columns, and all columns of the ifmap as stored.
    """

    g: int
    k: int
    c: int
    p: int
    q: int | None
    images: int


class Elements(NamedTuple):
    """Elements of weights, ifmap and partial sums."""

    weights: int
    ifmap: int
    psum: int

    def bits(self, weight_bits: int, ifmap_bits: int, psum_bits: int) -> int:
        """Bits of all three."""
        return self.weights * weight_bits + self.ifmap * ifmap_bits + self.psum * psum_bits


# --- the array ----------------------------------------------------------------------------------


class Turns(NamedTuple):
    """What one phase of outputs takes, all of a layer where zeros are not skipped.

    Attributes
    ----------
    outputs : int
        Of an image and channel.
    window : int
        Positions of the kernel that are multiplied.
    reduction : int
        Turns over input channels and those positions, 1 where there are none.
    pixels : int
        Turns over the pixels of all images.
    """

    outputs: int
    window: int
    reduction: int
    pixels: int


def phases_on(layer: Layer, array: Array) -> list[Phase]:
    """Outputs of an image that the array computes in turn."""
    if array.skips_zeros:
        return phases(layer)
    return [Phase(layer.P, layer.Q, layer.R * layer.S)]


def windows(layer: Layer, array: Array) -> list[int]:
    """Positions of the kernel that some phase multiplies, each number once."""
    return sorted({phase.window for phase in phases_on(layer, array)} - {0})


def turns(layer: Layer, array: Array) -> list[Turns]:
    """Of every phase. In mapping output all have as many pixels as the largest that multiplies."""
    found, every = [], phases_on(layer, array)
    rows, cols = (max(x[n] for x in every if x.window) for n in (0, 1))
    for phase in every:
        outputs = phase.rows * phase.cols
        together = rows * cols if array.mapping == "output" else outputs
        pixels = ceil_div(together, pixel_step(array)) if phase.window else 0
        reduction = reduction_folds(layer, array, phase.window)
        found.append(Turns(outputs, phase.window, reduction, layer.N * pixels))
    return found


def channels_at_once(window: int, array: Array) -> int:
    """``rows·pack``: input channels of one cycle; small kernels share a PE."""
    return array.rows * max(1, array.engine // window)


def products_at_once(array: Array) -> int:
    """Products that add up in one cycle, where those of a window do not keep to a PE."""
    return array.engine if array.mapping == "output" else array.rows * array.engine


def groups_at_once(layer: Layer, array: Array) -> int:
    """``g``: groups side by side as a block diagonal, where a whole one fits; in every phase."""
    fitting, window = [layer.G, array.cols // layer.K], windows(layer, array)[-1]
    if array.mapping == "window":
        fitting.append(channels_at_once(window, array) // layer.C)
    if array.mapping == "im2col":
        fitting.append(products_at_once(array) // (layer.C * window))
    return max(1, min(fitting))


def reduction_folds(layer: Layer, array: Array, window: int | None = None) -> int:
    """Turns over input channels and the positions of the kernel, or so many of them."""
    window = layer.R * layer.S if window is None else window
    if not window:
        return 1
    if array.mapping == "window":
        passes = ceil_div(window, array.engine)
        return ceil_div(layer.C, channels_at_once(window, array)) * passes
    return ceil_div(layer.C * window, products_at_once(array))


def pixel_folds(layer: Layer, array: Array) -> int:
    """Turns over the pixels of all images."""
    return layer.N * ceil_div(layer.P * layer.Q, pixel_step(array))


def channel_folds(layer: Layer, array: Array) -> int:
    """``⌈G/g⌉·⌈K/cols⌉``: turns over groups and output channels."""
    return ceil_div(layer.G, groups_at_once(layer, array)) * ceil_div(layer.K, array.cols)


def cycles(layer: Layer, array: Array) -> int:
    """The product of all turns; none where data only moves.

    ``⌈G/g⌉·⌈K/cols⌉`` times ``N·P·Q·passes·⌈C/(rows·pack)⌉`` in mapping window,
    ``N·P·Q·⌈C·R·S/(rows·engine)⌉`` in im2col, ``N·⌈P·Q/rows⌉·⌈C·R·S/engine⌉`` in output; of all
    phases together where zeros are skipped.
    """
    if layer.moves:
        return 0
    each = (phase.reduction * phase.pixels for phase in turns(layer, array))
    return channel_folds(layer, array) * sum(each)


def passes(layer: Layer, array: Array) -> int:
    """How often the array changes what it holds, weights or, in mapping output, sums."""
    found = [phase for phase in turns(layer, array) if phase.window]
    held = (x.pixels if array.mapping == "output" else x.reduction for x in found)
    return channel_folds(layer, array) * sum(held)


def channel_step(layer: Layer, array: Array) -> int:
    """Input channels that fill whole turns: a tile has a multiple of them, or all."""
    if array.mapping == "window":
        return math.lcm(*(channels_at_once(window, array) for window in windows(layer, array)))
    products = products_at_once(array)
    return math.lcm(*(products // math.gcd(products, x) for x in windows(layer, array)))


def pixel_step(array: Array) -> int:
    """Output pixels of one turn."""
    return array.rows if array.mapping == "output" else 1


@cache
def precision_passes(bw: int, ba: int, pe_weight_bits: int, pe_activation_bits: int) -> int:
    """``⌈bw/Bw⌉·⌈ba/Ba⌉``."""
    return ceil_div(bw, pe_weight_bits) * ceil_div(ba, pe_activation_bits)


def accumulation_bits(layer: Layer) -> int:
    """``⌈log₂(C·R·S)⌉``."""
    return (layer.C * layer.R * layer.S - 1).bit_length()


def bops(layer: Layer, bw: int, ba: int) -> Fraction:
    """``macs·(bw·ba + bw + ba + log₂(C·R·S))``, rounded down by less than 10⁻³⁰ of itself."""
    if layer.moves:
        return Fraction(0)
    return layer.macs * (bw * ba + bw + ba + log2_below(layer.C * layer.R * layer.S))


# --- tiles --------------------------------------------------------------------------------------


def tile_faults(layer: Layer, array: Array, tile: Tile) -> list[tuple[str, str]]:
    """Which parts of a tile are not legal, and what would be.

    A tile keeps the array as busy as the whole layer: input channels and pixels are as many as
    fill whole turns, output channels a multiple of ``cols``, groups of those side by side, or all
    there are. With groups side by side a tile has whole groups, else one. It has rows and columns
    of one image, or whole images.
    """
    side_by_side = groups_at_once(layer, array)
    steps = {"k": array.cols, "c": channel_step(layer, array), "g": side_by_side}
    if side_by_side > 1:
        steps |= {"k": layer.K, "c": layer.C}
    sizes = {"g": layer.G, "k": layer.K, "c": layer.C}
    faults = []
    for part, step in steps.items():
        found, size = getattr(tile, part), sizes[part]
        if part == "g" and side_by_side == 1:
            right, expected = found == 1, "1: no groups run side by side"
        else:
            right = found == size or (found < size and found % step == 0)
            expected = f"{size}, or a smaller multiple of {step}"
        if not right or found < 1:
            faults.append((part, expected))
    faults += _pixel_faults(layer, array, tile)
    most = layer.N if tile.p == layer.P and tile.q in (None, layer.Q) else 1
    if not 1 <= tile.images <= most:
        faults.append(("images", f"1 to {most}"))
    return faults


def _pixel_faults(layer: Layer, array: Array, tile: Tile) -> list[tuple[str, str]]:
    """Of rows and columns; what they hold may depend on both."""
    cols = layer.Q if tile.q is None else tile.q
    faults = [
        (part, f"1 to {size}")
        for part, found, size in (("p", tile.p, layer.P), ("q", cols, layer.Q))
        if not 1 <= found <= size
    ]
    step = pixel_step(array)
    if not faults and phases_of_tiles(layer, array) != (1, 1):
        return _phase_faults(layer, tile.p, cols, step)
    if not faults and not fills_turns(layer, tile.p, cols, step):
        whole = f"tiles of a multiple of {step} outputs, but for the last of an image"
        faults.append(("p", f"with {cols} columns, {whole}"))
    return faults


def phases_of_tiles(layer: Layer, array: Array) -> tuple[int, int]:
    """Phases of rows and of columns of which tiles have whole rounds, lest they leave PEs idle."""
    if array.skips_zeros and array.mapping == "output":
        return phases_in_turn(layer)
    return 1, 1


def _phase_faults(layer: Layer, rows: int, cols: int, step: int) -> list[tuple[str, str]]:
    """Of tiles that are to fill whole turns in every phase, all as large as the largest."""
    down, across = phases_in_turn(layer)
    whole = (rows == layer.P or rows % down == 0) and (cols == layer.Q or cols % across == 0)
    one = replace(layer, P=ceil_div(layer.P, down), Q=ceil_div(layer.Q, across))
    in_one = ceil_div(rows, down), ceil_div(cols, across)
    if whole and fills_turns(one, *in_one, step):
        return []
    told = f"with {cols} columns, whole rounds of {down} × {across} phases, a multiple of {step} in"
    return [("p", f"{told} each but for the last of an image")]


def fills_turns(layer: Layer, rows: int, cols: int, step: int) -> bool:
    """Whether of the tiles of an image all but the last hold a multiple of so many pixels.

    Tiles are alike but for those in the last row and in the last column of tiles.
    """
    down, across = ceil_div(layer.P, rows), ceil_div(layer.Q, cols)
    last = layer.P - (down - 1) * rows, layer.Q - (across - 1) * cols
    heights = [rows, last[0]] if down > 1 else [last[0]]
    widths = [cols, last[1]] if across > 1 else [last[1]]
    sizes = [height * width for height in heights for width in widths]
    return all(size % step == 0 for size in sizes[:-1])


def trips(layer: Layer, tile: Tile) -> dict[str, int]:
    """Trip counts of the loops over tiles; ``g`` runs outermost, ``p`` over pixels and images."""
    in_image = ceil_div(layer.P, tile.p) * ceil_div(layer.Q, tile.q or layer.Q)
    return {
        "g": ceil_div(layer.G, tile.g),
        "k": ceil_div(layer.K, tile.k),
        "c": ceil_div(layer.C, tile.c),
        "p": layer.N * in_image if in_image > 1 else ceil_div(layer.N, tile.images),
    }


def refetch(order: str, count: dict[str, int], relevant: str) -> int:
    """Times each tile of an operand is fetched.

    Once per iteration of the loops from the outermost one down to the innermost that it depends on
    with more than one trip; over the product of its own trips.
    """
    fetches = so_far = 1
    for loop in order:
        so_far *= count[loop]
        if loop in relevant and count[loop] > 1:
            fetches = so_far
    return fetches // math.prod(count[loop] for loop in relevant)


def rows_in(layer: Layer, rows: int, anywhere: bool = False) -> int:
    """Stored ifmap rows that so many output rows read at most; inserted zeros are not stored.

    Of rows that are repeated those of tiles from the first row on; or wherever such rows are.
    """
    return _held(layer, 0, layer.H, rows, anywhere)


def cols_in(layer: Layer, cols: int | None) -> int:
    """Stored ifmap columns of a tile of so many output columns, likewise; all without a number."""
    return layer.W if cols is None else _held(layer, 1, layer.W, cols)


def rows_read(layer: Layer, rows: int) -> int:
    """Ifmap rows fetched per image, halo rows once per tile of so many output rows."""
    return _read(layer, 0, layer.H, rows)


def cols_read(layer: Layer, cols: int | None) -> int:
    """Ifmap columns fetched per image and row, halo columns once per tile of output columns."""
    return _read(layer, 1, layer.W, cols or layer.Q)


def _held(layer: Layer, axis: int, stored: int, size: int, anywhere: bool = False) -> int:
    """Rows (axis 0) or columns of the ifmap that a tile of so many outputs holds."""
    covered = (size - 1) * layer.stride[axis] + layer.reach[axis]
    again = layer.input_repetition[axis]
    if again == 1:
        return min(stored, ceil_div(covered, layer.input_dilation[axis]))
    if anywhere:  # the first of them the last time that it is repeated
        return min(stored, 1 + ceil_div(covered - 1, again))
    lies, last, _ = _over_repeated(layer, axis, stored, size)
    return min(stored, max(end - first + 1 for first, end in (*lies, last)))


def _read(layer: Layer, axis: int, stored: int, size: int) -> int:
    """Rows (axis 0) or columns fetched in all by tiles of so many outputs."""
    outputs = (layer.P, layer.Q)[axis]
    tiles, held = ceil_div(outputs, size), _held(layer, axis, stored, size)
    if tiles == 1:
        return stored
    halo = max(layer.reach[axis] - layer.stride[axis], 0)
    shared = (tiles - 1) * ceil_div(halo, layer.input_dilation[axis])
    if layer.input_repetition[axis] > 1:
        lies, _, next_one = _over_repeated(layer, axis, stored, size)
        both = [max(end - after + 1, 0) for (_, end), after in zip(lies, next_one, strict=True)]
        rounds, more = divmod(tiles - 1, len(both))
        shared = rounds * sum(both) + sum(both[:more])
    return min(stored + shared, tiles * held)


def _over_repeated(
    layer: Layer, axis: int, stored: int, size: int
) -> tuple[list[tuple[int, int]], tuple[int, int], list[int]]:
    """First and last stored rows (columns) under tiles, where windows see each several times.

    Half of the padding is before the image, the smaller half of an odd number. Tiles lie in the
    same way again after as many as a row is repeated.

    Returns
    -------
    Those of all tiles but the last, until they lie as before; those of the last; and the first of
    the tile after each of the former.
    """
    again, outputs = layer.input_repetition[axis], (layer.P, layer.Q)[axis]
    step, reach = layer.stride[axis], layer.reach[axis]
    above = max((outputs - 1) * step + reach - stored * again, 0) // 2

    def under(output: int) -> tuple[int, int]:
        first = output * step - above
        return first // again, (first + reach - 1) // again

    begins = range(0, outputs, size)
    before = begins[:-1][:again]
    lies = [(under(n)[0], under(n + size - 1)[1]) for n in before]
    last = under(begins[-1])[0], under(outputs - 1)[1]
    return lies, last, [under(n + size)[0] for n in before]


def sram_elements(layer: Layer, tile: Tile) -> Elements:
    """SRAM a tile needs; twice for an operand that has more than one tile in all."""
    count = trips(layer, tile)
    once = Elements(
        tile.g * tile.k * tile.c * layer.R * layer.S,
        tile.g * tile.c * tile.images * rows_in(layer, tile.p) * cols_in(layer, tile.q),
        tile.g * tile.k * tile.images * tile.p * (tile.q or layer.Q),
    )
    many = (
        count["g"] * math.prod(count[loop] for loop in loops) > 1 for loops in RELEVANT.values()
    )
    return Elements(*(x * (2 if more else 1) for x, more in zip(once, many, strict=True)))


def dram_elements(layer: Layer, tile: Tile, order: str) -> Elements:
    """DRAM traffic of a tiling: weights, ifmap with halos, spilled and reloaded partial sums."""
    count = trips(layer, tile)
    again = {operand: refetch(order, count, loops) for operand, loops in RELEVANT.items()}
    read = rows_read(layer, tile.p) * cols_read(layer, tile.q)
    ifmap = layer.N * layer.G * layer.C * read
    return Elements(
        layer.weights * again["weights"],
        ifmap * again["ifmap"],
        2 * layer.outputs * (again["psum"] - 1),
    )
