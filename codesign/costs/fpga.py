"""What an array of PEs and an SRAM take of an FPGA: LUTs, DSP blocks, block RAMs.

Source: FINN-R (Blott et al. 2018, doi 10.1145/3242897) and the estimates of the FINN compiler,
``300 + 1.1·P·(Q·(2·⌈(W + A)/6⌉ − 1)·(W + A) + (W + A)·(2·Q − 1) + accumulator)`` LUTs of ``P``
processing elements with ``Q`` multipliers each of ``W × A`` bit. Here ``Q`` is the engine of a PE
and ``P`` the PEs of the array; or, where PEs of a column have one accumulator, ``P`` the columns
and ``Q`` the multipliers of one. Left out: FIFOs, thresholds, and what feeds the array.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.errors import SpecError
from codesign.specs.fpga import Fpga

LUT_INPUTS = 6


def multiplier_lut(weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike) -> Ints:
    """LUTs of a multiplier: ``(2·⌈(Bw + Ba)/6⌉ − 1)·(Bw + Ba)``; broadcasts."""
    bits = np.asarray(weight_bits, dtype=np.int64) + np.asarray(activation_bits, dtype=np.int64)
    return np.asarray((2 * -(-bits // LUT_INPUTS) - 1) * bits)


def pe_lut(
    fpga: Fpga, weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike, pes: npt.ArrayLike = 1
) -> Ints:
    """LUTs before the factor of some PEs of one accumulator; broadcasts.

    Multipliers unless DSP blocks are, adders, accumulator.
    """
    bits = np.asarray(weight_bits, dtype=np.int64) + np.asarray(activation_bits, dtype=np.int64)
    products = fpga.engine * np.asarray(pes, dtype=np.int64)
    counted = bits * (2 * products - 1) + fpga.accumulator_bits
    if fpga.multipliers == "lut":
        counted = counted + products * multiplier_lut(weight_bits, activation_bits)
    return np.asarray(counted)


def array_lut(
    fpga: Fpga,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
    overhead: float,
) -> Floats:
    """LUTs of an array, an estimate that is not rounded; all arguments broadcast together."""
    high, wide = np.asarray(rows, dtype=np.int64), np.asarray(cols, dtype=np.int64)
    together, times = (high, wide) if fpga.accumulators == "column" else (1, high * wide)
    counted = times * pe_lut(fpga, weight_bits, activation_bits, together)
    return np.asarray(fpga.base_lut + overhead * fpga.lut_factor * counted, dtype=np.float64)


def array_dsp(
    fpga: Fpga,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
) -> Floats:
    """DSP blocks of an array: ``engine·⌈(Bw + Ba)/48⌉`` of each PE, or none."""
    bits = np.asarray(weight_bits, dtype=np.int64) + np.asarray(activation_bits, dtype=np.int64)
    pes = np.asarray(rows, dtype=np.int64) * np.asarray(cols, dtype=np.int64)
    each = fpga.engine * -(-bits // fpga.dsp_bits) if fpga.multipliers == "dsp" else 0 * bits
    return np.asarray(pes * each, dtype=np.float64)


def bram(fpga: Fpga, sram_bits: npt.ArrayLike) -> Floats:
    """Block RAMs that an SRAM of so many bits takes."""
    return np.asarray(np.ceil(np.asarray(sram_bits, dtype=np.float64) / fpga.bram_bits))


def check_blocks(fpga: Fpga, sizes: Iterable[int]) -> None:
    """Refuse SRAM sizes that are no whole number of block RAMs.

    Raises
    ------
    SpecError
    """
    for size in sizes:
        if size % fpga.bram_bits:
            raise SpecError(
                f"SRAM sizes: {size} bits is no whole number of block RAMs of {fpga.bram_bits} "
                f"bits; offer {max(1, round(size / fpga.bram_bits)) * fpga.bram_bits}"
            )
