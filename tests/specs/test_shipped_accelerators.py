"""Shipped accelerators agree with what their sources publish."""

from __future__ import annotations

import math
import re

import pytest
from published import measured_pes

from codesign.specs.load import load_accelerator, load_memory, load_technology, shipped

# Karbachevsky et al. 2021, Tables 3 and 4: silicon (mm²), clock (MHz), and for each precision the
# peak (GOPS/s) of a square array that delivers 10 operations per PE and cycle.
TABLES: dict[str, tuple[int, int, dict[str, float]]] = {
    "table3": (1, 800, {"float32": 72.0, "fixed32": 392.0, "fixed16": 1568.0, "fixed8": 5408.0}),
    "table4": (
        *(6, 100),
        {"float32": 49.0, "fixed32": 324.0, "fixed16": 1296.0, "fixed8": 3969.0, "fixed4": 11236.0},
    ),
}

ARRAYS = [(table, precision) for table, (_, _, peaks) in TABLES.items() for precision in peaks]


@pytest.mark.parametrize(("table", "precision"), ARRAYS)
def test_arrays_of_tables_3_and_4(table: str, precision: str) -> None:
    area_mm2, clock_mhz, peaks = TABLES[table]
    found = load_accelerator(f"{table}-{precision}")
    kind, bits = re.fullmatch(r"([a-z]+)([0-9]+)", precision).groups()  # type: ignore[union-attr]
    assert found.pe_area_um2 == measured_pes()[precision]
    side = math.floor(math.sqrt(area_mm2 * 1e6 / found.pe_area_um2))
    assert (found.rows, found.cols, found.engine) == (side, side, 9)
    assert found.peak_ops_per_s(9) == pytest.approx(peaks[precision] * 1e9, rel=1e-12)
    assert found.clock_hz == clock_mhz * 1e6
    assert (found.pe_weight_bits, found.pe_activation_bits) == (int(bits), int(bits))
    assert found.number_format == {"float": "float", "fixed": "integer"}[kind]
    assert found.psum_bits == (32 if kind == "float" else None)  # a float32 sum is a float32
    assert found.dram_bits_per_s == load_memory("ddr4-2400").bits_per_s  # Figures 8 and 9
    assert found.sram_bits is None
    assert found.technology == load_technology("tsmc28")


def test_fixed8_pe_is_what_all_three_tables_allow() -> None:
    # 683 PEs on 1 mm² (Table 2), 26² and 63² PEs on 1 and 6 mm² (Tables 3 and 4).
    def holds(area_um2: float) -> bool:
        sides = [math.floor(math.sqrt(mm2 * 1e6 / area_um2)) for mm2 in (1, 6)]
        return (round(1e6 / area_um2), *sides) == (683, 26, 63)

    assert holds(measured_pes()["fixed8"])
    assert [holds(area_um2) for area_um2 in (1464.84, 1464.85, 1465.2, 1465.21)] == (
        [False, True, True, False]
    )


def test_eyeriss_is_the_published_one() -> None:
    found = load_accelerator("eyeriss")
    assert (found.rows, found.cols, found.pes, found.engine) == (12, 14, 168, 1)
    assert (found.pe_weight_bits, found.pe_activation_bits, found.psum_bits) == (16, 16, 16)
    assert found.sram_bits == 108 * 1024 * 8  # 108 KiB
    assert found.peak_macs_per_s == 33.6e9  # 168 PEs at 200 MHz
    assert found.dram_bits_per_s == 64 * 60e6  # 64 bit at the 60 MHz of the link
    assert (found.technology, found.pe_area_um2) == (None, None)  # 65 nm


def test_tpu_is_the_published_one() -> None:
    found = load_accelerator("tpu_v1")
    assert (found.rows, found.cols, found.engine) == (256, 256, 1)
    assert (found.pe_weight_bits, found.pe_activation_bits, found.psum_bits) == (8, 8, 32)
    assert 2 * found.peak_macs_per_s == pytest.approx(92e12, rel=0.003)  # 92 TOPS at 700 MHz
    assert found.clock_hz == 700e6
    assert found.sram_bits == (24 + 4) * 2**20 * 8  # unified buffer and accumulators, MiB
    assert found.dram_bits_per_s == 8 * 34e9  # 34 GB/s, Table 2
    assert (found.technology, found.pe_area_um2) == (None, None)


def test_nvdla_is_the_published_one() -> None:
    found = load_accelerator("nvdla_full")
    assert found.pes * found.engine == 2048  # MACs of one byte, sheet Configuration Input
    assert (found.rows, found.cols) == (64, 32)  # MAC_ATOMIC_C_SIZE, MAC_ATOMIC_K_SIZE
    assert (found.mapping, found.cycle_factors) == (("window",), {"3x3s1": "4/9"})
    assert found.sram_bits == 16 * 512 * 64 * 8  # CBUF: banks, depth, bytes
    assert (found.clock_hz, found.dram_bits_per_s) == (1e9, 8 * 10e9)  # 10 GB/s


def test_zhang2015_is_the_published_one() -> None:
    found = load_accelerator("zhang2015")
    assert (found.rows, found.cols, found.mapping) == (7, 64, ("window",))  # Tn, Tm
    assert 5 * found.pes == 2240  # DSPs, 5 for a multiplier and an adder of 32 bit floating point
    assert found.sram_bits == 1024 * 18 * 1024  # block RAMs of 18 Kibit
    assert found.clock_hz == 100e6


def test_dpu_is_the_published_one() -> None:
    found = load_accelerator("dpu_b4096")
    assert (found.rows, found.engine, found.cols) == (8, 16, 16)  # pixels, channels in, out
    assert 2 * found.pes * found.engine == 4096  # operations per cycle
    assert found.mapping == ("output",)
    for gops, percent in ((1137.9, 92.6), (994.7, 81.0), (230.3, 18.7)):  # Perf, Utilization
        assert 2 * found.peak_macs_per_s == pytest.approx(1e9 * gops / percent * 100, rel=0.003)


@pytest.mark.parametrize(
    ("name", "side", "mapping", "weight_load", "kib"),
    [
        ("scale_sim_os", 256, "output", False, 6144 + 6144 + 2048),
        ("scale_sim_ws", 32, "im2col", True, 3 * 64),
    ],
)
def test_scale_sim_is_the_published_one(
    name: str, side: int, mapping: str, weight_load: bool, kib: int
) -> None:
    found = load_accelerator(name)
    assert (found.rows, found.cols, found.engine) == (side, side, 1)
    assert (found.mapping, found.fill_cycles, found.weight_load) == ((mapping,), True, weight_load)
    assert found.sram_bits == kib * 1024 * 8


def test_every_accelerator_is_compared_with_its_source() -> None:
    compared = {f"{table}-{precision}" for table, precision in ARRAYS} | {"eyeriss", "tpu_v1"}
    compared |= {"nvdla_full", "zhang2015", "dpu_b4096", "scale_sim_os", "scale_sim_ws"}
    assert compared == set(shipped("accelerators"))
    for name in compared:
        assert load_accelerator(name).precision == "fixed"
        assert load_accelerator(name).area_overhead == 1
