"""Hardware options in groups: least cycles and traffic of each layer at each pair of widths.

A group costs the least of what its members do, so what it cannot do none of them can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.cost_model import Array, Elements, cycles, precision_passes
from codesign.checking.network import Layer
from codesign.checking.problem import UM2_PER_MM2, Option, Problem
from codesign.checking.residency import movement_cycles

Pair = tuple[int, int]
Runs = dict[Pair, Pair]  # for each pair of widths that runs, the most SRAM and the fewest passes
StaircasesOf = Callable[[frozenset[Pair], tuple[Operands, ...]], Staircases]
UNLIMITED_BITS = 2**62  # more SRAM than any tiling and all tensors need


@dataclass(frozen=True)
class OptionGroup:
    """Hardware options: every array with every pair of PE widths.

    ``ideal``: of every tiling the least traffic that any array allows, and no tile takes any SRAM.
    """

    arrays: tuple[tuple[int, int], ...]
    pe_bits: tuple[tuple[int, int], ...]
    ideal: bool = False

    @property
    def options(self) -> Iterable[Option]:
        """All of them."""
        return (Option(*array, *bits) for array, bits in product(self.arrays, self.pe_bits))


class OptionGroups:
    """What groups of a problem's hardware options cost, against a claim."""

    def __init__(self, problem: Problem, threshold: Threshold) -> None:
        self.problem, self.threshold = problem, threshold
        network = problem.network
        allowed = (problem.allowed(source) for source in network.sources)
        self.widths = tuple(sorted({bits for each in allowed for bits in each}))
        self._tilings: dict[tuple[object, ...], LayerTilings] = {}
        self._known: dict[tuple[object, ...], Staircases] = {}

    @cached_property
    def capacity(self) -> dict[Option, int]:
        """Most SRAM that an area limit leaves each option of a better design; none: left out.

        A layer that multiplies needs room for a tile, so without SRAM nothing runs.
        """
        every = ((option, self._capacity(option)) for option in self.problem.choices.options)
        return {option: bits for option, bits in every if bits >= 1}

    def _capacity(self, option: Option) -> int:
        base_um2 = sum(self.problem.area_terms_um2(option, 0))
        slope = self.problem.technology.sram_slope
        bits = UNLIMITED_BITS
        limit = self.threshold.limits.get("area_mm2")
        if limit is not None:
            bits = math.floor((limit * UM2_PER_MM2 - base_um2) / slope)
        if self.threshold.objective == "area_mm2":  # and smaller than claimed
            below = math.ceil((self.threshold.below * UM2_PER_MM2 - base_um2) / slope) - 1
            bits = min(bits, below)
        bits = min(bits, UNLIMITED_BITS)
        return self.problem.choices.most_sram(bits)

    def layer_costs(self, group: OptionGroup) -> list[LayerCosts]:
        """For each layer, the least that a group costs; layers of one geometry share theirs."""
        known: dict[tuple[object, ...], LayerCosts] = {}
        runs = {array: self._runs(group, *array) for array in group.arrays}
        runs = {array: mine for array, mine in runs.items() if mine}
        found = []
        for layer in self.problem.network.layers:
            key = shape_of(layer, Array(1, 1, 1))
            if layer.moves:
                key = (*key, self._cycles_of_moving(layer, Array(1, 1, 1)))
            if key not in known:
                known[key] = self._layer_costs(layer, group, runs)
            found.append(known[key])
        return found

    def _layer_costs(
        self, layer: Layer, group: OptionGroup, runs: Mapping[Pair, Runs]
    ) -> LayerCosts:
        engine = self.problem.technology.engine
        arrays = [(Array(*sides, engine), mine) for sides, mine in runs.items()]
        if layer.moves:
            most = max(self.capacity.get(option, 0) for option in group.options)
            counts = [self._cycles_of_moving(layer, array) for array, _ in arrays]
            once = min(counts, default=0)
            return IdealCosts(ideal_traffic(layer), {}, (most, once))
        if not group.ideal:
            tiled = [
                (mine, cycles(layer, array), partial(self._staircases, layer, array))
                for array, mine in arrays
            ]
            return TiledCosts(tiled)
        found: Runs = {}
        for array, mine in arrays:
            once = cycles(layer, array)
            for pair, (bits, passes) in mine.items():
                most, least = found.get(pair, (bits, once * passes))
                found[pair] = max(most, bits), min(least, once * passes)
        return IdealCosts(ideal_traffic(layer), found)

    def _cycles_of_moving(self, layer: Layer, array: Array) -> int:
        """Where tensors may stay on chip; else none."""
        if not self.problem.choices.on_chip:
            return 0
        return movement_cycles(self.problem.network, layer, array)

    def _runs(self, group: OptionGroup, rows: int, cols: int) -> Runs:
        every = (Option(rows, cols, *bits) for bits in group.pe_bits)
        options = [(x, self.capacity[x]) for x in every if x in self.capacity]
        found: Runs = {}
        for bw, ba in product(self.widths, repeat=2):
            runs = [
                (bits, precision_passes(bw, ba, x.pe_weight_bits, x.pe_activation_bits))
                for x, bits in options
            ]
            if not self.problem.choices.multi_pass:
                runs = [(bits, passes) for bits, passes in runs if passes == 1]
            if runs:
                found[bw, ba] = max(x for x, _ in runs), min(x for _, x in runs)
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
            self._tilings[key] = LayerTilings(layer, array, self.widths, *resident)
        return self._tilings[key]


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

    def __init__(self, least: Elements, runs: Runs, otherwise: Pair | None = None) -> None:
        self.least, self.runs, self.otherwise = least, runs, otherwise

    def of(
        self, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """As `LayerCosts` says."""
        found = [self.runs.get(x[:2], self.otherwise) or (-1, 0) for x in operands]
        most, once = np.array(found).T
        moved = np.array([self._moved(x) for x in operands])
        fits = live_bits <= most[which]
        return np.where(fits, once[which], 0), np.where(fits, moved[which], 0), fits

    def fused(self, operands: Sequence[Operands], which: Whole) -> tuple[Whole, Whole]:
        """As `LayerCosts` says."""
        most, once = np.array([self.runs.get(x[:2], (-1, 0)) for x in operands]).T
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
            most, passes = np.array(found).T
            mine_count = once * passes[which]
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
            found = np.array([mine.get(x[:2], (-1, 1)) for x in operands])
            bits, mine_count = found[:, 0], once * found[:, 1]
            fewer = (bits >= 0) & ((most < 0) | (mine_count < count))
            count, most = np.where(fewer, mine_count, count), np.maximum(most, bits)
        return count[which], most[which]
