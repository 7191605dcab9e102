"""One accelerator: a PE array, the widths of its PEs, its on-chip SRAM, and what feeds it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codesign.errors import SpecError
from codesign.specs.fpga import AnyTechnology
from codesign.specs.layer import Count, Name
from codesign.specs.machine import Machine, MappingList, Precision, check_widening
from codesign.specs.schema import Displayed, spec_dataclass
from codesign.specs.technology import Energies, Positive

MAX_BITS = 32

Bits = Annotated[int, Field(strict=True, ge=1, le=MAX_BITS)]
ArraySide = Annotated[int, Field(strict=True, ge=1, le=65536)]
Capacity = Annotated[int, Field(strict=True, ge=1, le=10**18)]
PsumBits = Annotated[int, Field(strict=True, ge=1, le=1024)]  # keeps traffic exact in 64 bits


@spec_dataclass
class Hardware:
    """The hardware part of a design.

    Attributes
    ----------
    rows, cols : int
        PE array: rows take different input channels, columns different output channels.
    pe_weight_bits, pe_activation_bits : int
        ``Bw × Ba``, the operand widths of one PE.
    sram_bits : int
        Capacity of the unified on-chip SRAM.
    mapping : tuple of "window", "im2col" or "output"
        What rows and columns take, see `Machine`; several of a reconfigurable machine.
    """

    rows: ArraySide
    cols: ArraySide
    pe_weight_bits: Bits
    pe_activation_bits: Bits
    sram_bits: Capacity
    mapping: MappingList = ("window",)


@spec_dataclass
class Accelerator(Displayed, Machine):
    """A given accelerator, to be evaluated. What is not known of it is left out, never zero.

    What its rows and columns take, and what its cycles hold beside MACs, is said by the fields of
    `Machine`.

    Attributes
    ----------
    name : str
    rows, cols : int
        PE array: rows take different input channels, columns different output channels.
    engine : int
        Multipliers of one PE: 9 for a 3×3 window per cycle, 1 for one MAC.
    pe_weight_bits, pe_activation_bits : int
        Operand widths of one PE.
    number_format : "integer" or "float"
        Bit operations and quantisation noise are defined for integers alone.
    precision : "fixed", "multi-pass" or "widening"
        Whether operands wider than the PE's are impossible or take several passes. Widening: they
        are impossible, and a PE splits into more multipliers of narrower ones.
    clock_hz : float
    sram_bits : int or None
        Capacity of the unified on-chip SRAM.
    psum_bits : int or None
        Width at which partial sums are stored; None: exactly, ``bw + ba + ⌈log2(C·R·S)⌉``.
    dram_bits_per_s : float or None
    dram_energy_j_per_bit : float or None
        Of a bit moved from or to DRAM.
    pe_area_um2 : float or None
        Measured area of one PE; None: the technology's fit.
    area_overhead : float
        Factor on the PE array's area (wiring, control).
    technology : Technology, Fpga or None
        Source of areas that were not measured. In a file: the name of a shipped technology, or a
        table with its keys.
    energy : Energies or None
        Of this machine; None: its technology's.
    source : str
    """

    name: Name
    rows: ArraySide
    cols: ArraySide
    engine: Count
    pe_weight_bits: Bits
    pe_activation_bits: Bits
    clock_hz: Positive
    number_format: Literal["integer", "float"] = "integer"
    precision: Precision = "fixed"
    sram_bits: Capacity | None = None
    psum_bits: PsumBits | None = None
    dram_bits_per_s: Positive | None = None
    dram_energy_j_per_bit: Positive | None = None
    pe_area_um2: Positive | None = None
    area_overhead: Positive = 1.0
    technology: AnyTechnology | None = None
    energy: Energies | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.mapping) > 1 and not self.reconfigurable:
            raise SpecError(
                f"mapping: {', '.join(self.mapping)}: a machine that is not reconfigurable has "
                "one; name one, or make it reconfigurable"
            )
        if self.precision == "widening":
            check_widening((self.pe_weight_bits, self.pe_activation_bits))

    @property
    def pes(self) -> int:
        """PEs of the array."""
        return self.rows * self.cols

    @property
    def peak_macs_per_s(self) -> float:
        """Every multiplier busy in every cycle."""
        return self.pes * self.engine * self.clock_hz

    def peak_ops_per_s(self, window: int) -> float:
        """Peak in the paper's operations, ``window`` products and one sum: no multiplier idles."""
        return self.peak_macs_per_s * (window + 1) / window
