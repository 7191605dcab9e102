"""What choices cost at given multipliers: every layer's table, in whole numbers.

Each metric is counted in a unit that makes its values whole: latency in the largest that divides
the time of a cycle and that of a bit moved, noise in the common denominator of its table, bit
operations in ``2^-40``, their logarithm rounded down. Multipliers are whole numbers too, so that
every sum and comparison is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Protocol

import numpy as np

from codesign.checking.certificate.layer_scopes import (
    TENSOR,
    WEIGHT,
    LayerScope,
    Operands,
    Variables,
    Whole,
)
from codesign.checking.cost_model import bops
from codesign.checking.problem import Problem
from codesign.checking.width_problem import most_kept

ADDITIVE_METRICS = ("latency_s", "dram_bits", "noise", "model_bits", "bops")  # what widths change
BOPS_PARTS = 2**40
MOST_IN_64_BITS = 2**61  # so that two can be added
LEAST_ROUNDED = 2**20  # multiplier that is rounded to a whole number
Vector = tuple[int, ...]  # metrics that matter, in their units


class LayerCosts(Protocol):
    """What a layer costs on hardware."""

    def of(
        self, operands: Sequence[Operands], which: Whole, live_bits: Whole
    ) -> tuple[Whole, Whole, Whole]:
        """Cycles, DRAM bits of operands and partial sums, and whether it runs.

        Of each of the operands ``which`` beside so many bits of resident tensors; neither cycles
        nor bits where it does not run.
        """


@dataclass(frozen=True)
class Threshold:
    """What a design must stay within to be better than claimed.

    Attributes
    ----------
    objective : str
    below : Fraction
        The claim: no design within the budgets has a smaller objective.
    limits : mapping of str to Fraction
        The budgets, with their tolerance.
    """

    objective: str
    below: Fraction
    limits: Mapping[str, Fraction]

    @staticmethod
    def of(problem: Problem, below: Fraction) -> Threshold:
        """The claim that no design of a problem has an objective smaller than ``below``."""
        limits = {name: most_kept(x) for name, x in problem.budgets.items()}
        return Threshold(problem.objective, below, limits)


class Units:
    """Whole-number units of the metrics that an objective and budgets make matter.

    Attributes
    ----------
    names : tuple of str
        Those metrics, in the order of `ADDITIVE_METRICS`.
    unit : mapping of str to Fraction
        Of each, in its physical unit.
    cycle, bit : int
        Units of latency that a cycle takes, and a bit moved.
    addends : int
        Tables that are added up at most.
    """

    def __init__(self, problem: Problem, names: Iterable[str]) -> None:
        self.problem = problem
        wanted = set(names)
        self.names = tuple(name for name in ADDITIVE_METRICS if name in wanted)
        clock, rate = problem.clock_hz, problem.dram_bits_per_s
        cycle, bit = clock.denominator * rate.numerator, rate.denominator * clock.numerator
        common = math.gcd(cycle, bit)
        self.cycle, self.bit = cycle // common, bit // common
        network = problem.network
        noises = (
            problem.noise_of(x, b).denominator for x in network.sources for b in problem.allowed(x)
        )
        self.unit = {
            "latency_s": Fraction(common, clock.numerator * rate.numerator),
            "dram_bits": Fraction(1),
            "noise": Fraction(1, math.lcm(*noises)),
            "model_bits": Fraction(1),
            "bops": Fraction(1, BOPS_PARTS),
        }
        self.addends = len(network.layers) + len(network.sources) + len(network.tensors)
        self._noise: dict[tuple[str, int], int] = {}

    def vector(self, **metrics: int) -> Vector:
        """Those of the metrics given that matter."""
        return tuple(metrics.get(name, 0) for name in self.names)

    def noise(self, source: str, bits: int) -> int:
        """Of one source, in its unit."""
        key = source, bits
        if key not in self._noise:
            self._noise[key] = int(self.problem.noise_of(source, bits) / self.unit["noise"])
        return self._noise[key]


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
    runs : bool, shape (entries, choices)
    """

    def __init__(self, units: Units, scope: LayerScope, costs: LayerCosts) -> None:
        live_bits = np.broadcast_to(scope.live_bits[:, None], scope.which.shape)
        cycles, fetched, runs = costs.of(scope.operands, scope.which, live_bits)
        moved = fetched + scope.moved_bits[:, None]
        self.runs = runs
        self.columns = tuple(_column(name, units, scope, cycles, moved) for name in units.names)

    def least(self, multipliers: Multipliers) -> Whole:
        """What each entry costs at least; more than any better design where it does not run."""
        total: Whole = np.zeros(self.runs.shape, dtype=np.int64)
        for factor, column in zip(multipliers.each, self.columns, strict=True):
            if factor:
                term = times(column, factor)
                if int(term.max(initial=0)) + int(total.max(initial=0)) >= MOST_IN_64_BITS:
                    total = total.astype(object)
                total = total + term
        never = multipliers.most + 1
        if multipliers.kind is object:
            total = total.astype(object)
        costs = np.minimum(np.where(self.runs, total, never), never)
        least: Whole = costs.min(axis=1).astype(multipliers.kind)
        return least

    def vectors(self, entry: int) -> list[Vector]:
        """Metrics of each choice that runs."""
        runs = self.runs[entry]
        each = [column[entry][runs].tolist() for column in self.columns]
        return [*zip(*each, strict=True)] if each else [()] * int(runs.sum())


def _column(name: str, units: Units, scope: LayerScope, cycles: Whole, moved: Whole) -> Whole:
    """A metric at each entry of a layer's table."""
    layer = scope.layer
    if name == "latency_s":
        return np.maximum(times(cycles, units.cycle), times(moved, units.bit))
    if name == "dram_bits":
        return moved
    if name == "bops":
        each = (math.floor(bops(layer, x[0], x[1]) * BOPS_PARTS) for x in scope.operands)
    elif not layer.owns_weights:
        each = (0 for _ in scope.operands)
    elif name == "noise":
        each = (units.noise(f"{WEIGHT}{layer.name}", x.weight_bits) for x in scope.operands)
    else:
        each = (layer.weights * x.weight_bits for x in scope.operands)
    table: Whole = whole_numbers(each)[scope.which]
    return table


def whole_numbers(values: Iterable[int]) -> Whole:
    """As an array: of 64 bits where all fit, else of Python's own."""
    listed = list(values)
    fit = all(x < MOST_IN_64_BITS for x in listed)
    return np.array(listed, dtype=np.int64 if fit else object)


def times(values: Whole, factor: int) -> Whole:
    """Whole numbers of at least 0 times another, in 64 bits where they fit."""
    if int(values.max(initial=1)) * factor >= MOST_IN_64_BITS:
        values = values.astype(object)
    return values * factor


def own_vectors(units: Units, variables: Variables, variable: int) -> list[Vector]:
    """Metrics of a variable alone, at each of its values: the noise of its tensors."""
    tensors = [x for x in variables.members[variable] if x.startswith(TENSOR)]
    return [
        units.vector(noise=sum(units.noise(x, bits) for x in tensors))
        for bits in variables.domains[variable]
    ]
