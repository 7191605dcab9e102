"""Hardware options in groups: least cycles and traffic of each layer at each pair of widths.

A group costs the least of what its members do, so what it cannot do none of them can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import product

from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.layer_costs import (
    CostsByMapping,
    IdealCosts,
    LayerCosts,
    Pair,
    Runs,
    TiledCosts,
)
from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.measured_tilings import MeasuredTilings
from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.range_enumeration import Growth
from codesign.checking.certificate.tiling_menus import MeasuredCosts, MeasuredWay
from codesign.checking.certificate.tilings import shape_of
from codesign.checking.cost_model import Array, precision_passes
from codesign.checking.network import Layer
from codesign.checking.problem import ArrayShape, Option, Problem
from codesign.checking.residency import movement_cycles

Way = tuple[Array, Runs]  # an array that some options have, its PEs split alike, and what runs so
UNLIMITED_BITS = 2**62  # more SRAM than any tiling and all tensors need


@dataclass(frozen=True)
class OptionGroup:
    """Hardware options: every array with every pair of PE widths.

    Attributes
    ----------
    ideal : bool
        Of every tiling the least traffic that any array allows, and no tile takes any SRAM.
    sram_bits : (int, int), optional
        The least and the most SRAM of the designs in question; without, any.
    finest : bool
        Of tilings those of an array of one PE, see `_finest`, the same for every array.
    """

    arrays: tuple[ArrayShape, ...]
    pe_bits: tuple[tuple[int, int], ...]
    ideal: bool = False
    sram_bits: tuple[int, int] | None = None
    finest: bool = False

    @property
    def single(self) -> bool:
        """Whether it is one option."""
        return len(self.arrays) == len(self.pe_bits) == 1

    @property
    def options(self) -> Iterable[Option]:
        """All of them."""
        every = product(self.arrays, self.pe_bits)
        return (Option(x[0], x[1], *bits, *x[2:]) for x, bits in every)


class OptionGroups:
    """What groups of a problem's hardware options cost, against a claim."""

    def __init__(
        self, problem: Problem, threshold: Threshold, energy: EnergyCosts | None = None
    ) -> None:
        self.problem, self.threshold, self.energy = problem, threshold, energy
        self.machine = problem.choices.machine
        network = problem.network
        allowed = (problem.allowed(source) for source in network.sources)
        self.widths = tuple(sorted({bits for each in allowed for bits in each}))
        self.tilings = MeasuredTilings(problem, self.widths, energy)

    @cached_property
    def capacity(self) -> dict[Option, int]:
        """Most SRAM that limits leave each option of a better design; none: left out.

        A layer that multiplies needs room for a tile, so without SRAM nothing runs.
        """
        every = ((option, self._capacity(option)) for option in self.problem.choices.options)
        return {option: bits for option, bits in every if bits >= 1}

    def _capacity(self, option: Option) -> int:
        """By every limit on the hardware, and where that is the objective, better than claimed."""
        bits, per_bit = UNLIMITED_BITS, self.problem.technology.per_bit
        for name, terms in self.problem.hardware_terms(option, 0).items():
            base, slope = sum(terms), per_bit[name]
            limit = self.threshold.limits.get(name)
            if limit is not None and not slope:
                bits = bits if base <= limit else -1
            elif limit is not None:
                bits = min(bits, math.floor((limit - base) / slope))
            if self.threshold.objective == name and not slope:
                bits = bits if base < self.threshold.below else -1
            elif self.threshold.objective == name:
                bits = min(bits, math.ceil((self.threshold.below - base) / slope) - 1)
        return self.problem.choices.most_sram(max(bits, 0))

    def within(self, group: OptionGroup) -> dict[Option, int]:
        """Most SRAM of each option of a group, as `capacity`, and at most that of its range."""
        found = {}
        for option in group.options:
            bits = self.capacity.get(option, 0)
            if group.sram_bits is not None and bits > group.sram_bits[1]:
                bits = self.problem.choices.most_sram(group.sram_bits[1])
            if bits >= (group.sram_bits or (1,))[0]:
                found[option] = bits
        return found

    def static_w(self, group: OptionGroup) -> Fraction | None:
        """Least power at all times of a group's designs; None where no bound is known."""
        if self.energy is None:
            return Fraction(0)
        return self.energy.static_w(self.within(group), self._least_bits(group))

    def growth(self, group: OptionGroup) -> Growth | None:
        """Power that grows within a single option's range of SRAM; None where none is counted.

        Of one network: each of a suite has energies of its own.
        """
        least = self._least_bits(group)
        listed = group.single and not (group.ideal or group.finest)
        if self.energy is None or not listed or self.problem.network.members:
            return None
        more = [self.energy.static_w(group.options, least + x) for x in (0, 1)]
        if more[0] is None or more[1] is None or more[1] <= more[0]:
            return None
        return Growth(least, more[1] - more[0])

    def _least_bits(self, group: OptionGroup) -> int:
        """The least SRAM of a group's designs."""
        return max((group.sram_bits or (1,))[0], self.problem.choices.least_sram)

    def layer_costs(self, group: OptionGroup, growth: Growth | None = None) -> list[LayerCosts]:
        """For each layer, the least that a group costs; layers of one geometry share theirs.

        ``growth``: tilings are told apart by the SRAM beyond the least that they take.
        """
        known: dict[tuple[object, ...], LayerCosts] = {}
        capacity = self.within(group)
        ways, found = self._ways(group, capacity), []
        for layer in self.problem.network.layers:
            padding = self.tilings.padding(layer)
            key = (*shape_of(layer, Array(1, 1, 1)), self.machine.factor(layer), padding)
            if layer.moves:
                key = (*key, self._cycles_of_moving(layer, Array(1, 1, 1)))
            if key not in known:
                most = max(capacity.values(), default=0)
                known[key] = self._layer_costs(layer, group, ways, most, growth)
            found.append(known[key])
        return found

    def _layer_costs(
        self,
        layer: Layer,
        group: OptionGroup,
        ways: Sequence[Sequence[Way]],
        most: int,
        growth: Growth | None,
    ) -> LayerCosts:
        if layer.moves:
            engine = self.problem.technology.engine
            arrays = [array._replace(engine=engine) for array, _ in ways[0]]
            once = min((self._cycles_of_moving(layer, x) for x in arrays), default=0)
            return self._ideal(layer, {}, (most, once), {}, arrays[:1], growth is not None)
        if group.finest:
            each = [self._finest(layer, x) for x in ways]
            return each[0] if len(each) == 1 else CostsByMapping(each, group.single)
        if not group.ideal:
            each = [self._tiled(layer, x, group.single, growth) for x in ways]
            return each[0] if len(each) == 1 else CostsByMapping(each, group.single)
        found: Runs = {}
        for array, mine in (way for in_mapping in ways for way in in_mapping):
            once = self.machine.cycles(layer, array)
            for pair, (bits, passes) in mine.items():
                most, least = found.get(pair, (bits, once * passes))
                found[pair] = max(most, bits), min(least, once * passes)
        every = [array for in_mapping in ways for array, _ in in_mapping]
        runs_on = {array: mine for in_mapping in ways for array, mine in in_mapping}
        return self._ideal(layer, found, None, runs_on, every)

    def _ideal(
        self,
        layer: Layer,
        runs: Runs,
        otherwise: Pair | None,
        runs_on: Mapping[Array, Runs],
        arrays: Sequence[Array],
        tells_sram: bool = False,
    ) -> IdealCosts:
        """With the least traffic there is, and the least of all else on any of some arrays."""
        least = self.tilings.ideal_traffic(layer)
        names = self.tilings.names
        measures = {name: self.tilings.ideal(name, layer, runs_on, arrays) for name in names}
        each = [(x, runs_on[x]) for x in arrays if x in runs_on]
        counts = each and self.tilings.in_run(layer, each[0][0])
        in_run = self._least(self.tilings.in_run, layer, each) if counts else None
        return IdealCosts(least, runs, otherwise, measures, in_run, tells_sram)

    def _tiled(
        self, layer: Layer, ways: Sequence[Way], listed: bool, growth: Growth | None
    ) -> LayerCosts:
        """With tilings that fit; ``listed``: those chosen by more than traffic are told apart."""
        each = [self.tilings.way(layer, x, mine) for x, mine in ways]
        return self._costs(each, listed, None if growth is None else growth.least_bits)

    def _costs(
        self, ways: Sequence[MeasuredWay], listed: bool, least_bits: int | None = None
    ) -> LayerCosts:
        if not self.tilings.names:
            return TiledCosts([(x.runs, x.cycles, x.least_of[0]) for x in ways])
        return MeasuredCosts(ways, self.tilings.names, listed, least_bits)

    def _finest(self, layer: Layer, ways: Sequence[Way]) -> LayerCosts:
        """With the tilings of one PE, in the fewest cycles and with the least else of any array.

        A tile is of multiples of what an array takes at once, or of all there is. Those of one PE
        have as many trips, no more elements, and are fetched no more often. Groups side by side
        are two at least in a tile, as one alone is twice where there are more.
        """
        merged: dict[Array, list[Way]] = {}
        for array, mine in ways:
            merged.setdefault(array._replace(rows=1, cols=1), []).append((array, mine))
        found = []
        for one, each in merged.items():
            runs: Runs = {}
            for array, mine in each:
                once = self.machine.cycles(layer, array)
                for pair, (bits, passes) in mine.items():
                    most, least = runs.get(pair, (bits, once * passes))
                    runs[pair] = max(most, bits), min(least, once * passes)
            way = self.tilings.way(layer, one, runs)
            measures = (
                x._replace(beside=self._least(partial(self.tilings.beside, x.name), layer, each))
                for x in way.measures
            )
            in_run = way.in_run and self._least(self.tilings.in_run, layer, each)
            found.append(way._replace(cycles=1, measures=tuple(measures), in_run=in_run))
        return self._costs(found, listed=False)

    def _least(
        self,
        counted: Callable[[Layer, Array], Callable[[Operands], int] | None],
        layer: Layer,
        ways: Sequence[Way],
    ) -> Callable[[Operands], int]:
        """What is counted of a layer on whichever of some arrays has the least of it."""
        each = [(runs, of) for array, runs in ways if (of := counted(layer, array)) is not None]

        def least(operands: Operands) -> int:
            return min(of(operands) for runs, of in each if operands[:2] in runs)

        return least

    def _cycles_of_moving(self, layer: Layer, array: Array) -> int:
        """Where tensors may stay on chip; else none."""
        if not self.problem.choices.on_chip:
            return 0
        return movement_cycles(self.problem.network, layer, array)

    def _ways(self, group: OptionGroup, capacity: dict[Option, int]) -> list[list[Way]]:
        """All ways in which options run, by each mapping of a layer where it has its own."""
        choices = self.problem.choices
        each: dict[int, list[Way]] = {}
        for shape in group.arrays:
            runs = self._runs(group, shape, capacity)
            for n, mapping in enumerate(choices.mappings_of(shape)):
                how = mapping, self.machine.skips_zeros
                ways = ((Array(shape[0], shape[1], x, *how), runs[x]) for x in runs)
                each.setdefault(n, []).extend(ways)
        return [*each.values()]

    def _runs(
        self, group: OptionGroup, array: ArrayShape, capacity: dict[Option, int]
    ) -> dict[int, Runs]:
        """What runs on the options of an array, by the multipliers that a PE has then."""
        every = (Option(array[0], array[1], *bits, *array[2:]) for bits in group.pe_bits)
        options = [(x.pe_bits, capacity[x]) for x in every if x in capacity]
        found: dict[int, Runs] = {}
        pairs = [(bw, ba) for bw in self.widths for ba in self.widths]
        for pair in pairs:
            for pe_bits, bits in options:
                passes = precision_passes(*pair, *pe_bits)
                if passes > 1 and not self.machine.multi_pass:
                    continue
                engine = self.problem.technology.engine * self.machine.split(*pair, *pe_bits)
                runs = found.setdefault(engine, {})
                most, least = runs.get(pair, (bits, passes))
                runs[pair] = max(most, bits), min(least, passes)
        return found
