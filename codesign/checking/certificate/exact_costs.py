"""What choices cost at given multipliers: every layer's table, in whole numbers.

Multipliers are whole numbers as metrics in their units are, so that every sum and comparison is
exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from operator import mul

import numpy as np

from codesign.checking.certificate.layer_costs import FusedTaken, LayerCosts, Taken
from codesign.checking.certificate.layer_scopes import TENSOR, LayerScope, Variables
from codesign.checking.certificate.metric_units import (
    BOPS_PARTS,
    Threshold,
    Units,
    Vector,
    kind_of,
)
from codesign.checking.certificate.run_costs import ROOF_SHARES, FusedColumns, Part, RunCosts
from codesign.checking.certificate.sram_accesses import streamed_bits
from codesign.checking.certificate.whole_numbers import (
    MOST_IN_64_BITS,
    Whole,
    largest,
    times,
    whole_numbers,
)
from codesign.checking.cost_model import bops
from codesign.checking.technology import ENERGY

LEAST_ROUNDED = 2**20  # multiplier that is rounded to a whole number


class Multipliers:
    """Multipliers on metrics, and what a better design would cost at most.

    ``multipliers · metrics`` of a design that is better than claimed is below ``most``, or not
    above it where the objective has no multiplier. All in whole numbers: multiples of a common
    unit, to which those given are rounded where that leaves each enough digits. Others than those
    given are as good an argument.

    Attributes
    ----------
    each : tuple of int
        Of a unit of each metric that matters.
    most : int
    kind : type
        Of arrays that hold sums of what all layers cost, each no more than ``most + 1``.

    Raises
    ------
    ValueError
        A multiplier on a metric that nothing limits.
    """

    def __init__(self, units: Units, threshold: Threshold, given: Mapping[str, Fraction]) -> None:
        used = {name: multiplier for name, multiplier in given.items() if multiplier}
        if not used.keys() <= {*units.names}:
            raise ValueError("a multiplier on what nothing limits")
        limits = {**threshold.limits, threshold.objective: threshold.below}
        exact = [used.get(name, Fraction(0)) * units.unit[name] for name in units.names]
        cost = sum((x * limits[name] for name, x in used.items()), Fraction(0))
        self.each = _whole_multiples(exact, cost, units.addends)
        named = zip(units.names, self.each, strict=True)
        most = sum((x * limits[name] / units.unit[name] for name, x in named if x), Fraction(0))
        self.most = math.floor(most)
        if threshold.objective in used and self.most == most:  # whole values below, not at most
            self.most -= 1
        small = (self.most + 1) * units.addends < MOST_IN_64_BITS
        self.kind: type = np.int64 if small else object

    def of(self, vector: Vector) -> int:
        """What a vector of metrics costs."""
        return sum(map(mul, self.each, vector))


def _whole_multiples(exact: list[Fraction], limit: Fraction, addends: int) -> tuple[int, ...]:
    """Multipliers as multiples of a unit: one that keeps sums in 64 bits if it is fine enough.

    Parameters
    ----------
    limit : Fraction
        What a better design costs at most.
    addends : int
        Costs that are added up.
    """
    used = [x for x in exact if x]
    if limit > 0:
        most = Fraction(MOST_IN_64_BITS, 2 * addends)
        scale = Fraction(2) ** (math.floor(most / limit).bit_length() - 1)
        if min(used) * scale >= LEAST_ROUNDED:
            return tuple(math.floor(x * scale) for x in exact)
    scale = Fraction(math.lcm(*(x.denominator for x in used)))
    return tuple(int(x * scale) for x in exact)


class LayerMetrics:
    """Metrics of a layer at each entry of its table, for each choice of what is free.

    Attributes
    ----------
    columns : tuple of whole numbers, shape (entries, choices)
        The metrics that matter.
    counted : tuple of bool
        Whether the layer counts for anything in each.
    runs : bool, shape (entries, choices)
    taken : (whole numbers, whole numbers) or None
        Latency and SRAM bits of each choice, where the SRAM that it takes is told.
    """

    def __init__(
        self,
        units: Units,
        scope: LayerScope,
        costs: LayerCosts,
        number: int = 0,
        run_costs: RunCosts | None = None,
        static_w: Fraction = Fraction(0),
    ) -> None:
        live_bits = np.broadcast_to(scope.live_bits[:, None], scope.which.shape)
        taken = costs.of(scope.operands, scope.which, live_bits)
        ways, chosen = taken.runs.shape[1] // scope.which.shape[1], scope.which
        scope = replace(scope, which=np.tile(chosen, (1, ways)))
        runs, moved = taken.runs, taken.dram_bits + scope.moved_bits[:, None]
        self.parts: _Parts | None = None
        if run_costs is not None and scope.run.any():
            in_run = _once(costs.fused(scope.operands, chosen), ways)
            fused = FusedColumns(run_costs, scope, number, in_run.most_bits)
            is_fused = (scope.run > 0)[:, None]
            moved = np.where(is_fused, fused.dram_bits, moved)
            runs = np.where(is_fused, fused.fits, runs) & (scope.run >= 0)[:, None]
            self.parts = _Parts(units, run_costs, fused, in_run.cycles, static_w)
            if units.energy is not None and in_run.energy is not None:
                assert taken.energy is not None
                energy = in_run.energy + units.energy.fetched(fused.input_bits)
                taken = taken._replace(energy=np.where(is_fused, energy, taken.energy))
        self.runs = runs
        taken = taken._replace(dram_bits=moved, cycles=_on_chip(units, scope, taken))
        counts = [units.count(name, number) for name in units.names]
        self.counted = tuple(count > 0 for count in counts)
        self.taken: tuple[Whole, Whole] | None = None
        if taken.sram_bits is not None:
            self.taken = np.maximum(*units.roofs(taken.cycles, moved)), taken.sram_bits
        first = units.problem.network.first_uses[number]
        standing = self._standing(units, taken, static_w)
        kinds = {x: _column(x, units, scope, taken, standing, first) for x in units.kinds}
        if self.parts is not None:
            kinds = {x: self.parts.counted(x, column) for x, column in kinds.items()}
        of_names = [kinds[kind_of(name)] for name in units.names]
        self.columns = tuple(map(self._counting, of_names, counts))

    def _standing(self, units: Units, taken: Taken, static_w: Fraction) -> Whole:
        """Energy of power at all times; in a run, as the bound counts its time."""
        found: Whole = np.zeros(self.runs.shape, dtype=np.int64)
        if units.energy is not None and static_w:
            latency = np.maximum(*units.roofs(taken.cycles, taken.dram_bits))
            found = units.energy.standing(latency, units.of_kind["latency_s"], static_w)
        if self.parts is None:
            return found
        return np.where((self.parts.run > 0)[:, None], self.parts.spent, found)

    def _counting(self, column: Whole, count: int) -> Whole:
        """What a layer's cost of a kind makes of a metric."""
        if not count:
            return np.broadcast_to(np.int64(0), column.shape)
        return column if count == 1 else times(column, count, signed=self.parts is not None)

    def least(self, multipliers: Multipliers) -> Whole:
        """What each entry costs at least; more than any better design where it does not run."""
        total: Whole = np.zeros(self.runs.shape, dtype=np.int64)
        signed = self.parts is not None  # what is charged may be below 0
        every = zip(multipliers.each, self.columns, self.counted, strict=True)
        for factor, column, counted in every:
            if factor and counted:
                term = times(column, factor, signed)
                if largest(term, signed) + largest(total, signed) >= MOST_IN_64_BITS:
                    total = total.astype(object)
                total = total + term
        never = multipliers.most + 1
        if multipliers.kind is object:
            total = total.astype(object)
        costs = np.minimum(np.where(self.runs, total, never), never)
        least: Whole = costs.min(axis=1)
        roomless = signed and largest(least, signed) > never  # for sums of 64 bits
        return least.astype(object if roomless else multipliers.kind)

    def part_of(self, entry: int, multipliers: Multipliers) -> Part | None:
        """What the cheapest choice at an entry adds to its run; None where it is in none."""
        if self.parts is None or not self.parts.run[entry] > 0 or not self.runs[entry].any():
            return None
        runs = self.runs[entry]
        each = zip(self.vectors(entry), self.parts.of(entry, runs), strict=True)
        return min(each, key=lambda x: multipliers.of(x[0]))[1]

    def vectors(self, entry: int) -> list[Vector]:
        """Metrics of each choice that runs."""
        runs = self.runs[entry]
        told = self.columns if self.taken is None else (*self.columns, *self.taken)
        each = [column[entry][runs].tolist() for column in told]
        found = [*zip(*each, strict=True)] if each else [()] * int(runs.sum())
        if self.parts is None or not self.parts.run[entry] > 0:
            return found
        return [(*x, y) for x, y in zip(found, self.parts.of(entry, runs), strict=True)]


class _Parts:
    """What a layer adds to each run, beside the metrics.

    Attributes
    ----------
    run : whole numbers, shape (entries,)
    spent : whole numbers, shape (entries, choices)
        Energy of the time that the bound counts, and for what it charges.
    """

    def __init__(
        self,
        units: Units,
        run_costs: RunCosts,
        fused: FusedColumns,
        cycles: Whole,
        static_w: Fraction,
    ) -> None:
        self.run, matters = fused.run, "latency_s" in units.kinds or static_w > 0
        compute, memory = units.roofs(cycles * matters, fused.dram_bits * matters)
        self._charged = run_costs.all_charged(fused.run, fused.excess_bits)
        self._latency = run_costs.all_counted(fused.run, compute, memory)
        self._latency = self._latency + times(self._charged, units.bit // ROOF_SHARES, signed=True)
        self.spent: Whole = np.zeros(cycles.shape, dtype=np.int64)
        if units.energy is not None:
            unit_s = units.of_kind["latency_s"]
            self.spent = units.energy.standing(self._latency, unit_s, static_w, signed=True)
            self.spent = self.spent + units.energy.charged(self._charged, ROOF_SHARES)
        held = fused.held_bits, fused.psum_bits, fused.excess_bits
        self._each = compute, memory, *held, self.spent

    def counted(self, kind: str, column: Whole) -> Whole:
        """A cost of a kind, as the bound counts it where the layer is in a run."""
        is_fused = (self.run > 0)[:, None]
        if kind == "latency_s":
            return np.where(is_fused, self._latency, column)
        return np.where(is_fused, column + self._charged, column) if kind == "dram_bits" else column

    def of(self, entry: int, runs: Whole) -> list[Part]:
        """Of each choice that runs."""
        each = [x[entry][runs].tolist() for x in self._each]
        return [Part(int(self.run[entry]), 1, *x) for x in zip(*each, strict=True)]


def _on_chip(units: Units, scope: LayerScope, taken: Taken) -> Whole:
    """Cycles of the array; of the SRAM's port where that is slower."""
    if units.port_bits is None:
        return taken.cycles
    assert taken.port_bits is not None
    of_array = times(taken.cycles, units.port_bits)
    found: Whole = np.maximum(of_array, taken.port_bits + streamed_bits(scope)[:, None])
    return found


def _once(taken: FusedTaken, ways: int) -> FusedTaken:
    """Each choice in the first of so many ways alone."""

    def beside(values: Whole, fill: int) -> Whole:
        rest = values.shape[1] * (ways - 1)
        return np.pad(values, ((0, 0), (0, rest)), constant_values=fill)

    energy = None if taken.energy is None else beside(taken.energy, 0)
    return FusedTaken(beside(taken.cycles, 0), beside(taken.most_bits, -1), energy)


def _column(
    kind: str,
    units: Units,
    scope: LayerScope,
    taken: Taken,
    standing: Whole,
    first: bool,
) -> Whole:
    """A cost of a kind at each entry of a layer's table, of all that it takes and moves.

    ``standing``: energy of power at all times. ``first``: whether the size and the noise of its
    weights count with it.
    """
    layer, moved = scope.layer, taken.dram_bits
    if kind == "latency_s":
        return np.maximum(*units.roofs(taken.cycles, moved))
    if kind == ENERGY:
        assert units.energy is not None
        assert taken.energy is not None
        energy: Whole = taken.energy + units.energy.streamed(scope)[:, None] + standing
        return energy
    if kind == "dram_bits":
        return moved if units.dram_bit == 1 else times(moved, units.dram_bit)
    if kind == "bops":
        each = (math.floor(bops(layer, x[0], x[1]) * BOPS_PARTS) for x in scope.operands)
    elif not first:
        each = (0 for _ in scope.operands)
    elif kind == "noise":
        each = (units.noise(str(layer.weight_source), x.weight_bits) for x in scope.operands)
    else:
        each = (layer.weights * x.weight_bits for x in scope.operands)
    table: Whole = whole_numbers(each)[scope.which]
    return table


def own_vectors(units: Units, variables: Variables, variable: int) -> list[Vector]:
    """Metrics of a variable alone, at each of its values: the noise of its tensors."""
    tensors = [x for x in variables.members[variable] if x.startswith(TENSOR)]
    return [units.noises(tensors, bits) for bits in variables.domains[variable]]
