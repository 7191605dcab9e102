"""An FPGA in place of silicon: look-up tables, DSP blocks and block RAM in place of area.

Sources: FINN-R (Blott et al., ACM TRETS 11(3), 2018, doi 10.1145/3242897) and the estimates of the
FINN compiler that follow it (``lut_estimation``, ``dsp_estimation`` of its matrix-vector unit);
shapes of block RAMs from AMD's UG473.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from codesign.errors import SpecError
from codesign.specs.layer import Count, Name
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import MOST, Positive, Technology

Luts = Annotated[float, Field(strict=True, ge=0, le=MOST, allow_inf_nan=False)]


@spec_dataclass
class Fpga:
    """What a PE and an SRAM take of an FPGA.

    Attributes
    ----------
    name : str
    multipliers : "lut" or "dsp"
        What multiplies.
    engine : int
        Multipliers of a PE (9: one 3×3 window), an adder tree and an accumulator behind them.
    base_lut : float
        LUTs of an array whatever its size.
    lut_factor : float
        On the LUTs that are counted of multipliers, adders and accumulators.
    accumulator_bits : int
        Width of an accumulator, a LUT for each bit.
    accumulators : "pe" or "column"
        Whether each PE has an adder tree and an accumulator, or all PEs of a column have one
        together, as a processing element of FINN has for its SIMD lanes.
    dsp_bits : int
        A multiplier of DSP blocks takes one for every so many bits of both its operands.
    bram_bits : int
        Bits of one block RAM, of which an SRAM is a whole number.
    source : str
    """

    name: Name
    multipliers: Literal["lut", "dsp"]
    base_lut: Luts
    lut_factor: Positive
    accumulator_bits: Count
    dsp_bits: Count
    bram_bits: Count
    engine: Count = 9
    accumulators: Literal["pe", "column"] = "pe"
    source: str = ""

    hardware_metrics: ClassVar[tuple[str, ...]] = ("lut", "dsp", "bram")
    scaling_note: ClassVar[tuple[str, ...]] = ()
    energy: ClassVar[None] = None  # none is published with the formulas

    def with_sram(self, sram: str) -> Fpga:
        """Refused: the SRAM of an FPGA is of one kind.

        Raises
        ------
        SpecError
        """
        raise SpecError(
            f"technology {self.name!r} is an FPGA, whose SRAM is block RAM; no {sram!r} to choose"
        )

    def scaled(self, node_nm: float, name: str | None = None) -> Fpga:
        """Refused: factors between nodes are known of silicon.

        Raises
        ------
        SpecError
        """
        raise SpecError(
            f"technology {self.name!r} is an FPGA: it has no area to scale to {node_nm:g} nm"
        )


def kind_of_technology(given: Any) -> type[Technology] | type[Fpga]:
    """Which of the two a description of a technology is meant to be."""
    keys = given if isinstance(given, Mapping) else ()
    known = "bram_bits" in keys or "multipliers" in keys
    return Fpga if isinstance(given, Fpga) or known else Technology


def _kind(given: Any) -> str:
    return kind_of_technology(given).__name__


AnyTechnology = Annotated[
    Annotated[Technology, Tag("Technology")] | Annotated[Fpga, Tag("Fpga")], Discriminator(_kind)
]
