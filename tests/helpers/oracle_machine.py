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


def ceil_div(a: int, b: int) -> int:
    """``⌈a/b⌉`` of positive integers."""
    return -(-a // b)


def products(layer: Layer) -> int:
    """Products that are summed for one output: ``C·R·S``."""
    return layer.C * layer.R * layer.S


def channels_at_once(layer: Layer, rows: int, engine: int) -> int:
    """``rows·pack``: input channels the array takes in one cycle, in mapping window."""
    return rows * max(1, engine // (layer.R * layer.S))


def groups_at_once(layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window") -> int:
    """``g``: groups side by side on the array; 1 where it does not hold two."""
    of_rows = {
        "window": channels_at_once(layer, rows, engine) // layer.C,
        "im2col": rows * engine // products(layer),
        "output": layer.G,  # a row computes every output of its pixel
    }[mapping]
    return max(1, min(layer.G, of_rows, cols // layer.K))


def turns(layer: Layer, rows: int, cols: int, engine: int, mapping: str) -> tuple[int, int, int]:
    """How often weights or sums in the array are changed, what each takes, and rows' turns.

    Turns over groups and output channels; over the products of a sum; over pixels.
    """
    outputs = ceil_div(layer.K, cols)
    groups = ceil_div(layer.G, groups_at_once(layer, rows, cols, engine, mapping))
    pixels = layer.P * layer.Q
    if mapping == "window":
        each = ceil_div(layer.C, channels_at_once(layer, rows, engine))
        each *= ceil_div(layer.R * layer.S, engine)
    elif mapping == "im2col":
        each = ceil_div(products(layer), rows * engine)
    else:
        each, pixels = ceil_div(products(layer), engine), ceil_div(pixels, rows)
    return groups * outputs, each, layer.N * pixels


def array_cycles(layer: Layer, rows: int, cols: int, engine: int, mapping: str = "window") -> int:
    """Cycles of one layer whose operands fit the PE, multiplications alone."""
    return 0 if layer.moves else math.prod(turns(layer, rows, cols, engine, mapping))


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
    steps, each, pixels = turns(layer, rows, cols, engine, mapping)
    count = math.ceil(steps * each * pixels * cycle_factor(machine, layer))
    passes = steps * (pixels if mapping == "output" else each)
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


def channel_step(layer: Layer, rows: int, engine: int, mapping: str) -> int:
    """The fewest input channels that leave no PE idle; at most all."""
    if mapping == "window":
        return channels_at_once(layer, rows, engine)
    full = rows * engine if mapping == "im2col" else engine
    window = layer.R * layer.S
    return next((c for c in range(1, layer.C) if c * window % full == 0), layer.C)


def rows_are_full(pixels_of_tiles: list[int], rows: int, mapping: str) -> bool:
    """Whether all tiles of an image but the last fill every row of the array.

    Parameters
    ----------
    pixels_of_tiles : list of int
        Output pixels of each tile of an image, in the order of the walk.
    """
    return mapping != "output" or all(pixels % rows == 0 for pixels in pixels_of_tiles[:-1])
