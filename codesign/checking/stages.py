"""What a layer costs with an array of its own, in whole numbers and fractions: of a pipeline.

Written from the model's page. A stage works on a band of output rows at a time and holds lines of
its input, weights, and partial sums where the reduction folds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.cost_model import (
    Array,
    accumulation_bits,
    bops,
    ceil_div,
    channel_folds,
    groups_at_once,
    rows_in,
    turns,
    windows,
)
from codesign.checking.energy import Energies
from codesign.checking.machine import Machine
from codesign.checking.network import Layer
from codesign.checking.technology import UM2_PER_MM2, Fpga, Silicon

ROUNDING = Fraction(1, 10**9)  # of a block RAM, that floating-point numbers may be above
TAKES = {"chip", "stream"}


class Stage(NamedTuple):
    """A layer's array, its operands' widths and how it works; without MACs there is no array."""

    array: Array | None
    bw: int
    ba: int
    streams: bool
    band_rows: int


class Held(NamedTuple):
    """Bits of the memories of a stage but FIFOs."""

    weights: int
    lines: int
    psums: int


def keeps_given(given: Mapping[str, object], **chosen: object) -> bool:
    """Whether what is chosen of a stage is what is given of it, where it is."""
    return all(given.get(key, x) == x for key, x in chosen.items())


def bands(layer: Layer, array: Array) -> list[int]:
    """Band heights on offer: the least for each number of bands.

    In mapping output a band fills the rows of the array, unless it is all there is.
    """
    step = array.rows // math.gcd(array.rows, layer.Q) if array.mapping == "output" else 1
    found: dict[int, int] = {}
    for height in (*range(step, layer.P, step), layer.P):
        found.setdefault(ceil_div(layer.P, height), height)
    return sorted(found.values())


def fresh_rows(layer: Layer, band_rows: int) -> int:
    """Stored input rows that come in while so many output rows are worked on."""
    seen_as = layer.input_dilation[0] * layer.input_repetition[0]
    return min(layer.H, ceil_div(band_rows * layer.stride[0], seen_as))


def lag(layer: Layer, band_rows: int) -> Fraction:
    """``max(0, (rows_in(p) − fresh(1))/H + p/P)``; 1 where data only moves."""
    if layer.moves:
        return Fraction(1)
    waited = Fraction(rows_in(layer, band_rows) - fresh_rows(layer, 1), layer.H)
    return max(Fraction(0), waited + Fraction(band_rows, layer.P))


def held_bits(layer: Layer, stage: Stage) -> Held:
    """Weights, lines of the input, partial sums."""
    array, p = stage.array, stage.band_rows
    if array is None:
        return Held(0, 0, 0)
    weights = layer.weights * (1 if layer.weight_tensor is None else 2)
    if stage.streams:
        fed = array.cols * array.engine * (1 if array.mapping == "output" else array.rows)
        weights = 2 * min(layer.weights, fed)
    lines = (rows_in(layer, p) + fresh_rows(layer, p)) * layer.W * layer.G * layer.C
    sums = p * layer.Q * layer.G * layer.K if _sums_fold(layer, array) else 0
    psum_bits = stage.bw + stage.ba + accumulation_bits(layer)
    return Held(weights * stage.bw, lines * stage.ba, sums * psum_bits)


def streamed_bits(layer: Layer, stage: Stage) -> int:
    """Weights from DRAM, all of them for every band."""
    return _bands_in_all(layer, stage) * layer.weights * stage.bw if stage.streams else 0


def _bands_in_all(layer: Layer, stage: Stage) -> int:
    return layer.N * ceil_div(layer.P, stage.band_rows)


def _sums_fold(layer: Layer, array: Array) -> bool:
    return array.mapping != "output" and any(x.reduction > 1 for x in turns(layer, array))


def folds_evenly(layer: Layer, array: Array) -> bool:
    """Whether rows and columns divide a layer's channels without remainder (on an FPGA).

    In im2col rows divide the products of a window. Of groups side by side columns hold whole ones
    and no more, a divisor of all, and rows are no more than those take.
    """
    if array.mapping == "output":
        return True
    window = windows(layer, array)[-1]
    one, each = layer.C * window, array.engine
    if array.mapping == "window":
        one, each = layer.C, max(1, array.engine // window)
    side_by_side = groups_at_once(layer, array)
    if side_by_side > 1:
        needed = ceil_div(side_by_side * one, each)
        whole = array.cols == side_by_side * layer.K
        return whole and layer.G % side_by_side == 0 and array.rows <= needed
    divided = one % (array.rows * each) == 0 or (array.rows == 1 and one < each)
    return divided and layer.K % array.cols == 0


def taken_terms(
    technology: Silicon | Fpga,
    overhead: Fraction,
    stage: Stage,
    memories: Sequence[Sequence[Fraction]],
) -> dict[str, tuple[Fraction, ...]]:
    """Terms of what a stage takes of the hardware, but of block RAMs.

    Parameters
    ----------
    memories : sequence of sequence of Fraction
        Of each memory the terms of its bits.
    """
    columns = 0 if stage.array is None else stage.array.cols
    pes = 0 if stage.array is None else stage.array.rows * columns
    if isinstance(technology, Fpga):
        if not pes:
            return {"lut": (Fraction(0),), "dsp": (Fraction(0),)}
        found = technology.terms(pes, overhead, (stage.bw, stage.ba), (), columns)
        return {name: tuple(found[name]) for name in ("lut", "dsp")}
    terms_um2 = [technology.sram_slope * x for bits in memories for x in bits]
    terms_um2 += [technology.sram_intercept] * len(memories)
    if pes:
        pe_um2 = technology.pe_terms_um2(stage.bw, stage.ba)
        terms_um2 += [overhead * pes * x for x in pe_um2]
    return {"area_mm2": tuple(x / UM2_PER_MM2 for x in terms_um2) or (Fraction(0),)}


def block_rams(block_bits: int, bits: Fraction) -> tuple[int, int]:
    """Block RAMs of a memory, the least and the most that rounding may make of it."""
    blocks = bits / block_bits
    spread = ROUNDING / 1000 + blocks / 10**12
    return math.ceil(blocks - ROUNDING - spread), math.ceil(blocks - ROUNDING + spread)


def stage_j(layer: Layer, stage: Stage, machine: Machine, energies: Energies) -> Fraction:
    """Energy of an image's MACs, and of its lines, weights and partial sums read and written."""
    if stage.array is None:
        return Fraction(0)
    macs = machine.macs(layer)
    read, written = moved_bits(layer, stage, stage.array)
    operations = bops(layer, stage.bw, stage.ba) * Fraction(macs, layer.macs)
    at_work = energies.mac * macs + energies.bop * operations
    return at_work + energies.read * read + energies.write * written


def moved_bits(layer: Layer, stage: Stage, array: Array) -> tuple[int, int]:
    """Bits of weights, lines and partial sums, read and written for an image."""
    each, count = turns(layer, array), _bands_in_all(layer, stage)
    tensor = layer.weights if layer.weight_tensor is not None else 0
    if array.mapping == "output":
        used = sum(x.window * x.pixels for x in each)
        weights = layer.G * layer.K * layer.C * used
    else:
        kept = len(each) == 1 and channel_folds(layer, array) * each[0].reduction == 1
        weights = tensor if kept and not stage.streams else count * layer.weights
    filled = tensor + count * layer.weights * stage.streams
    lines = count * rows_in(layer, stage.band_rows) * layer.W * layer.G * layer.C
    read = weights * stage.bw + lines * ceil_div(layer.K, array.cols) * stage.ba
    written = filled * stage.bw + layer.ifmap * stage.ba
    if _sums_fold(layer, array):
        psum_bits = stage.bw + stage.ba + accumulation_bits(layer)
        channels = layer.N * layer.G * layer.K * psum_bits
        read += channels * sum(x.outputs * (x.reduction - 1) for x in each)
        written += channels * sum(x.outputs * x.reduction for x in each)
    return read, written
