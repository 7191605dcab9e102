"""Every cost formula but that of tilings, once by hand.

The arithmetic stands in the comments. `tsmc28` is the technology of the paper: a PE takes
1.694·BOPS + 153.46 µm², an SRAM 2.94·bits + 3065 µm² (dual port 4.16·bits + 3535 µm²).
"""

from __future__ import annotations

import numpy as np
import oracle_tilings
import pytest
from small_layers import ENGINE, layer, square

from codesign import Layer, load_technology
from codesign.costs.area import array_area_um2, pe_bops, sram_area_um2
from codesign.costs.compute import Folding, PEArray, ceil_div, cycles, fold, precision_passes
from codesign.costs.roofline import latency_s
from codesign.costs.widths import default_noise, layer_bops

LOG2_9 = 3.169925001442312


# --- area ---------------------------------------------------------------------------------------


def test_bops_of_a_pe() -> None:
    # 9·(8·8 + 8 + 8 + log2 9) = 9·(80 + 3.169925) = 748.529325
    assert pe_bops(8, 8, 9) == pytest.approx(748.529325, abs=1e-6)
    # 9·(2·4 + 2 + 4 + log2 9) = 9·17.169925 = 154.529325
    assert pe_bops(2, 4, 9) == pytest.approx(154.529325, abs=1e-6)
    # One multiplier: 1·(3·5 + 3 + 5 + log2 1) = 23
    assert pe_bops(3, 5, 1) == 23


def test_bops_of_pes_broadcast() -> None:
    table = pe_bops([[2], [8]], [4, 8], 9)
    assert table.shape == (2, 2)
    assert table[0, 0] == pytest.approx(9 * (14 + LOG2_9))  # 2·4 + 2 + 4 = 14
    assert table[1, 0] == pytest.approx(9 * (44 + LOG2_9))  # 8·4 + 8 + 4 = 44
    assert table[0, 1] == pytest.approx(9 * (26 + LOG2_9))  # 2·8 + 2 + 8 = 26


def test_area_of_an_array() -> None:
    # A PE: 1.694·748.529325 + 153.46 = 1268.008677 + 153.46 = 1421.468677 µm²
    # 16·8 PEs and a factor of 1.5: 1.5·128·1421.468677 = 272,921.986 µm²
    area = array_area_um2(load_technology("tsmc28"), 16, 8, 8, 8, 1.5)
    assert area == pytest.approx(272_921.986, abs=1e-3)


def test_areas_of_arrays_broadcast() -> None:
    areas = array_area_um2(load_technology("tsmc28"), [1, 2], [1, 3], [8, 8], [8, 8], 1.0)
    assert areas == pytest.approx([1421.468677, 6 * 1421.468677], abs=1e-5)


def test_area_of_an_sram() -> None:
    # 2.94·1,000,000 + 3065 = 2,943,065 µm²; dual port: 4.16·1,000,000 + 3535 = 4,163,535 µm²
    single = load_technology("tsmc28")
    dual = load_technology("tsmc28", sram="dual-port")
    assert sram_area_um2(single, 1_000_000) == pytest.approx(2_943_065)
    assert sram_area_um2(dual, 1_000_000) == pytest.approx(4_163_535)
    assert sram_area_um2(single, [0, 100]) == pytest.approx([3065, 3359])


# --- compute ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"), [(6, 3, 2), (7, 3, 3), (1, 3, 1), (0, 3, 0)]
)
def test_ceiling_division(numerator: int, denominator: int, expected: int) -> None:
    assert ceil_div(numerator, denominator) == expected


# Layer, rows, cols; pack, passes, groups side by side, granules of C and K; cycles.
LAID_OUT: dict[str, tuple[Layer, tuple[int, int], Folding, int]] = {
    # 3×3 fills the engine: ⌈64/16⌉·⌈64/32⌉ = 4·2 steps at each of 56·56 = 3136 positions
    "3x3": (square(64, 64, 56, 3), (16, 32), Folding(1, 16, 32), 25_088),
    # 1×1: nine channels share a PE, 4·9 = 36 at once; ⌈64/36⌉·⌈10/4⌉ = 2·3, 7·7 positions
    "1x1": (square(10, 64, 7, 1), (4, 4), Folding(1, 36, 4), 294),
    # 2×2: ⌊9/4⌋ = 2 channels share a PE, 3·2 = 6 at once; ⌈8/6⌉·⌈3/3⌉ = 2·1, 5·5 positions
    "2x2": (square(3, 8, 5, 2), (3, 3), Folding(1, 6, 3), 50),
    # 1×5: ⌊9/5⌋ = 1; one window per cycle; ⌈4/2⌉·⌈2/2⌉ = 2 steps, 6·6 positions
    "1x5": (square(2, 4, 6, 1, S=5), (2, 2), Folding(1, 2, 2), 72),
    # 5×5: ⌈25/9⌉ = 3 passes; ⌈2/2⌉·⌈3/2⌉ = 2 steps; 4·4 positions: 16·3·2
    "5x5": (square(3, 2, 4, 5), (2, 2), Folding(1, 2, 2), 96),
    # 7×7: ⌈49/9⌉ = 6 passes; ⌈3/4⌉·⌈64/16⌉ = 1·4; 12,544 positions: 12,544·6·4
    "7x7": (
        square(64, 3, 112, 7, H=224, W=224, stride=2),
        (4, 16),
        Folding(1, 3, 16),
        301_056,
    ),
    # 11×11: ⌈121/9⌉ = 14 passes; ⌈3/2⌉·⌈8/8⌉ = 2; 55·55 = 3025 positions: 3025·14·2
    "11x11": (
        square(8, 3, 55, 11, H=224, W=224, stride=4),
        (2, 8),
        Folding(1, 2, 8),
        84_700,
    ),
    # Groups of 4 → 4 channels: min(8, ⌊16/4⌋, ⌊12/4⌋) = 3 side by side, ⌈8/3⌉ = 3 steps, 100
    # positions
    "groups side by side": (square(4, 4, 10, 3, G=8), (16, 12), Folding(3, 4, 4), 300),
    # Small groups, 1×1: rows·pack = 2·9 = 18 channels hold ⌊18/5⌋ = 3 groups; ⌈7/3⌉ = 3 steps,
    # 4 positions
    "packed groups": (square(1, 5, 2, 1, G=7), (2, 4), Folding(3, 5, 1), 12),
    # No more groups than there are: min(2, ⌊16/4⌋, ⌊12/4⌋) = 2; one step; 9 positions
    "few groups": (square(4, 4, 3, 3, G=2), (16, 12), Folding(2, 4, 4), 9),
    # Depthwise: min(32, 8, 4) = 4 side by side, 32/4 = 8 steps, 14·14 = 196 positions
    "depthwise": (square(1, 1, 14, 3, G=32), (8, 4), Folding(4, 1, 1), 1_568),
    # K = 10 > 8 columns: one group after the other, 2·⌈4/8⌉·⌈10/8⌉ = 4 steps, 9 positions
    "groups too wide": (square(10, 4, 3, 3, G=2), (8, 8), Folding(1, 4, 8), 36),
    # C = 9 > 8 rows: one after the other, 2·⌈9/8⌉·⌈4/8⌉ = 4 steps, 9 positions
    "groups too deep": (square(4, 9, 3, 3, G=2), (8, 8), Folding(1, 8, 4), 36),
    # Ragged on both sides: ⌈17/16⌉·⌈33/32⌉ = 2·2 = 4 steps where 17·33/512 is only 1.1; 4 positions
    "ragged": (square(33, 17, 2, 3), (16, 32), Folding(1, 16, 32), 16),
    # Fully connected, batch of 3: ⌈1000/(4·9)⌉ = 28, ⌈10/4⌉ = 3: 3·28·3
    "batch": (layer(N=3, K=10, C=1000), (4, 4), Folding(1, 36, 4), 252),
}


@pytest.mark.parametrize("case", LAID_OUT)
def test_folding_and_cycles(case: str) -> None:
    described, (rows, cols), folding, count = LAID_OUT[case]
    assert fold(described, PEArray(rows, cols, ENGINE)) == folding
    assert cycles(described, rows, cols, ENGINE) == count


@pytest.mark.parametrize("case", LAID_OUT)
def test_cycles_on_many_arrays_at_once(case: str) -> None:
    described = LAID_OUT[case][0]
    rows, cols = np.arange(1, 40)[:, None], np.array([1, 2, 3, 5, 8, 12, 64])
    found = cycles(described, rows, cols, ENGINE)
    assert found.tolist() == [
        [oracle_tilings.array_cycles(described, r, c, ENGINE) for c in cols.tolist()]
        for r in rows.ravel().tolist()
    ]


def test_engine_of_another_size() -> None:
    # Engine of 4: a 3×3 window takes ⌈9/4⌉ = 3 passes; 1×1 packs 4 channels per PE.
    assert fold(square(1, 8, 4, 3), PEArray(2, 1, 4)) == Folding(1, 2, 1)
    assert cycles(square(1, 8, 4, 3), 2, 1, 4) == 16 * 3 * 4
    assert fold(square(1, 8, 4, 1), PEArray(2, 1, 4)) == Folding(1, 8, 1)


@pytest.mark.parametrize(
    ("widths", "pe_widths", "expected"),
    [
        ((8, 8), (4, 4), 4),  # 2·2
        ((5, 8), (4, 8), 2),  # ⌈5/4⌉·1
        ((8, 5), (8, 4), 2),  # 1·⌈5/4⌉
        ((3, 2), (8, 8), 1),  # narrow operands gain nothing
        ((9, 5), (4, 2), 9),  # ⌈9/4⌉·⌈5/2⌉ = 3·3
    ],
)
def test_precision_passes(
    widths: tuple[int, int], pe_widths: tuple[int, int], expected: int
) -> None:
    assert precision_passes(*widths, *pe_widths) == expected


# --- arithmetic, roofline -----------------------------------------------------------------------


def test_bops_of_a_layer() -> None:
    # 3×3, 2 → 4 channels, 5×5 positions: 4·2·9·25 = 1800 MACs; log2(2·9) = 4.169925
    # 1800·(3·4 + 3 + 4 + 4.169925) = 1800·23.169925 = 41,705.865
    conv = square(4, 2, 5, 3)
    assert layer_bops(conv, 3, 4) == pytest.approx(41_705.865, abs=1e-3)
    table = layer_bops(conv, [[3], [8]], [4, 8])
    assert table[1, 0] == pytest.approx(1800 * (8 * 4 + 8 + 4 + 1 + LOG2_9))
    assert table.shape == (2, 2)


def test_default_noise() -> None:
    # 4^−1, 4^−3, 4^−8
    assert default_noise([1, 3, 8]) == pytest.approx([1 / 4, 1 / 64, 1 / 65_536], rel=1e-15)


def test_roofline() -> None:
    # 1 GHz, 10 Gbit/s: 2000 cycles are 2 µs; 10 kbit take 1 µs, 50 kbit 5 µs.
    found = latency_s([2000, 2000, 2000], [10_000, 20_000, 50_000], 1e9, 1e10)
    assert found == pytest.approx([2e-6, 2e-6, 5e-6])


def test_roofline_broadcasts() -> None:
    assert latency_s([[1], [3]], [10, 20], 1.0, 10.0).tolist() == [[1, 2], [3, 3]]
