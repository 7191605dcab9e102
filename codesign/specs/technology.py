"""Silicon and memory: fits from bit operations and bits to area, energies, DRAM bandwidths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Discriminator, Field, Tag

from codesign.errors import SpecError
from codesign.specs.layer import Count, Name
from codesign.specs.schema import spec_dataclass
from codesign.specs.seam import done_by
from codesign.units import BITS_PER_GBIT

# Within 30 decades either way, products and quotients of some amounts stay floating-point numbers.
LEAST, MOST = 1e-30, 1e30


def refuse_negligible(given: float) -> float:
    """An amount, refused where it is neither 0 nor large enough to survive arithmetic."""
    if 0 < given < LEAST:
        raise ValueError(f"Input should be at least {LEAST:g}, if not 0")
    return given


Positive = Annotated[
    float, Field(strict=True, gt=0, le=MOST, allow_inf_nan=False), AfterValidator(refuse_negligible)
]
Amount = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Joules = Annotated[
    float, Field(strict=True, ge=0, le=MOST, allow_inf_nan=False), AfterValidator(refuse_negligible)
]  # and watts
Finite = Annotated[float, Field(strict=True, ge=-MOST, le=MOST, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


def _ascending(given: tuple[float, float]) -> tuple[float, float]:
    if given[0] > given[1]:
        raise ValueError("Input should be the lower end, then the upper end")
    return given


Range = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]


@spec_dataclass
class AreaFit:
    """``area_um2 = slope·x + intercept``, x in BOPS per cycle (PE) or bits (SRAM).

    Attributes
    ----------
    slope, intercept : float
        µm² per unit of x, and µm².
    r2 : float or None
        Coefficient of determination as published.
    calibrated : (low, high) or None
        Range of x the fit is backed by; None where the source does not state it.
    source : str
    """

    slope: Positive
    intercept: Finite
    r2: Fraction | None = None
    calibrated: Range | None = None
    source: str = ""

    def area_um2(self, x: float) -> float:
        """Area of one unit of size ``x``."""
        return self.slope * x + self.intercept

    def formula(self, x: str) -> str:
        """``153.46 + 1.694 · BOPS``: the area in µm², ``x`` in words."""
        constant = f"{self.intercept:g} + " if self.intercept else ""
        return f"{constant}{self.slope:g} · {x}"


@spec_dataclass
class QuadraticFit:
    """``area_um2 = quadratic·bw·ba + linear·(bw + ba)/2 + constant``: PE area in its bitwidths.

    Fits of this form are published for operands of equal width, ``a·b² + c·b + d``. For unequal
    ones this is our reading: the multiplier grows with the product of the widths, the registers
    with their mean, and ``bw = ba`` gives back what was published.

    Attributes
    ----------
    quadratic, linear, constant : float
        µm² per bit², µm² per bit, and µm².
    r2 : float or None
        Coefficient of determination as published.
    calibrated : (low, high) or None
        Range of the width of an operand, bits, the fit is backed by; None where not stated.
    source : str
    """

    quadratic: Finite
    linear: Finite
    constant: Finite
    r2: Fraction | None = None
    calibrated: Range | None = None
    source: str = ""

    def formula(self) -> str:
        """``-14.02 + 86.07 · (bw + ba)/2 + 12.39 · bw·ba``: the area in µm²."""
        return f"{self.constant:g} + {self.linear:g} · (bw + ba)/2 + {self.quadratic:g} · bw·ba"


def _pe_form(given: Any) -> str:
    """Which of the two forms a description of a PE's area is meant to be."""
    keys = given if isinstance(given, Mapping) else ()
    quadratic = isinstance(given, QuadraticFit) or any(
        key in keys for key in ("quadratic", "linear", "constant")
    )
    return "QuadraticFit" if quadratic else "AreaFit"


PEFit = Annotated[
    Annotated[AreaFit, Tag("AreaFit")] | Annotated[QuadraticFit, Tag("QuadraticFit")],
    Discriminator(_pe_form),
]


@spec_dataclass
class MeasuredPE:
    """A PE whose area was published for one number format.

    Attributes
    ----------
    precision : str
        ``float32``, ``fixed32``, ``fixed16``, …
    area_um2 : float
    source : str
    """

    precision: Name
    area_um2: Positive
    source: str


@spec_dataclass
class Scaling:
    """From which technology another one is scaled, and by what.

    Attributes
    ----------
    name : str
        The technology that was scaled.
    node_nm : float
        Its node.
    area_factor, energy_factor : float
        What its areas, and the energy of an operation, were multiplied by.
    source : str
        Publication of the factors.
    """

    name: Name
    node_nm: Positive
    area_factor: Positive
    energy_factor: Positive
    source: str = ""


@spec_dataclass
class Energies:
    """What a chip takes for a MAC, for a bit of its SRAM, and for being switched on.

    An SRAM is made of equal banks, so that a bit costs the same whatever the capacity.

    Attributes
    ----------
    j_per_bop, j_per_mac : float or None
        Of a bit operation, ``bw·ba + bw + ba + log2(C·R·S)`` of them a MAC, and of a MAC whatever
        its widths. What of the two is missing is 0 where the other is there.
    sram_read_j_per_bit, sram_write_j_per_bit : float or None
    bank_bits : int or None
        Capacity of a bank, of which the two hold.
    static_w, static_w_per_mm2 : float or None
        Power at all times: of the whole chip, and of its area. None: not counted, and said so.
    source : str
    """

    j_per_bop: Joules | None = None
    j_per_mac: Joules | None = None
    sram_read_j_per_bit: Joules | None = None
    sram_write_j_per_bit: Joules | None = None
    bank_bits: Count | None = None
    static_w: Joules | None = None
    static_w_per_mm2: Joules | None = None
    source: str = ""


@spec_dataclass
class Technology:
    """A silicon process: what a PE and an SRAM cost.

    Attributes
    ----------
    name : str
    engine : int
        Multipliers of the PE that ``pe_area_um2`` describes (9: one 3×3 window).
    pe_area_um2 : AreaFit or QuadraticFit
        PE area against its bit operations per cycle, or in the widths of its operands.
    sram_fits : mapping of str to AreaFit
        SRAM area against its bits, for each kind (``single-port``, ``dual-port``).
    sram : str
        The kind in use; a key of ``sram_fits``.
    pe_measured : tuple of MeasuredPE
        Published areas beside the fit; information only, no result uses them.
    node_nm : float or None
        The node of its logic; None where it is not known.
    scaled_from : Scaling or None
        None where its areas are its own.
    energy : Energies or None
    source : str
    """

    name: Name
    pe_area_um2: PEFit
    sram_fits: Mapping[Name, AreaFit]
    sram: Name
    engine: Count = 9
    pe_measured: tuple[MeasuredPE, ...] = ()
    node_nm: Positive | None = None
    scaled_from: Scaling | None = None
    energy: Energies | None = None
    source: str = ""

    hardware_metrics: ClassVar[tuple[str, ...]] = ("area_mm2",)

    def __post_init__(self) -> None:
        if self.sram not in self.sram_fits:
            raise SpecError(
                f"technology {self.name!r}: no SRAM {self.sram!r}; known: "
                f"{', '.join(self.sram_fits)}"
            )

    @property
    def sram_area_um2(self) -> AreaFit:
        """Area fit of the SRAM kind in use."""
        return self.sram_fits[self.sram]

    def with_sram(self, sram: str) -> Technology:
        """The same process with another of its SRAM kinds."""
        return replace(self, sram=sram)

    @done_by("specs.scale_technology:scale")
    def scaled(self, node_nm: float, name: str | None = None) -> Technology:
        """The same areas on another node of CMOS, by published factors; it says that it is scaled.

        Raises
        ------
        SpecError
            A node that is not known, outside 7 to 180 nm or its own, or one scaled before.
        """

    @property
    def scaling_note(self) -> tuple[str, ...]:
        """What to say of a result that leans on scaled areas; nothing where they are its own."""
        made = self.scaled_from
        if made is None:
            return ()
        here = "" if self.node_nm is None else f" to {self.node_nm:g} nm"
        energies = "" if self.energy is None else f"; its energies × {made.energy_factor:.3g}"
        return (
            f"areas of {self.name} are not measured: those of {made.name} ({made.node_nm:g} nm) × "
            f"{made.area_factor:.3g}, scaled{here} ({made.source or 'no source'}){energies}",
        )


@spec_dataclass
class Memory:
    """A DRAM interface.

    Attributes
    ----------
    name : str
    transfer_rate_gt_per_s : float
        10⁹ transfers per second and pin.
    bus_width_bits : int
    energy_j_per_bit : float or None
        Of a bit read or written, the interface included.
    source : str
    """

    name: Name
    transfer_rate_gt_per_s: Positive
    bus_width_bits: Count
    energy_j_per_bit: Positive | None = None
    source: str = ""

    @property
    def bits_per_s(self) -> float:
        """Peak bandwidth."""
        return self.transfer_rate_gt_per_s * BITS_PER_GBIT * self.bus_width_bits
