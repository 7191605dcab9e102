"""What is compared alike in every layer's row: operands, SRAM, traffic, cycles, times, the roof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.cost_model import Array, Tile, accumulation_bits, precision_passes
from codesign.checking.entries import Entry
from codesign.checking.given_tiles import cycles_in_tiles
from codesign.checking.machine import BUFFERS, Machine
from codesign.checking.network import Layer, Network
from codesign.checking.widths import check_operand_bits

TRAFFIC = ("weights", "ifmap", "output", "psum", "residual")


@dataclass(frozen=True)
class Platform:
    """What a network runs on.

    Attributes
    ----------
    array : Array
        In the mapping of a machine that has one for all layers.
    machine : Machine
    sram_bits, dram_bits_per_s, psum_bits
        None where not known; without ``psum_bits`` partial sums are stored exactly.
    ideal : bool
        The paper's roofline: every multiplier busy, each tensor moved once, no tiles.
    """

    array: Array
    pe_weight_bits: int
    pe_activation_bits: int
    machine: Machine
    clock_hz: Fraction
    sram_bits: int | None
    dram_bits_per_s: Fraction | None
    psum_bits: int | None = None
    ideal: bool = False

    @property
    def pe_bits(self) -> tuple[int, int]:
        """Operand widths of a PE."""
        return self.pe_weight_bits, self.pe_activation_bits


class Totals(NamedTuple):
    """Sums over some layers, exactly; and the widths of their weight operands, 0 for none.

    ``steps``: of each layer alone and of each fused run its first layer, latency and DRAM bits.
    """

    latency_s: Fraction
    dram_bits: int
    operand_bits: tuple[int, ...]
    steps: tuple[tuple[int, Fraction, int], ...] = ()


class Times(NamedTuple):
    """Of the array and of the DRAM; None where no DRAM bandwidth is known.

    ``exposed``: share of the shorter that adds to the longer. ``sram_s``: of the SRAM's port, where
    that has a rate; on chip the longer of it and the array's counts.
    """

    compute_s: Fraction
    memory_s: Fraction | None
    exposed: Fraction = Fraction(0)
    sram_s: Fraction | None = None

    @property
    def _on_chip_s(self) -> Fraction:
        return max(self.compute_s, self.sram_s or Fraction(0))

    def under(self, roof: str | None) -> Fraction:
        """The time that a roof tells, with what of the other adds; 0 where there is none."""
        if self.memory_s is None:
            return Fraction(0)
        times = self._on_chip_s, self.memory_s
        own, other = times[::-1] if roof == "memory" else times
        return own + self.exposed * other

    @property
    def latency_s(self) -> Fraction:
        """The longer of the two, and of the shorter what adds."""
        return max(self.under("compute"), self.under("memory"))

    @property
    def roof(self) -> str | None:
        """Which binds, told from floating-point numbers: equal ones are compute."""
        if self.memory_s is None:
            return None
        on_chip = float(self._on_chip_s)
        if float(self.memory_s) > on_chip:
            return "memory"
        return "compute" if float(self.compute_s) >= on_chip else "sram"


@dataclass(frozen=True)
class LayerRow:
    """A layer's row, with all that its figures follow from.

    Attributes
    ----------
    resident : frozenset of str
        Tensors that are resident at some time.
    live_bits : int
        SRAM bits of those that are while it runs.
    mapping : str or None
        The layer's own, where each has one.
    moving_cycles : int
        Of one that only moves data.
    given_tile : Tile or None
        One that is given rather than chosen, and so may leave PEs idle.
    """

    entry: Entry
    layer: Layer
    network: Network
    platform: Platform
    tensor_bits: Mapping[str, int]
    resident: frozenset[str]
    live_bits: int
    mapping: str | None
    moving_cycles: int
    given_tile: Tile | None = None

    def stored(self, name: str | None, elements: int) -> int:
        """Elements of a tensor as DRAM keeps them; of no tensor, as they are."""
        if name is None:
            return elements
        return self.network.stored(name, elements, self.platform.machine.stored_channels)

    def moved_bits(self, name: str) -> int:
        """Bits of an element of a tensor on its way to or from DRAM; 0 of one that is resident."""
        return 0 if name in self.resident else self.tensor_bits[name]

    def psum_bits(self, bw: int) -> int:
        """Bits of a partial sum."""
        exact = bw + self.tensor_bits[self.layer.input] + accumulation_bits(self.layer)
        return self.platform.psum_bits or exact

    def array(self, bw: int) -> Array:
        """The array in its mapping, its PEs split as its widths allow."""
        array, mapping = self.platform.array, self.mapping or self.platform.array.mapping
        if self.layer.moves:
            return array
        widths = bw, self.tensor_bits[self.layer.input]
        split = self.platform.machine.split(*widths, *self.platform.pe_bits)
        return array._replace(engine=array.engine * split, mapping=mapping)

    def check_operands(self) -> int:
        """Width of the weight operand, 0 for none; both operands must run."""
        entry, platform = self.entry, self.platform
        bw = check_operand_bits(entry, self.layer, self.tensor_bits)
        if not (self.layer.moves or platform.machine.multi_pass):
            runs, where = bw <= platform.pe_weight_bits, f"{entry.where}.weight_bits"
            entry.ledger.holds(where, runs, bw, f"at most the PE's {platform.pe_weight_bits}")
            ba = self.tensor_bits[self.layer.input]
            runs = ba <= platform.pe_activation_bits
            expected = f"an input of at most the PE's {platform.pe_activation_bits} bit"
            entry.ledger.holds(f"{entry.where}.input", runs, ba, expected)
        return bw

    def check_buffers(self, tile: Sequence[int]) -> int:
        """Hold bits of weights, ifmap and partial sums to their buffers; those of the SRAM."""
        entry, shared = self.entry, 0
        buffers = self.platform.machine.buffers
        for name, most, bits in zip(BUFFERS, buffers, tile, strict=True):
            if most is None:
                shared += bits
                continue
            where, expected = f"{entry.where}.tile", f"what fits {name}, {most}"
            entry.ledger.holds(where, bits <= most, bits, expected)
        return shared

    def check_need(self, need: int | None) -> None:
        """Compare the SRAM need; it and resident tensors fit together."""
        entry, platform = self.entry, self.platform
        where = f"{entry.where}.sram_bits"
        entry.ledger.same(where, entry["sram_bits"].value, need)
        if platform.sram_bits is None or platform.ideal:
            return
        expected = f"at most the SRAM's {platform.sram_bits}"
        if self.live_bits:
            expected += f" with {self.live_bits} bit of resident tensors"
        fits = (need or 0) + self.live_bits <= platform.sram_bits
        entry.ledger.holds(where, fits, need or 0, expected)

    def check_traffic(self, moved: Mapping[str, int]) -> None:
        """Compare the DRAM bits of each kind."""
        traffic = self.entry["dram_bits"]
        traffic.known_keys(TRAFFIC)
        for what in TRAFFIC:
            self.entry.ledger.same(f"{traffic.where}.{what}", traffic[what].value, moved[what])

    def check_cycles(self, bw: int) -> Fraction:
        """Compare the cycles; the seconds that they take."""
        entry, layer, platform = self.entry, self.layer, self.platform
        passes, array = 1, self.array(bw)
        if platform.machine.multi_pass and not layer.moves:
            passes = precision_passes(bw, self.tensor_bits[layer.input], *platform.pe_bits)
        if platform.ideal:
            entry.ledger.same(f"{entry.where}.cycles", entry["cycles"].value, None)
            count = Fraction(
                platform.machine.macs(layer) * passes, array.rows * array.cols * array.engine
            )
        else:
            count = Fraction(self._once(array) * passes)
            entry.ledger.same(f"{entry.where}.cycles", entry["cycles"].value, int(count))
        return count / platform.clock_hz

    def _once(self, array: Array) -> int:
        """Cycles where operands fit the PE."""
        machine, layer = self.platform.machine, self.layer
        if layer.moves:
            return self.moving_cycles
        if self.given_tile is not None:
            return cycles_in_tiles(layer, array, self.given_tile, machine.cycles)
        return machine.cycles(layer, array)

    def times(
        self, compute_s: Fraction, dram_bits: int, sram_bits: Fraction | None = None
    ) -> Times:
        """With the seconds that so many bits take; ``sram_bits`` where the port has a rate."""
        platform, sram_s = self.platform, None
        rate, port = platform.dram_bits_per_s, platform.machine.port_bits
        memory_s = None if rate is None else dram_bits / rate
        if sram_bits is not None and port is not None:
            sram_s = sram_bits / port / platform.clock_hz
        return Times(compute_s, memory_s, platform.machine.exposed, sram_s)

    def check_times(self, own: Times, latency_s: Fraction | None, roof: str | None) -> None:
        """Compare its own times, its latency and the roof that binds."""
        ledger, where, entry = self.entry.ledger, self.entry.where, self.entry
        ledger.close(f"{where}.compute_s", entry["compute_s"].figure(), own.compute_s)
        if own.sram_s is not None:
            ledger.close(f"{where}.sram_s", entry["sram_s"].figure(), own.sram_s)
        if own.memory_s is None or latency_s is None:
            for absent in ("memory_s", "latency_s", "bound_by"):
                ledger.same(f"{where}.{absent}", entry[absent].value, None)
            return
        ledger.close(f"{where}.memory_s", entry["memory_s"].figure(), own.memory_s)
        ledger.close(f"{where}.latency_s", entry["latency_s"].figure(), latency_s)
        ledger.same(f"{where}.bound_by", entry["bound_by"].value, roof)
