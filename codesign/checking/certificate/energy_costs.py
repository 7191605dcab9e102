"""Energy in a certificate: what a layer spends beside its tiling, and for each DRAM bit.

In whole numbers, rounded down, so that no design spends less. Power at all times is that of the
least SRAM in question: where it grows with the area, an argument holds within a range of SRAM.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from codesign.checking.certificate.layer_scopes import LayerScope, Operands
from codesign.checking.certificate.sram_accesses import (
    SramAccesses,
    accesses_beside,
    accesses_in_run,
)
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.cost_model import Array, bops
from codesign.checking.energy import Energies
from codesign.checking.network import Layer
from codesign.checking.problem import Option, Problem

UNIT_DIGITS = 26  # binary, of a layer's even share of all that a better design may spend
LEAST_UNIT = Fraction(1, 2**200)  # J
PER_BIT_DIGITS = 28  # binary, of the energy of a DRAM bit where it is rounded


class _InUnits(NamedTuple):
    """Energies in units, over one denominator: of a bit operation, a MAC, bits read and written."""

    each: tuple[int, ...]
    denominator: int


class EnergyCosts:
    """Energies of a problem's layers in one unit.

    Parameters
    ----------
    most_j : Fraction
        What a better design may spend at the most.

    Attributes
    ----------
    unit : Fraction
        J; so small that what rounding takes off does not matter beside ``most_j``.
    """

    def __init__(self, problem: Problem, energies: Energies, most_j: Fraction) -> None:
        self.problem, self.energies = problem, energies
        self._least_area_mm2: dict[tuple[Option, ...], Fraction | None] = {}  # without SRAM bits
        most_j /= max(problem.network.layer_weights)
        share = most_j / len(problem.network.layers) / 2**UNIT_DIGITS
        digits = share.numerator.bit_length() - share.denominator.bit_length() - 1
        self.unit = max(Fraction(2) ** digits, LEAST_UNIT) if share > 0 else LEAST_UNIT

    def static_w(self, options: Iterable[Option], sram_bits: int) -> Fraction | None:
        """Power at all times of the smallest of some options with so much SRAM each.

        None of an area below 0, as fits may have it where they are not meant for: no bound.
        """
        mine = tuple(options)
        if mine not in self._least_area_mm2:
            terms = (self.problem.hardware_terms(x, 0) for x in mine)
            each = (sum(x["area_mm2"], Fraction(0)) for x in terms)
            self._least_area_mm2[mine] = min(each, default=None)
        least = self._least_area_mm2[mine]
        if least is None:
            least = Fraction(0)
        else:
            least += self.problem.technology.per_bit["area_mm2"] * sram_bits
        known = self.problem.energies(least)
        return None if known is None or least < 0 else known.static_w

    # Operands -----------------------------------------------------------------------------------

    def of_dram_bits(self, mapping: str) -> tuple[Fraction, Fraction, Fraction]:
        """J for each DRAM bit of weights, ifmap and partial sums of a layer that multiplies."""
        read, write, dram = self.energies.read, self.energies.write, self.energies.dram
        weights = dram + write + (0 if mapping == "output" else read)
        return weights, dram + write, dram + (read + write) / 2

    def whole_of_dram_bits(self, mapping: str) -> tuple[tuple[int, ...], Fraction]:
        """The same in whole numbers of a unit, rounded down; and that, J."""
        each = self.of_dram_bits(mapping)
        unit = max(each) / 2**PER_BIT_DIGITS
        return tuple(math.floor(x / unit) for x in each), unit

    def beside(self, layer: Layer, array: Array, operands: Operands) -> int:
        """Of MACs, and of what the SRAM reads and writes of operands however they are tiled."""
        if layer.moves:
            return 0
        return self._spent(layer, operands, accesses_beside(layer, array, operands))

    def in_run(self, layer: Layer, array: Array, operands: Operands) -> int:
        """The same of a layer of a fused run, with the DRAM bits of its weights."""
        spent = self._spent(layer, operands, accesses_in_run(layer, array, operands))
        fetched_j = self._fetched * layer.weights * operands.weight_bits
        return spent + math.floor(fetched_j / self.unit)

    def fetched(self, input_bits: Whole) -> Whole:
        """Of a fused run's input that is fetched."""
        return rounded_down(input_bits, self._fetched / self.unit)

    @property
    def _fetched(self) -> Fraction:
        """J for a DRAM bit that is fetched, and kept as often as it is read."""
        return self.energies.dram + self.energies.write

    def _spent(self, layer: Layer, operands: Operands, accesses: SramAccesses) -> int:
        """Of MACs, and of so many accesses."""
        bw, ba = operands.weight_bits, operands.input_bits
        read, written = accesses
        macs = self.problem.choices.machine.macs(layer)
        bops_once = bops(layer, bw, ba) / layer.macs
        # As whole numbers over one denominator: fractions would be brought to lowest terms anew.
        per_bop, per_mac, per_read, per_write = self._in_units.each
        spent = (per_mac * macs + per_read * read + per_write * written) * bops_once.denominator
        spent += per_bop * macs * bops_once.numerator
        return spent // (self._in_units.denominator * bops_once.denominator)

    @cached_property
    def _in_units(self) -> _InUnits:
        given = self.energies.bop, self.energies.mac, self.energies.read, self.energies.write
        each = [x / self.unit for x in given]
        denominator = math.lcm(*(x.denominator for x in each))
        return _InUnits(tuple(int(x * denominator) for x in each), denominator)

    def ideal(self, layer: Layer, mapping: str, fetched_bits: tuple[int, int]) -> int:
        """Of so many DRAM bits of weights and ifmap; of one that only moves, past the SRAM."""
        of_weights, of_ifmap, _ = self.of_dram_bits(mapping)
        if layer.moves:
            of_ifmap = self.energies.dram
        energy_j = of_weights * fetched_bits[0] + of_ifmap * fetched_bits[1]
        return math.floor(energy_j / self.unit)

    # What moves beside operands, and time -------------------------------------------------------

    def streamed(self, scope: LayerScope) -> Whole:
        """(entries,): of outputs and residuals, wherever they are."""
        read, write, dram = (
            x / self.unit for x in (self.energies.read, self.energies.write, self.energies.dram)
        )
        found = rounded_down(scope.moved_bits, dram)
        if scope.sram_bits is not None:
            found = found + rounded_down(scope.sram_bits.output + scope.sram_bits.read, read)
            found = found + rounded_down(scope.sram_bits.written, write)
        return found

    def standing(
        self, latency: Whole, unit_s: Fraction, static_w: Fraction, signed: bool = False
    ) -> Whole:
        """Of power at all times, for latencies in some unit."""
        return rounded_down(latency, static_w * unit_s / self.unit, signed)

    def charged(self, parts: Whole, of_bit: int) -> Whole:
        """Of DRAM bits that a run is charged for, in so many parts of a bit, or given back."""
        return rounded_down(parts, self.energies.dram / of_bit / self.unit, signed=True)
