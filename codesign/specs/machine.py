"""How a PE array works: what its rows and columns take, and what its cycles hold beside MACs.

Every field has the default of the plain array: 3×3 windows, nothing but multiplications counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from codesign.errors import SpecError
from codesign.specs.schema import spec_dataclass

if TYPE_CHECKING:
    from codesign.specs.network import Layer, Network

Mapping = Literal["window", "im2col", "output"]
Precision = Literal["fixed", "multi-pass", "widening"]
MAPPINGS: tuple[Mapping, ...] = ("window", "im2col", "output")
KERNEL = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})(s1)?")
FACTOR = re.compile(r"([0-9]{1,6})/([0-9]{1,6})|([0-9]{0,6}(?:\.[0-9]{1,9})?)")
MOST_FACTOR = 100  # times the cycles of the largest layers, in many passes: still of 64 bits
OVERLAP_DIGITS = 6


def _listed(given: Any) -> Any:
    """Words as a list, as in window or window+im2col; twice the same is once."""
    given = re.split("[+,]", given) if isinstance(given, str) else given
    words = isinstance(given, (list, tuple)) and all(isinstance(x, str) for x in given)
    return tuple(dict.fromkeys(given)) if words else given


def _kernel(given: str) -> str:
    if not KERNEL.fullmatch(given):
        raise ValueError("Input should be a kernel as in 3x3, or 3x3s1 for strides of 1 alone")
    return given


def _factor(given: Any) -> Any:
    """A factor as text: what is written is what is meant, 4/9 too."""
    return repr(given) if type(given) in (int, float) else given


def is_factor(given: str) -> bool:
    """Whether a text is a factor on cycles: a number or a fraction, above 0 and not too large."""
    return FACTOR.fullmatch(given) is not None and 0 < _fraction(given) <= MOST_FACTOR


def _known_factor(given: str) -> str:
    if not is_factor(given):
        raise ValueError(f'Input should be above 0 and at most {MOST_FACTOR}, as in 0.5 or "4/9"')
    return given


def _fraction(given: str) -> Fraction:
    """0 where it is none."""
    try:
        return Fraction(given)
    except (ValueError, ZeroDivisionError):
        return Fraction(0)


def _few_digits(given: float) -> float:
    if round(given, OVERLAP_DIGITS) != given:
        raise ValueError(f"Input should have at most {OVERLAP_DIGITS} decimal places")
    return given


Overlap = Annotated[
    float, Field(strict=True, ge=0, le=1, allow_inf_nan=False), AfterValidator(_few_digits)
]
Flag = Annotated[bool, Field(strict=True)]
BufferBits = Annotated[int, Field(strict=True, ge=1, le=10**15)]
StoredChannels = Annotated[int, Field(strict=True, ge=1, le=65536)]
PortBits = Annotated[int, Field(strict=True, ge=1, le=10**9)]
MappingList = Annotated[tuple[Mapping, ...], BeforeValidator(_listed), Field(min_length=1)]
Kernel = Annotated[str, AfterValidator(_kernel)]
Factor = Annotated[str, BeforeValidator(_factor), AfterValidator(_known_factor)]
Factors = Annotated[MappingOf[Kernel, Factor], Field(max_length=100)]


@spec_dataclass
class Machine:
    """How a PE array works.

    Attributes
    ----------
    mapping : tuple of "window", "im2col" or "output"
        What rows take: input channels, a PE one window of each (window); input channels and the
        window's positions (im2col); output pixels (output). Columns take output channels. Several,
        on a machine that is to be chosen, are on offer; a machine that is not reconfigurable has
        one.
    reconfigurable : bool
        Every layer takes one of the mappings of its own.
    fill_cycles : bool
        Filling and draining the array takes ``rows + cols − 1`` cycles in every pass.
    weight_load : bool
        Loading stationary weights takes ``rows`` cycles in every pass. In mapping output weights
        stream, and load in no time.
    cycle_factors : mapping of str to str
        ``"3x3"``, a kernel, to a factor on its cycles, as in ``"4/9"`` (Winograd's F(2×2, 3×3) has
        16 products where 36 are counted); ``"3x3s1"`` for strides of 1 alone, which comes first.
    zero_skipping : bool
        Windows over the zeros that a transposed convolution inserts take the products with stored
        elements alone: outputs are computed phase by phase, see `codesign.specs.zeros`, each with
        the part of the kernel that meets data.
    overlap : float
        Share of the shorter of a layer's two times, compute and DRAM, that passes during the
        longer, at most six decimal places. 1: the roofline; 0: one after the other.
    weight_buffer_bits, ifmap_buffer_bits, accumulator_bits : int or None
        Capacity of a buffer of its own for the tiles of weights, of the ifmap, and of partial sums;
        None: they are in the unified SRAM, see `codesign.costs.buffers`.
    sram_bits_per_cycle : int or None
        Bits that the SRAM's port moves in a cycle at most, read and written together; None: any
        number, see `codesign.costs.port`.
    stored_channels : int or None
        Channels of tensors are stored in DRAM in multiples of so many; None: as they are, see
        `codesign.costs.stored`.
    """

    mapping: MappingList = ("window",)
    reconfigurable: Flag = False
    fill_cycles: Flag = False
    weight_load: Flag = False
    cycle_factors: Factors = field(default_factory=dict)
    zero_skipping: Flag = False
    overlap: Overlap = 1.0
    weight_buffer_bits: BufferBits | None = None
    ifmap_buffer_bits: BufferBits | None = None
    accumulator_bits: BufferBits | None = None
    sram_bits_per_cycle: PortBits | None = None
    stored_channels: StoredChannels | None = None

    @property
    def buffers(self) -> tuple[int | None, int | None, int | None]:
        """Capacities of the buffers of weights, ifmap and partial sums, in bits."""
        return self.weight_buffer_bits, self.ifmap_buffer_bits, self.accumulator_bits

    @property
    def exposed(self) -> Fraction:
        """``1 − overlap``, as its decimal digits say: the share of the shorter time that adds."""
        return 1 - Fraction(repr(self.overlap))

    def products(self, layer: Layer) -> int:
        """MACs of a layer that it computes: all, or those of stored elements."""
        return layer.stored_macs if self.zero_skipping else layer.macs

    def executed_products(self, network: Network) -> float:
        """The same of all layers, those of a member of a suite times its weight."""
        each = zip(network.layer_weights, network.layers, strict=True)
        return math.fsum(weight * self.products(layer) for weight, layer in each)

    def factor_of(self, layer: Layer) -> Fraction:
        """The factor on a layer's cycles."""
        kernel = f"{layer.R}x{layer.S}"
        strides = layer.stride if isinstance(layer.stride, tuple) else (layer.stride,)
        key = kernel + "s1" if {*strides} == {1} and kernel + "s1" in self.cycle_factors else kernel
        return Fraction(self.cycle_factors.get(key, 1))


def check_widening(pe_bits: Iterable[int]) -> None:
    """Refuse widths of PEs that cannot be split in halves down to one bit.

    Raises
    ------
    SpecError
    """
    for bits in pe_bits:
        if bits & (bits - 1):
            raise SpecError(
                f"precision 'widening' splits PEs in halves: {bits} bit is no power of two; offer "
                "PEs of 1, 2, 4, 8, 16 or 32 bit"
            )


def check_unfused(machine: Machine) -> None:
    """Refuse what is not counted where layers may be fused.

    Raises
    ------
    SpecError
    """
    for name in UNFUSED:
        if getattr(machine, name) != getattr(PLAIN, name):
            raise SpecError(
                f"{name}: not counted where layers may be fused; make on_chip 'tensors'"
            )


PLAIN = Machine()
UNFUSED = ("sram_bits_per_cycle", "stored_channels", "zero_skipping")
MACHINE_FIELDS = tuple(Machine.__dataclass_fields__)
OF_STAGES = ("fill_cycles", "weight_load", "cycle_factors", "zero_skipping")  # of pipelines too


def unusual(machine: Machine) -> dict[str, Any]:
    """What of it is not plain, by field: what files hold of it."""
    return {
        name: dict(value) if isinstance(value, MappingOf) else value
        for name in MACHINE_FIELDS
        if (value := getattr(machine, name)) != getattr(PLAIN, name)
    }
