"""What every choice of a problem costs in energy, for arrays of hardware options at a time.

The definition is that of `codesign.costs.energy`. A layer takes a constant that its widths and
resident operands decide, and so much for each DRAM bit that its tiling moves of each operand; what
it moves beside takes so much for each bit, in DRAM or on chip; and all that is switched on takes a
power, which grows with the area, as long as the network runs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.energy import (
    Accesses,
    Rates,
    accesses,
    constant_j,
    fused_accesses,
    j_per_dram_bit,
    mac_j,
)
from codesign.costs.layer_energy import rates_of
from codesign.costs.tiling import Tilings, operand_bits
from codesign.problem.problem import Problem
from codesign.problem.tolerances import CLOSING_GAP
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Mapping
from codesign.specs.network import Layer

if TYPE_CHECKING:
    from codesign.space.array_cycles import ArrayCycles

OPERANDS = [0, 1, 3]  # weights, ifmap and partial sums among `costs.energy.TRAFFIC`
OUTPUT = 2
# Relative growth of power at all times that no bound needs to tell apart, nor a programme: it
# leaves out less than what closes an option.
POWER_APART = CLOSING_GAP / 10


@dataclass(frozen=True)
class StaticGrowth:
    """How power at all times grows with the SRAM, of designs on one hardware option.

    Attributes
    ----------
    w_per_bit : float
    sram_bits : (float, float)
        The least and the most that a design in question has.
    latency_s : mapping of str to (float, float)
        The same of all, and of members of a suite, by the metric of their energy.
    """

    w_per_bit: float
    sram_bits: tuple[float, float]
    latency_s: MappingOf[str, tuple[float, float]]


def problem_rates(problem: Problem) -> tuple[Rates | None, tuple[str, ...]]:
    """The energies of a problem's machines, without static power by area; None, and why not."""
    on = Accelerator(
        name=problem.network.name,
        rows=1,
        cols=1,
        engine=problem.technology.engine,
        pe_weight_bits=1,
        pe_activation_bits=1,
        clock_hz=problem.clock_hz,
        dram_bits_per_s=problem.dram_bits_per_s,
        dram_energy_j_per_bit=problem.dram_energy_j_per_bit,
        technology=problem.technology,
    )
    return rates_of(on, 0.0)


class EnergyCosts:
    """Energies of a space's layers on its options.

    Attributes
    ----------
    rates : Rates
        Static power is that of the chip, without what grows with its area.
    static_w_per_mm2 : float
    """

    def __init__(self, rates: Rates, pace: ArrayCycles, variants: int) -> None:
        self.rates, self.pace, self.space, self.variants = rates, pace, pace.space, variants
        problem = pace.problem
        energies = problem.technology.energy
        self.static_w_per_mm2 = (energies.static_w_per_mm2 or 0.0) if energies else 0.0
        self._constants: dict[tuple[int, int], Floats] = {}  # of each mode and engine
        self._fused: dict[tuple[int, int], Floats] = {}  # the same in fused runs

    @property
    def is_static(self) -> bool:
        """Whether time costs energy."""
        return self.rates.static_w > 0 or self.static_w_per_mm2 > 0

    def static_w(self, area_mm2: Floats) -> Floats:
        """Power at all times of chips of some areas."""
        return np.asarray(self.rates.static_w + self.static_w_per_mm2 * area_mm2)

    def power_grows(self, least_w: Floats, most_w: Floats, worth: float = POWER_APART) -> Bools:
        """Whether power at all times is worth telling apart: it grows by more, relative."""
        return np.asarray(most_w > least_w * (1 + worth))

    @property
    def residents_save(self) -> bool:
        """Whether no tensor costs more on chip than it does in DRAM."""
        most = max(self.rates.sram_read_j_per_bit, self.rates.sram_write_j_per_bit)
        return most <= self.rates.dram_j_per_bit

    # Layers -------------------------------------------------------------------------------------

    def mapping(self, shape: int, mode: int) -> Mapping:
        """What rows and columns of a shape take in a mode."""
        return self.space.modes[mode] or self.space.shapes[shape].mapping

    def per_bit(self, mapping: Mapping, geometry: int) -> Floats:
        """(3,): J for a DRAM bit of weights, ifmap and partial sums."""
        return np.asarray(self._per_bit[mapping][geometry])

    def priced(self, tiles: Tilings, mapping: Mapping, geometry: int) -> Tilings:
        """Tilings whose traffic of each operand is in J for each bit of an element."""
        traffic: Any = tiles.traffic * self.per_bit(mapping, geometry)
        return replace(tiles, traffic=traffic)

    @cached_property
    def _per_bit(self) -> dict[Mapping, Floats]:
        """(geometries, 3) of each mapping."""
        return {
            mapping: np.array([self._of_geometry(x, mapping) for x in self.space.geometries])
            for mapping in self.pace.problem.choices.mapping
        }

    def _of_geometry(self, layer: Layer, mapping: Mapping) -> Floats:
        if layer.moves:
            return np.full(3, self.rates.dram_j_per_bit)
        found = accesses(layer, 1, 1, self.pace.problem.technology.engine, mapping)
        return j_per_dram_bit(found, self.rates)[OPERANDS]

    def constants(self, options: Ints, mode: int) -> Floats:
        """(options, variants × geometries, w, w): J of each layer beside its DRAM bits.

        MACs are counted, static power is not.
        """
        return self._at_engines(options, partial(self._of_shapes, mode))

    def _at_engines(self, options: Ints, of_shapes: Callable[[int], Floats]) -> Floats:
        """(options, n, w, w): tables (shapes, n, w, w) of PEs of so many multipliers, as split."""
        engines = self.pace.engines(options)[:, None]
        made: Floats = np.zeros(())
        for engine in sorted({*engines.ravel().tolist()}):
            table = of_shapes(engine)[self.space.shape_of[options]]
            made = np.where(engines == engine, table, made)
        return made

    def _of_shapes(self, mode: int, engine: int) -> Floats:
        """(shapes, variants × geometries, w, w): `constants` with PEs of so many multipliers."""
        if (mode, engine) not in self._constants:
            each = [
                self._on_shapes(layer, mode, engine, variant)
                for variant in range(self.variants)
                for layer in self.space.geometries
            ]
            self._constants[mode, engine] = np.stack(each, axis=1)
        return self._constants[mode, engine]

    def _on_shapes(self, layer: Layer, mode: int, engine: int, variant: int) -> Floats:
        """(shapes, w, w): of one layer; ``variant`` tells which operands are resident."""
        space = self.space
        made = np.zeros((len(space.shapes), len(space.widths), len(space.widths)))
        if layer.moves:
            if variant % 2:
                made += self.rates.sram_read_j_per_bit * layer.ifmap * space.widths
            return made
        skips = self.pace.problem.choices.zero_skipping
        of_layer = partial(accesses, weights_resident=variant >= 2, zero_skipping=skips)
        return self._operands_j(layer, mode, engine, of_layer)

    def _operands_j(
        self, layer: Layer, mode: int, engine: int, accesses_of: Callable[..., Accesses]
    ) -> Floats:
        """(shapes, w, w): of a layer's MACs and of what no tiling changes of its accesses."""
        space = self.space
        bw, ba = space.widths[:, None], space.widths[None, :]
        bits = operand_bits(bw, ba, layer.accumulation_bits)
        made = np.zeros((len(space.shapes), len(space.widths), len(space.widths)))
        mappings = np.array([self.mapping(shape, mode) for shape in range(len(space.shapes))])
        for mapping in self.pace.problem.choices.mapping:
            mine = mappings == mapping
            sides = space.shape_rows[mine, None, None], space.shape_cols[mine, None, None]
            found = accesses_of(layer, *sides, engine, mapping)
            made[mine] = constant_j(found, bits, self.rates)
        return made + mac_j(layer, bw, ba, self.rates, self.pace.problem.choices.zero_skipping)

    # Fused runs ---------------------------------------------------------------------------------

    def fused(self, options: Ints) -> Floats:
        """(options, geometries, w, w): J of each layer in a fused run.

        With the DRAM bits of its weights, without those of its input and what it moves beside, and
        without static power. In the mapping that it has there, see `codesign.costs.fusion`.
        """
        modes = range(len(self.space.modes))
        each = [self._at_engines(options, partial(self._fused_of_shapes, m)) for m in modes]
        if len(each) == 1:
            return each[0]
        by_name = sorted(modes, key=lambda mode: self.space.modes[mode] or "")
        cycles = np.stack([self.pace.of_options(options, mode) for mode in by_name])
        first = np.broadcast_to(cycles.argmin(axis=0), each[0].shape)
        chosen = np.array(by_name)[first]
        return np.asarray(np.take_along_axis(np.stack(each), chosen[None], axis=0)[0])

    def _fused_of_shapes(self, mode: int, engine: int) -> Floats:
        """(shapes, geometries, w, w): `fused` in a mode, with PEs of so many multipliers."""
        if (mode, engine) not in self._fused:
            each = [self._fused_on_shapes(x, mode, engine) for x in self.space.geometries]
            self._fused[mode, engine] = np.stack(each, axis=1)
        return self._fused[mode, engine]

    def _fused_on_shapes(self, layer: Layer, mode: int, engine: int) -> Floats:
        """(shapes, w, w): of one layer; 0 of one that only moves data, which is never fused."""
        space = self.space
        if layer.moves:
            return np.zeros((len(space.shapes), len(space.widths), len(space.widths)))
        fetched = self.fetched_j_per_bit * layer.weights * space.widths[:, None]
        return self._operands_j(layer, mode, engine, fused_accesses) + fetched

    @property
    def fetched_j_per_bit(self) -> float:
        """J for a DRAM bit of a fused layer's weights, or of its run's input."""
        return self.rates.dram_j_per_bit + self.rates.sram_write_j_per_bit

    # What moves beside operands -----------------------------------------------------------------

    def moved_per_bit(self, layer: Layer) -> tuple[tuple[float, float], ...]:
        """J for a bit of a layer's output, then of each residual: in DRAM, and on chip."""
        rates, network = self.rates, self.space.problem.network
        multiple = self.space.problem.choices.stored_channels
        output = rates.dram_j_per_bit + rates.sram_read_j_per_bit, 0.0
        if layer.moves:
            output = rates.dram_j_per_bit, rates.sram_write_j_per_bit
        residual = rates.dram_j_per_bit, rates.sram_read_j_per_bit
        found = [output, *(residual for _ in layer.residuals)]
        if multiple is None:
            return tuple(found)
        names = layer.output, *layer.residuals  # on chip, there are fewer bits than are stored
        on_chip = [network.touched(layer, x) / network.stored(layer, x, multiple) for x in names]
        return tuple((dram, chip * x) for (dram, chip), x in zip(found, on_chip, strict=True))
