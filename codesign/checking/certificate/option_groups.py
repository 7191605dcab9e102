"""Hardware options in groups: least cycles and traffic of each layer at each pair of widths.

A group costs the least of what its members do, so what it cannot do none of them can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import numpy as np

from codesign.checking.certificate.exact_costs import LayerCosts, Threshold
from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.tilings import (
    LayerTilings,
    Staircases,
    ideal_traffic,
    shape_of,
)
from codesign.checking.certificate.whole_numbers import Whole, times, whole_numbers
from codesign.checking.cost_model import Array, Elements, precision_passes
from codesign.checking.network import Layer
from codesign.checking.problem import ArrayShape, Option, Problem
from codesign.checking.residency import movement_cycles

Pair = tuple[int, int]
Runs = dict[Pair, Pair]  # for each pair of widths that runs, the most SRAM and the fewest passes
Way = tuple[Array, Runs]  # an array that some options have, its PEs split alike, and what runs so
StaircasesOf = Callable[[frozenset[Pair], tuple[Operands, ...]], Staircases]
UNLIMITED_BITS = 2**62  # more SRAM than any tiling and all tensors need


@dataclass(frozen=True)
class OptionGroup:
    """Hardware options: every array with every pair of PE widths.

    ``ideal``: of every tiling the least traffic that any array allows, and no tile takes any SRAM.
    """

    arrays: tuple[ArrayShape, ...]
    pe_bits: tuple[tuple[int, int], ...]
    ideal: bool = False

    @property
    def options(self) -> Iterable[Option]:
        """All of them."""
        every = product(self.arrays, self.pe_bits)
        return (Option(x[0], x[1], *bits, *x[2:]) for x, bits in every)


class OptionGroups:
    """What groups of a problem's hardware options cost, against a claim."""

    def __init__(self, problem: Problem, threshold: Threshold) -> None:
        self.problem, self.threshold = problem, threshold
        self.machine = problem.choices.machine
        network = problem.network
        allowed = (problem.allowed(source) for source in network.sources)
        self.widths = tuple(sorted({bits for each in allowed for bits in each}))
        self._tilings: dict[tuple[object, ...], LayerTilings] = {}
        self._known: dict[tuple[object, ...], Staircases] = {}

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

    def layer_costs(self, group: OptionGroup) -> list[LayerCosts]:
        """For each layer, the least that a group costs; layers of one geometry share theirs."""
        known: dict[tuple[object, ...], LayerCosts] = {}
        ways, found = self._ways(group), []
        for layer in self.problem.network.layers:
            key = (*shape_of(layer, Array(1, 1, 1)), self.machine.factor(layer))
            if layer.moves:
                key = (*key, self._cycles_of_moving(layer, Array(1, 1, 1)))
            if key not in known:
                known[key] = self._layer_costs(layer, group, ways)
            found.append(known[key])
        return found

    def _layer_costs(
        self, layer: Layer, group: OptionGroup, ways: Sequence[Sequence[Way]]
    ) -> LayerCosts:
        if layer.moves:
            most = max(self.capacity.get(option, 0) for option in group.options)
            engine = self.problem.technology.engine
            arrays = [array._replace(engine=engine) for array, _ in ways[0]]
            once = min((self._cycles_of_moving(layer, x) for x in arrays), default=0)
            return IdealCosts(ideal_traffic(layer), {}, (most, once))
        if not group.ideal:
            each = [
                TiledCosts(
                    [
                        (mine, self.machine.cycles(layer, x), partial(self._staircases, layer, x))
                        for x, mine in in_mapping
                    ]
                )
                for in_mapping in ways
            ]
            return each[0] if len(each) == 1 else CostsByMapping(each)
        found: Runs = {}
        for array, mine in (way for in_mapping in ways for way in in_mapping):
            once = self.machine.cycles(layer, array)
            for pair, (bits, passes) in mine.items():
                most, least = found.get(pair, (bits, once * passes))
                found[pair] = max(most, bits), min(least, once * passes)
        return IdealCosts(ideal_traffic(layer), found)

    def _cycles_of_moving(self, layer: Layer, array: Array) -> int:
        """Where tensors may stay on chip; else none."""
        if not self.problem.choices.on_chip:
            return 0
        return movement_cycles(self.problem.network, layer, array)

    def _ways(self, group: OptionGroup) -> list[list[Way]]:
        """All ways in which options run, by each mapping of a layer where it has its own."""
        choices = self.problem.choices
        each: dict[int, list[Way]] = {}
        for shape in group.arrays:
            runs = self._runs(group, shape)
            for n, mapping in enumerate(choices.mappings_of(shape)):
                ways = ((Array(shape[0], shape[1], x, mapping), runs[x]) for x in runs)
                each.setdefault(n, []).extend(ways)
        return [*each.values()]

    def _runs(self, group: OptionGroup, array: ArrayShape) -> dict[int, Runs]:
        """What runs on the options of an array, by the multipliers that a PE has then."""
        every = (Option(array[0], array[1], *bits, *array[2:]) for bits in group.pe_bits)
        options = [(x.pe_bits, self.capacity[x]) for x in every if x in self.capacity]
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

    def _staircases(
        self, layer: Layer, array: Array, runs: frozenset[Pair], operands: tuple[Operands, ...]
    ) -> Staircases:
        """Of a layer's tilings on an array, for all that its tables have and that runs."""
        shape = shape_of(layer, array)
        key = (shape, runs, operands)
        if key not in self._known:
            self._known[key] = Staircases(
                [
                    self._tilings_of(shape, layer, array, x[2:]).stairs(*x[:2])
                    if x[:2] in runs
                    else None
                    for x in operands
                ]
            )
        return self._known[key]

    def _tilings_of(
        self, shape: tuple[object, ...], layer: Layer, array: Array, resident: tuple[bool, bool]
    ) -> LayerTilings:
        key = (*shape, *resident)
        if key not in self._tilings:
            on = layer, array, self.widths, *resident, self.machine.buffers
            self._tilings[key] = LayerTilings(*on)
        return self._tilings[key]


def _columns(found: Sequence[Pair]) -> tuple[Whole, Whole]:
    """SRAM bits, -1 for none, and passes or cycles of each."""
    return np.array([most for most, _ in found]), whole_numbers(count for _, count in found)


class IdealCosts:
    """Of a layer whose tilings move the least there is; what is resident has to fit alone.

    Parameters
    ----------
    least : Elements
        Moved at least.
    runs : Runs
        The most SRAM and the fewest cycles of each pair of widths.
    otherwise : (int, int), optional
        The same of all other pairs; none of them runs where it is left out.
    """

    ways = 1

    def __init__(self, least: Elements, runs: Runs, otherwise: Pair | None = None) -> None:
        self.least, self.runs, self.otherwise = least, runs, otherwise

    def of(
        self, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """As `LayerCosts` says."""
        found = [self.runs.get(x[:2], self.otherwise) or (-1, 0) for x in operands]
        most, once = _columns(found)
        moved = np.array([self._moved(x) for x in operands])
        fits = live_bits <= most[which]
        return np.where(fits, once[which], 0), np.where(fits, moved[which], 0), fits

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says."""
        most, once = _columns([self.runs.get(x[:2], (-1, 0)) for x in operands])
        return once[which], most[which]

    def _moved(self, operands: Operands) -> int:
        weight_bits = 0 if operands.weights_resident else operands.weight_bits
        input_bits = 0 if operands.input_resident else operands.input_bits
        return self.least.bits(weight_bits, input_bits, 0)


class TiledCosts:
    """Of a layer on some arrays, with tilings that fit beside what is resident.

    Parameters
    ----------
    arrays : sequence of (Runs, int, StaircasesOf)
        What runs on each, in how many cycles where operands fit the PE, and its tilings.
    """

    ways = 1

    def __init__(self, arrays: Sequence[tuple[Runs, int, StaircasesOf]]) -> None:
        self.arrays = arrays

    def of(
        self, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """As `LayerCosts` says."""
        count = np.zeros(which.shape, dtype=np.int64)
        moved, runs = count, np.zeros(which.shape, dtype=bool)
        for mine, once, staircases_of in self.arrays:
            found = [mine.get(x[:2], (-1, 1)) for x in operands]
            most, passes = _columns(found)
            mine_count = times(passes, once)[which]
            stairs = staircases_of(frozenset(mine), tuple(operands))
            bits, fits = stairs.least_traffic(which, most[which] - live_bits)
            count = np.where(fits & (~runs | (mine_count < count)), mine_count, count)
            moved = np.where(fits & (~runs | (bits < moved)), bits, moved)
            runs = runs | fits
        return count, moved, runs

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says."""
        most = np.full(len(operands), -1, dtype=np.int64)
        count = np.zeros(len(operands), dtype=np.int64)
        for mine, once, _ in self.arrays:
            bits, passes = _columns([mine.get(x[:2], (-1, 1)) for x in operands])
            mine_count = times(passes, once)
            fewer = (bits >= 0) & ((most < 0) | (mine_count < count))
            count, most = np.where(fewer, mine_count, count), np.maximum(most, bits)
        return count[which], most[which]


class CostsByMapping:
    """Of a layer that has a mapping of its own: its costs in each, side by side.

    Parameters
    ----------
    each : sequence of TiledCosts
    """

    def __init__(self, each: Sequence[TiledCosts]) -> None:
        self.each, self.ways = each, len(each)

    def of(
        self, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """As `LayerCosts` says."""
        parts = zip(*(np.hsplit(x, self.ways) for x in (which, live_bits)), strict=True)
        found = [x.of(operands, *part) for x, part in zip(self.each, parts, strict=True)]
        count, moved, runs = (np.hstack(x) for x in zip(*found, strict=True))
        return count, moved, runs

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says: no tile matters, so that only the fastest mapping is of use."""
        first = np.hsplit(which, self.ways)[0]
        count, most = self.each[0].fused(operands, first)
        for other in self.each[1:]:
            others, bits = other.fused(operands, first)
            fewer = (bits >= 0) & ((most < 0) | (others < count))
            count, most = np.where(fewer, others, count), np.maximum(most, bits)
        rest = np.zeros((len(which), which.shape[1] - first.shape[1]), dtype=np.int64)
        return np.hstack([count, rest]), np.hstack([most, rest - 1])
