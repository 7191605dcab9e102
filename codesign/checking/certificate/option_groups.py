"""Hardware options in groups: least cycles and traffic of each layer at each pair of widths.

A group costs the least of what its members do, so what it cannot do none of them can.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from codesign.checking.certificate.exact_costs import Threshold, WidthCosts
from codesign.checking.certificate.tilings import LayerTilings, ideal_traffic, shape_of
from codesign.checking.cost_model import Array, cycles, precision_passes
from codesign.checking.network import Layer
from codesign.checking.problem import UM2_PER_MM2, Option, Problem

Pair = tuple[int, int]
Runs = dict[Pair, Pair]  # for each pair of widths that runs, the most SRAM and the fewest passes
UNLIMITED_BITS = 10**40  # more SRAM than any tiling needs


@dataclass(frozen=True)
class OptionGroup:
    """Hardware options: every array with every pair of PE widths.

    ``ideal``: whatever the SRAM, of every tiling the least traffic that any array allows.
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
        return self.problem.choices.most_sram(bits)

    def width_costs(self, group: OptionGroup) -> list[WidthCosts]:
        """For each layer, the least that a group costs; layers of one geometry share theirs.

        What only moves runs everywhere, and streams.
        """
        known: dict[tuple[object, ...], WidthCosts] = {}
        runs = {array: self._runs(group, *array) for array in group.arrays}
        found = []
        for layer in self.problem.network.layers:
            key = shape_of(layer, Array(1, 1, 1))
            if key not in known and layer.moves:
                known[key] = {(0, ba): (0, layer.ifmap * ba) for ba in self.widths}
            elif key not in known:
                known[key] = self._least_costs(layer, runs, group.ideal)
            found.append(known[key])
        return found

    def _least_costs(self, layer: Layer, runs: Mapping[Pair, Runs], ideal: bool) -> WidthCosts:
        least = ideal_traffic(layer)
        found: dict[Pair, Pair] = {}
        for sides, mine in runs.items():
            if not mine:
                continue
            array = Array(*sides, self.problem.technology.engine)
            once = cycles(layer, array)
            if ideal:
                traffic: list[int | None] = [least.bits(bw, ba, 0) for bw, ba in mine]
            else:
                capacities = [bits for bits, _ in mine.values()]
                traffic = self._tilings_of(layer, array).least_traffic([*mine], capacities)
            for (pair, (_, passes)), moved in zip(mine.items(), traffic, strict=True):
                if moved is not None:
                    known = found.get(pair) or (once * passes, moved)
                    found[pair] = min(known[0], once * passes), min(known[1], moved)
        return found

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

    def _tilings_of(self, layer: Layer, array: Array) -> LayerTilings:
        key = shape_of(layer, array)
        if key not in self._tilings:
            self._tilings[key] = LayerTilings(layer, array, self.widths)
        return self._tilings[key]
