"""How machines work, for `oracle`: mappings, PEs that split, cycles beside multiplications.

``window``: rows take input channels, a PE one window of each or several small ones; ``im2col``:
rows take products of a window, whatever their channel; ``output``: rows take output pixels. Columns
take output channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Protocol

from codesign.specs.network import Layer


class Machine(Protocol):
    """What a machine counts beside multiplications: `Choices` and `Accelerator` have it."""

    fill_cycles: bool
    weight_load: bool
    cycle_factors: Mapping[str, str]
    zero_skipping: bool


def ceil_div(a: int, b: int) -> int:
    """``⌈a/b⌉`` of positive integers."""
    return -(-a // b)


Phase = tuple[int, int, int]  # output rows and columns, and products with stored elements of each


def phases(layer: Layer, skips: bool = False) -> list[Phase]:
    """Outputs of an image that meet inserted zeros alike; all alike if these are not skipped."""
    if not skips:
        return [(layer.P, layer.Q, layer.R * layer.S)]
    down, across = (_phases(layer, axis) for axis in (0, 1))
    return [(p, q, r * s) for p, r in down for q, s in across]


def in_turn(layer: Layer) -> tuple[int, int]:
    """After how many output rows, and columns, windows meet zeros as before."""
    found = []
    for axis in (0, 1):
        step, spacing = _along(layer.stride, axis), _along(layer.input_dilation, axis)
        found.append(next(n for n in range(1, spacing + 1) if n * step % spacing == 0))
    return found[0], found[1]


def _along(pair: int | tuple[int, int], axis: int) -> int:
    return pair if isinstance(pair, int) else pair[axis]


def _phases(layer: Layer, axis: int) -> list[tuple[int, int]]:
    """Outputs and kernel rows (columns) that each meets data with, counted at every offset.

    Whichever offsets the padding makes: those that meet most, the first of them most often.
    """
    outputs, taps = (layer.P, layer.R) if axis == 0 else (layer.Q, layer.S)
    spacing, apart = _along(layer.input_dilation, axis), _along(layer.dilation, axis)
    met = [
        sum((offset + tap * apart) % spacing == 0 for tap in range(taps))
        for offset in range(spacing)
    ]
    count = in_turn(layer)[axis]
    most = sorted(met, reverse=True)[:count]
    every = [(len(range(n, outputs, count)), taps) for n, taps in enumerate(most)]
    return [(size, taps) for size, taps in every if size]


def _windows(layer: Layer, skips: bool) -> list[int]:
    return [window for _, _, window in phases(layer, skips) if window]


def computed_macs(layer: Layer, skips: bool = False) -> int:
    """Products of a layer, with stored elements alone where inserted zeros are skipped."""
    each = sum(p * q * window for p, q, window in phases(layer, skips))
    return layer.N * layer.G * layer.K * layer.C * each


def channels_at_once(window: int, rows: int, engine: int) -> int:
    """``rows·pack``: input channels the array takes in one cycle, in mapping window."""
    return rows * max(1, engine // window)


def groups_at_once(
    layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window", skips: bool = False
) -> int:
    """``g``: groups side by side on the array, in every phase; 1 where it does not hold two."""
    window = max(_windows(layer, skips))
    of_rows = {
        "window": channels_at_once(window, rows, engine) // layer.C,
        "im2col": rows * engine // (layer.C * window),
        "output": layer.G,  # a row computes every output of its pixel
    }[mapping]
    return max(1, min(layer.G, of_rows, cols // layer.K))


def sum_turns(layer: Layer, window: int, rows: int, engine: int, mapping: str) -> int:
    """Turns over the products of a sum, in a window of so many positions; 1 over none."""
    if not window:
        return 1
    if mapping == "window":
        each = ceil_div(layer.C, channels_at_once(window, rows, engine))
        return each * ceil_div(window, engine)
    return ceil_div(layer.C * window, engine if mapping == "output" else rows * engine)


def turns(
    layer: Layer, rows: int, cols: int, engine: int, mapping: str, skips: bool = False
) -> list[tuple[int, int, int]]:
    """How often weights or sums in the array are changed, what each takes, and rows' turns.

    Turns over groups and output channels; over the products of a sum; over pixels: of each phase
    that has products. In mapping output a phase has as many pixels as the largest.
    """
    outputs = ceil_div(layer.K, cols)
    groups = ceil_div(layer.G, groups_at_once(layer, rows, cols, engine, mapping, skips))
    found = []
    for p, q, window in phases(layer, skips):
        if window:
            pixels = p * q
            if mapping == "output":
                down, across = in_turn(layer) if skips else (1, 1)
                pixels = ceil_div(ceil_div(layer.P, down) * ceil_div(layer.Q, across), rows)
            each = sum_turns(layer, window, rows, engine, mapping)
            found.append((groups * outputs, each, layer.N * pixels))
    return found


def array_cycles(layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window") -> int:
    """Cycles of one layer whose operands fit the PE, multiplications alone."""
    if layer.moves:
        return 0
    return sum(math.prod(each) for each in turns(layer, rows, cols, engine, mapping))


def cycle_factor(machine: Machine, layer: Layer) -> Fraction:
    """What a layer's multiplications are multiplied by; a factor of strides of 1 comes first."""
    kernel, strides = f"{layer.R}x{layer.S}", layer.stride
    ones = strides in (1, (1, 1))
    factors = machine.cycle_factors
    if ones and f"{kernel}s1" in factors:
        return Fraction(factors[f"{kernel}s1"])
    return Fraction(factors.get(kernel, "1"))


def machine_cycles(
    machine: Machine, layer: Layer, rows: int, cols: int, engine: int, mapping: str
) -> int:
    """The same with all that the machine counts.

    The array is filled and drained once for all pixels of the same weights, or, where sums stay in
    it (output), for all products of the same sums. Only weights that stay are loaded.
    """
    if layer.moves:
        return 0
    every = turns(layer, rows, cols, engine, mapping, machine.zero_skipping)
    count = math.ceil(sum(map(math.prod, every)) * cycle_factor(machine, layer))
    passes = sum(steps * (pixels if mapping == "output" else each) for steps, each, pixels in every)
    if machine.fill_cycles:
        count += passes * (rows + cols - 1)
    if machine.weight_load and mapping != "output":
        count += passes * rows
    return count


def split_engine(engine: int, widths: tuple[int, int], pe_widths: tuple[int, int]) -> int:
    """Multipliers of a PE halved in each operand as long as its parts hold the operand."""
    for bits, pe_bits in zip(widths, pe_widths, strict=True):
        part = pe_bits
        while part % 2 == 0 and part // 2 >= bits:
            part, engine = part // 2, engine * 2
    return engine


# --- tiles that keep the array busy ---------------------------------------------------------------


def channel_step(layer: Layer, rows: int, engine: int, mapping: str, skips: bool = False) -> int:
    """The fewest input channels that leave no PE idle in any phase; at most all."""

    def fills(channels: int, window: int) -> bool:
        if mapping == "window":
            return channels % channels_at_once(window, rows, engine) == 0
        full = rows * engine if mapping == "im2col" else engine
        return channels * window % full == 0

    windows = _windows(layer, skips)
    steps = (c for c in range(1, layer.C) if all(fills(c, window) for window in windows))
    return next(steps, layer.C)


def rows_are_full(pixels_of_tiles: list[int], rows: int, mapping: str) -> bool:
    """Whether all tiles of an image but the last fill every row of the array.

    Parameters
    ----------
    pixels_of_tiles : list of int
        Output pixels of each tile of an image, in the order of the walk.
    """
    return mapping != "output" or all(pixels % rows == 0 for pixels in pixels_of_tiles[:-1])
