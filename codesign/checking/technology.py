"""What hardware costs in a technology: area of silicon, or what it takes of an FPGA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from codesign.checking.cost_model import log2_below
from codesign.checking.entries import Entry

UM2_PER_MM2 = 10**6
SILICON = (
    *("name", "engine", "pe_area_um2", "sram", "sram_area_um2", "source"),
    *("node_nm", "scaled_from", "energy"),
)
FPGA = (
    *("name", "multipliers", "base_lut", "lut_factor", "accumulator_bits", "dsp_bits"),
    *("bram_bits", "engine", "accumulators", "source"),
)
LUT_INPUTS = 6
ENERGY = "energy_j"  # where it is known
WIDTH_METRICS = ("dram_bits", "noise", "model_bits", "bops")
Terms = Mapping[str, tuple[Fraction, ...]]  # by metric, in its own unit


@dataclass(frozen=True)
class Silicon:
    """Area fits: of a PE, linear in its bit operations or quadratic in its widths; of an SRAM."""

    engine: int
    pe: dict[str, Fraction]
    sram_slope: Fraction
    sram_intercept: Fraction
    block_bits: int = 1

    def pe_terms_um2(self, bw: int, ba: int) -> tuple[Fraction, ...]:
        """Terms of ``A_PE``, below the fit by less than 10⁻³⁰ (its log₂ is rounded down)."""
        if "slope" not in self.pe:
            linear = self.pe["linear"] * Fraction(bw + ba, 2)
            return self.pe["quadratic"] * bw * ba, linear, self.pe["constant"]
        bops = self.engine * (bw * ba + bw + ba + log2_below(self.engine))
        return self.pe["slope"] * bops, self.pe["intercept"]

    def area_terms_mm2(
        self,
        pes: Fraction,
        pe_terms_um2: Sequence[Fraction],
        sram_bits: int,
        buffers: Sequence[int | None],
    ) -> tuple[Fraction, ...]:
        """Terms of the area of so many PEs, their overhead counted in, an SRAM, and buffers."""
        srams = (sram_bits, *(bits for bits in buffers if bits is not None))
        each = ((self.sram_slope * bits, self.sram_intercept) for bits in srams)
        terms_um2 = (*(pes * x for x in pe_terms_um2), *(x for terms in each for x in terms))
        return tuple(x / UM2_PER_MM2 for x in terms_um2)

    def terms(
        self,
        pes: int,
        overhead: Fraction,
        pe_bits: tuple[int, int],
        srams: Sequence[int | None],
        columns: int,
    ) -> Terms:
        """Of ``overhead·rows·cols·A_PE + A_SRAM``; ``srams`` are the SRAM and the buffers."""
        pe_um2 = self.pe_terms_um2(*pe_bits)
        sram_bits, *buffers = srams
        return {"area_mm2": self.area_terms_mm2(overhead * pes, pe_um2, sram_bits or 0, buffers)}

    @property
    def per_bit(self) -> dict[str, Fraction]:
        """What a bit of SRAM adds to each metric."""
        return {"area_mm2": self.sram_slope / UM2_PER_MM2}

    def has_area(self, pe_bits: tuple[int, int]) -> bool:
        """Whether a PE has an area, also beside the SRAM's intercept."""
        pe_um2 = sum(self.pe_terms_um2(*pe_bits))
        return min(pe_um2, pe_um2 + self.sram_intercept) > 0


@dataclass(frozen=True)
class Fpga:
    """LUTs, DSP blocks and block RAMs, as the compiler of FINN estimates them."""

    engine: int
    of_dsp: bool
    base_lut: Fraction
    lut_factor: Fraction
    accumulator_bits: int
    dsp_bits: int
    block_bits: int
    by_column: bool = False

    def terms(
        self,
        pes: int,
        overhead: Fraction,
        pe_bits: tuple[int, int],
        srams: Sequence[int | None],
        columns: int,
    ) -> Terms:
        """``base + overhead·factor·(LUTs of all PEs)``, ``engine·⌈bits/dsp_bits⌉`` DSPs of each."""
        bits, sums = sum(pe_bits), columns if self.by_column else pes
        lut = bits * (2 * pes * self.engine - sums) + sums * self.accumulator_bits
        dsp = 0
        if self.of_dsp:
            dsp = self.engine * -(-bits // self.dsp_bits)
        else:
            lut += pes * self.engine * (2 * -(-bits // LUT_INPUTS) - 1) * bits
        return {
            "lut": (self.base_lut, overhead * self.lut_factor * lut),
            "dsp": (Fraction(pes * dsp),),
            "bram": tuple(Fraction(-(-bits // self.block_bits)) for bits in srams if bits),
        }

    @property
    def per_bit(self) -> dict[str, Fraction]:
        """What a bit of SRAM adds to each metric."""
        return {"lut": Fraction(0), "dsp": Fraction(0), "bram": Fraction(1, self.block_bits)}

    def has_area(self, pe_bits: tuple[int, int]) -> bool:
        """Whether a PE takes anything: always."""
        return True


def read_technology(entry: Entry, sram: str = "sram_area_um2") -> Silicon | Fpga:
    """A technology; of silicon, with the fit of SRAM under a key."""
    table = entry.table()
    if "bram_bits" in table:
        entry.known_keys(FPGA)
        return Fpga(
            engine=entry.get("engine", 9).whole(),
            of_dsp=entry["multipliers"].text(("lut", "dsp")) == "dsp",
            base_lut=entry["base_lut"].number(least=0),
            lut_factor=entry["lut_factor"].positive(),
            accumulator_bits=entry["accumulator_bits"].whole(),
            dsp_bits=entry["dsp_bits"].whole(),
            block_bits=entry["bram_bits"].whole(),
            by_column=entry.get("accumulators", "pe").text(("pe", "column")) == "column",
        )
    if sram == "sram_area_um2":
        entry.known_keys(SILICON)
    fit_of_sram = entry[sram] if sram == "sram_area_um2" else entry[sram][entry["sram"].text()]
    pe = entry["pe_area_um2"]
    if "slope" in pe.table():
        fit = {"slope": pe["slope"].positive(), "intercept": pe["intercept"].number()}
    else:
        fit = {key: pe[key].number() for key in ("quadratic", "linear", "constant")}
    return Silicon(
        engine=entry.get("engine", 9).whole(),
        pe=fit,
        sram_slope=fit_of_sram["slope"].positive(),
        sram_intercept=fit_of_sram["intercept"].number(),
    )


def metrics_on(technology: Silicon | Fpga | None) -> tuple[str, ...]:
    """The metrics of designs in a technology; without one, those of silicon."""
    hardware = ("area_mm2",) if technology is None else technology.per_bit
    return ("latency_s", *hardware, *WIDTH_METRICS)
