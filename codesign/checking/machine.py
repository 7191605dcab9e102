"""How a PE array works: what it offers to map layers by, how PEs split, what beside MACs counts.

A file says so among the choices of a problem or the figures of an accelerator; what it does not
say is as in the plain array, whose cycles are those of its turns alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from codesign.checking.cost_model import (
    Array,
    ceil_div,
    cycles,
    passes,
)
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, Network
from codesign.checking.zeros import computed_macs

MAPPINGS = ("window", "im2col", "output")
PRECISIONS = ("fixed", "multi-pass", "widening")
BUFFERS = ("weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits")
MACHINE = (
    *("mapping", "reconfigurable", "fill_cycles", "weight_load", "cycle_factors", "overlap"),
    *BUFFERS,
    *("sram_bits_per_cycle", "stored_channels", "zero_skipping"),
)
OVERLAP_DIGITS = 6
MOST_BUFFER_BITS = 10**15
MOST_PORT_BITS = 10**9
MOST_STORED_CHANNELS = 65536
KERNEL = re.compile(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}(s1)?")
FACTOR = re.compile(r"[0-9]{1,6}/[0-9]*[1-9][0-9]*|[0-9]{1,6}(\.[0-9]{1,9})?|\.[0-9]{1,9}")
MOST_FACTOR, MOST_FACTORS = 100, 100


@dataclass(frozen=True)
class Machine:
    """What does not depend on the size of the array.

    Attributes
    ----------
    mapping : tuple of str
        Those on offer: of which each machine has one, or, if ``reconfigurable``, each layer.
    precision : str
        Operands wider than a PE's do not run ("fixed"), take several passes ("multi-pass"), or do
        not run and narrower ones split the PE into more multipliers ("widening").
    fill_cycles, weight_load : bool
        Cycles that filling and draining the array, and loading weights, take in every pass.
    cycle_factors : mapping of str to Fraction
        On the cycles of layers of a kernel, as in "3x3", or "3x3s1" for strides of 1.
    exposed : Fraction
        Share of the shorter of a layer's two times that adds to the longer, ``1 − overlap``.
    buffers : tuple of int or None
        Bits of a buffer of weights' own, of the ifmap's and of partial sums' own; None: their tiles
        are in the SRAM.
    port_bits : int or None
        That the SRAM reads and writes in a cycle at most, together; None: any number.
    stored_channels : int or None
        DRAM stores channels of tensors in multiples of so many; None: as many as there are.
    skips_zeros : bool
        Nothing is multiplied with zeros that transposed convolutions insert.
    """

    mapping: tuple[str, ...] = ("window",)
    reconfigurable: bool = False
    precision: str = "fixed"
    fill_cycles: bool = False
    weight_load: bool = False
    cycle_factors: Mapping[str, Fraction] = field(default_factory=dict)
    exposed: Fraction = Fraction(0)
    buffers: tuple[int | None, ...] = (None, None, None)
    port_bits: int | None = None
    stored_channels: int | None = None
    skips_zeros: bool = False

    @property
    def multi_pass(self) -> bool:
        """Whether wider operands take several passes."""
        return self.precision == "multi-pass"

    def split(self, bw: int, ba: int, pe_weight_bits: int, pe_activation_bits: int) -> int:
        """``(Bw/u(bw))·(Ba/u(ba))``: multipliers that one is worth, ``u`` the power of two from it.

        1 where PEs do not split, or are too narrow for an operand.
        """
        if self.precision != "widening":
            return 1
        weights = max(1, pe_weight_bits // power_of_two(bw))
        return weights * max(1, pe_activation_bits // power_of_two(ba))

    def factor(self, layer: Layer) -> Fraction:
        """On a layer's cycles."""
        kernel = f"{layer.R}x{layer.S}"
        keys = [f"{kernel}s1", kernel] if layer.stride == (1, 1) else [kernel]
        given = (self.cycle_factors[key] for key in keys if key in self.cycle_factors)
        return next(given, Fraction(1))

    def cycles(self, layer: Layer, array: Array) -> int:
        """Of a layer at widths that the PEs hold: its turns by its factor, and what passes add.

        A pass is as long as the array holds the same weights, in mapping output the same sums:
        there weights stream, and take no time to load. Each takes ``rows + cols − 1`` cycles to
        fill and drain, ``rows`` to load weights.
        """
        exact = cycles(layer, array) * self.factor(layer)
        count = ceil_div(exact.numerator, exact.denominator)
        if layer.moves:
            return 0
        beside = (array.rows + array.cols - 1) * self.fill_cycles
        beside += array.rows * (self.weight_load and array.mapping != "output")
        return count + passes(layer, array) * beside

    def macs(self, layer: Layer) -> int:
        """Products that are computed."""
        return computed_macs(layer) if self.skips_zeros else layer.macs

    def executed_macs(self, network: Network) -> Fraction:
        """The same of all layers, those of a member times its weight."""
        each = zip(network.layer_weights, network.layers, strict=True)
        return sum((weight * self.macs(layer) for weight, layer in each), Fraction(0))


def power_of_two(bits: int) -> int:
    """``2^⌈log₂ bits⌉``."""
    power = 1
    while power < bits:
        power *= 2
    return power


def read_machine(entry: Entry, pe_bits: Sequence[tuple[str, Sequence[int]]]) -> Machine:
    """The machine of a table that has entries of these names, or none.

    Parameters
    ----------
    pe_bits : sequence of (str, sequence of int)
        Entries that have the widths of PEs, and those.
    """
    precision = entry["precision"].text(PRECISIONS)
    for name, widths in pe_bits if precision == "widening" else ():
        if any(bits != power_of_two(bits) for bits in widths):
            entry[name].fault("powers of two, as PEs split in halves")
    factors = entry.get("cycle_factors", {}).table()
    if len(factors) > MOST_FACTORS:
        entry["cycle_factors"].fault(f"at most {MOST_FACTORS} factors")
    for key, factor in factors.items():
        if not KERNEL.fullmatch(key):
            factor.fault("no entry but for kernels, as in 3x3 or 3x3s1")
    return Machine(
        mapping=read_mapping(entry.get("mapping", ["window"])),
        reconfigurable=entry.get("reconfigurable", False).flag(),
        precision=precision,
        fill_cycles=entry.get("fill_cycles", False).flag(),
        weight_load=entry.get("weight_load", False).flag(),
        cycle_factors={key: _factor(factor) for key, factor in factors.items()},
        exposed=1 - entry.get("overlap", 1.0).share(OVERLAP_DIGITS),
        buffers=tuple(_read_bits(entry.get(name, None), MOST_BUFFER_BITS) for name in BUFFERS),
        port_bits=_read_bits(entry.get("sram_bits_per_cycle", None), MOST_PORT_BITS),
        stored_channels=_read_bits(entry.get("stored_channels", None), MOST_STORED_CHANNELS),
        skips_zeros=entry.get("zero_skipping", False).flag(),
    )


def _read_bits(entry: Entry, most: int) -> int | None:
    return None if entry.value is None else entry.whole(1, most)


def read_mapping(entry: Entry) -> tuple[str, ...]:
    """One mapping or more, each once."""
    found = tuple(item.text(MAPPINGS) for item in entry.items())
    if not found or len({*found}) < len(found):
        entry.fault(f"one or more of {', '.join(MAPPINGS)}, each once")
    return found


def _factor(entry: Entry) -> Fraction:
    """A number, or one as text, a fraction too."""
    value = entry.value
    text = repr(value) if type(value) in (int, float) else value
    if not isinstance(text, str) or not FACTOR.fullmatch(text):
        entry.fault('a factor, as in 0.5 or "4/9"')
    factor = Fraction(text)
    if not 0 < factor <= MOST_FACTOR:
        entry.fault(f"a factor above 0 and at most {MOST_FACTOR}")
    return factor
