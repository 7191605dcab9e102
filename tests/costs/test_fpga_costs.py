"""LUTs, DSP blocks and block RAMs: the published formulas by hand, and SRAM in whole blocks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from codesign import SpecError, load_technology
from codesign.costs.fpga import array_dsp, array_lut, bram, check_blocks, multiplier_lut, pe_lut
from codesign.problem.choices import Choices
from codesign.space.capacities import Capacities
from codesign.specs.fpga import Fpga

BLOCK = 18_432


def fpga(name: str) -> Fpga:
    found = load_technology(name)
    assert isinstance(found, Fpga)
    return found


def test_luts_of_a_multiplier() -> None:
    # 4 × 4 bit: 8 bits in two groups of six, (2·2 − 1)·8; 8 × 8: (2·3 − 1)·16; 1 × 2: (2·1 − 1)·3
    assert multiplier_lut([4, 8, 1], [4, 8, 2]).tolist() == [24, 80, 3]


def test_luts_of_an_array() -> None:
    # A PE of 9 multipliers of 8 × 8 bit: 9·80 + 16·17 + 32 = 1024; of 6 arrays of them and an
    # overhead of 1.5: 300 + 1.5·1.1·6·1024
    lut, dsp = fpga("finn-lut"), fpga("finn-dsp")
    assert pe_lut(lut, 8, 8) == 1024
    assert array_lut(lut, 2, 3, 8, 8, 1.5) == pytest.approx(300 + 1.5 * 1.1 * 6 * 1024)
    # Where DSP blocks multiply, 16·17 + 32 = 304 are left.
    assert pe_lut(dsp, 8, 8) == 304
    assert array_dsp(lut, 2, 3, 8, 8) == 0
    # ⌈16/48⌉ = 1 for each of 9·6 multipliers, ⌈64/48⌉ = 2 of 32 × 32 bit
    assert array_dsp(dsp, 2, 3, [8, 32], [8, 32]).tolist() == [54, 108]


def test_as_the_compiler_of_finn_estimates_a_matrix_vector_unit() -> None:
    """``300 + 1.1·P·(Q·multiplier + (W + A)·(2·Q − 1) + 32)`` LUTs, ``P·Q·⌈(W + A)/48⌉`` DSPs."""
    for p, q, w, a in ((4, 16, 2, 2), (8, 9, 4, 8), (1, 1, 8, 8)):
        made, made_dsp = (replace(fpga(f"finn-{x}"), engine=q) for x in ("lut", "dsp"))
        bits = w + a
        rest = bits * (2 * q - 1) + 32
        lut = 300 + 1.1 * p * (q * (2 * math.ceil(bits / 6) - 1) * bits + rest)
        assert array_lut(made, 1, p, w, a, 1.0) == pytest.approx(lut)
        assert array_lut(made_dsp, p, 1, w, a, 1.0) == pytest.approx(300 + 1.1 * p * rest)
        assert array_dsp(made_dsp, p, 1, w, a) == p * q


def test_block_rams() -> None:
    assert bram(fpga("finn-lut"), [1, BLOCK, BLOCK + 1, 10 * BLOCK]).tolist() == [1, 1, 2, 10]
    check_blocks(fpga("finn-lut"), (BLOCK, 3 * BLOCK))
    with pytest.raises(SpecError, match="20000 bits is no whole number of block RAMs of 18432 bit"):
        check_blocks(fpga("finn-lut"), (BLOCK, 20_000))


def test_capacities_are_whole_blocks() -> None:
    found = Capacities.of(Choices(min_sram_bits=25, max_sram_bits=99), block_bits=10)
    assert (found.min_bits, found.max_bits, found.stepped) == (30, 90, True)
    assert found.holding([0, 31, 90, 91]).tolist() == [30, 40, 90, np.inf]
    assert found.within([-1, 29.5, 30, 49, 1e9]).tolist() == [-1, -1, 30, 40, 90]
    part = found.between(41, 75)
    assert (part.min_bits, part.max_bits) == (50, 70)
    none = found.between(41, 45)
    assert none.min_bits > none.max_bits
    assert none.within([1e9]).tolist() == [-1]
    free = Capacities.of(Choices(), block_bits=10)
    assert (free.min_bits, float(free.within(1e15 + 7))) == (10, 1e15)
    assert not Capacities.of(Choices()).stepped


def test_an_accumulator_for_each_column_is_finns_matrix_vector_unit() -> None:
    """FINN's estimate of PE = 4, SIMD = 6 at 3 × 5 bit, on paper."""
    mvau = load_technology("finn-mvau")
    assert isinstance(mvau, Fpga)
    multipliers, adders = 6 * (2 * 2 - 1) * 8, 8 * (2 * 6 - 1)
    expected = 300 + 1.1 * 4 * (multipliers + adders + 32)
    assert float(array_lut(mvau, 6, 4, 3, 5, 1.0)) == pytest.approx(expected, rel=1e-12)
