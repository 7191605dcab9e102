"""What a fused run, or one layer of it, holds and moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from codesign.arrays import Floats, Ints

Bits = TypeVar("Bits", int, Ints)


class Moved(NamedTuple):
    """A tensor that a layer writes, or reads beside its operands.

    Attributes
    ----------
    variable : int or None
        Width variable; None: a result of the network, stored at the given width.
    elements : int
    tensor : int or None
        Which of `WidthSpace.placed` it is; None: it is always in DRAM.
    """

    variable: int | None
    elements: int
    tensor: int | None


@dataclass(frozen=True)
class RunLayer:
    """One layer of a fused run.

    Attributes
    ----------
    layer : int
    geometry : int
    weight_elements : int
        Held, and fetched once.
    ifmap_elements, input_elements : int
        Of the run's input, of the first layer: fetched, and held, unless it is resident; else 0.
    band_elements : int
        Held of the band that it reads; 0 of the first layer.
    psum_elements, accumulation_bits : int
        Held of partial sums, each of so many bits more than both operands have together.
    source : int or None
        Placed tensor that it reads: the band or, if it may be resident, the run's input.
    moved : tuple of Moved
        Its output and residuals, as far as they are not held anyway.
    moved_number : tuple of int
        And which of these each is: 0 is the output.
    added_elements : int
        Of what it reads, added from there by layers of the run.
    """

    layer: int
    geometry: int
    weight_elements: int
    ifmap_elements: int
    input_elements: int
    band_elements: int
    psum_elements: int
    accumulation_bits: int
    source: int | None
    moved: tuple[Moved, ...]
    moved_number: tuple[int, ...]
    added_elements: int

    def held_bits(self, bw: Bits, ba: Bits, resident: bool = False) -> Bits:
        """SRAM bits of weights and input at widths, partial sums left out."""
        read = self.band_elements + (0 if resident else self.input_elements)
        return self.weight_elements * bw + read * ba

    def psum_bits(self, bw: Bits, ba: Bits) -> Bits:
        """SRAM bits of partial sums."""
        return self.psum_elements * (bw + ba + self.accumulation_bits)

    def fetched_bits(self, bw: Bits, ba: Bits, resident: bool = False) -> Bits:
        """DRAM bits of weights and input."""
        return self.weight_elements * bw + (0 if resident else self.ifmap_elements) * ba


class LeastRunBits(NamedTuple):
    """SRAM bits that fused runs take at least; inf where one has no widths.

    Attributes
    ----------
    weight_bits : floats, shape (layers,)
        The fewest bits of each layer's weights.
    held : floats, shape (runs,)
        Weights and bands.
    inputs : floats, shape (runs,)
        Their inputs, as rows or resident.
    psums : floats, shape (runs,)
    """

    weight_bits: Floats
    held: Floats
    inputs: Floats
    psums: Floats

    @property
    def total(self) -> Floats:
        """(runs,)"""
        return self.held + self.inputs + self.psums
