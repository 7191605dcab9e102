"""What widths cost at given multipliers: every layer's table, in whole numbers.

Each metric is counted in a unit that makes its values whole: latency in ``1/(clock·bandwidth)``
parts of a second (numerators), noise in the common denominator of its table, bit operations in
``2^-40``, their logarithm rounded down. Multipliers are fractions; times a common denominator they
are whole numbers too. So every sum and comparison is exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import compress, product, starmap
from operator import mul

from codesign.checking.certificate.width_variables import LayerScope, WidthVariables
from codesign.checking.cost_model import bops
from codesign.checking.problem import Problem
from codesign.checking.width_problem import most_kept

ADDITIVE_METRICS = ("latency_s", "dram_bits", "noise", "model_bits", "bops")  # what widths change
BOPS_PARTS = 2**40
Vector = tuple[int, ...]  # metrics that matter, in their units
WidthCosts = Mapping[
    tuple[int, int], tuple[int, int] | None
]  # cycles and traffic of operand widths


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
        Those metrics, in the order of `PRICED`.
    unit : mapping of str to Fraction
        Of each, in its physical unit.
    cycle, bit : int
        Units of latency that a cycle takes, and a bit moved.
    """

    def __init__(self, problem: Problem, names: Iterable[str]) -> None:
        self.problem = problem
        wanted = set(names)
        self.names = tuple(name for name in ADDITIVE_METRICS if name in wanted)
        clock, rate = problem.clock_hz, problem.dram_bits_per_s
        self.cycle = clock.denominator * rate.numerator
        self.bit = rate.denominator * clock.numerator
        sources = problem.network.sources
        noises = (problem.noise_of(x, b).denominator for x in sources for b in problem.allowed(x))
        self.unit = {
            "latency_s": Fraction(1, clock.numerator * rate.numerator),
            "dram_bits": Fraction(1),
            "noise": Fraction(1, math.lcm(*noises)),
            "model_bits": Fraction(1),
            "bops": Fraction(1, BOPS_PARTS),
        }
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
    above it where the objective has no multiplier. Both in whole multiples of a common unit.

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
        each = [used.get(name, Fraction(0)) * units.unit[name] for name in units.names]
        scale = math.lcm(*(multiplier.denominator for multiplier in each))
        most = scale * sum((used[name] * limits[name] for name in used), Fraction(0))
        self.each = tuple(int(multiplier * scale) for multiplier in each)
        self.most = math.floor(most)
        if threshold.objective in used and self.most == most:  # whole values below, not at most
            self.most -= 1

    def of(self, vector: Vector) -> int:
        """What a vector of metrics costs."""
        return sum(map(mul, self.each, vector))


def layer_vectors(units: Units, scope: LayerScope, pairs: WidthCosts) -> list[list[Vector]]:
    """Metrics of a layer at each of its keys, one for each choice of operands that runs."""
    layer, owns = scope.layer, scope.layer.owns_weights
    matter = [name in units.names for name in ADDITIVE_METRICS]
    counted = "bops" in units.names
    known: dict[tuple[int, int], tuple[int, ...]] = {}

    def operands(bw: int, ba: int) -> tuple[int, ...]:
        """What further bits do not change; nothing where the widths do not run."""
        if (bw, ba) not in known:
            cycles, moved = pairs.get((bw, ba)) or (-1, 0)
            known[bw, ba] = (
                ()
                if cycles < 0
                else (
                    cycles * units.cycle,
                    moved,
                    units.noise(f"weight:{layer.name}", bw) if owns else 0,
                    layer.weights * bw if owns else 0,
                    math.floor(bops(layer, bw, ba) * BOPS_PARTS) if counted else 0,
                )
            )
        return known[bw, ba]

    found = []
    for bw_given, ba_given, further in scope.keys:
        weights = scope.free_weights if bw_given is None else (bw_given,)
        inputs = scope.free_inputs if ba_given is None else (ba_given,)
        vectors = []
        for each in starmap(operands, product(weights, inputs)):
            if each:
                compute, moved, *others = each
                moved += further
                metrics = max(compute, moved * units.bit), moved, *others
                vectors.append((*compress(metrics, matter),))
        found.append(vectors)
    return found


def own_vectors(units: Units, variables: WidthVariables, variable: int) -> list[Vector]:
    """Metrics of a variable alone, at each of its widths: the noise of its tensors."""
    tensors = [x for x in variables.members[variable] if x.startswith("tensor:")]
    return [
        units.vector(noise=sum(units.noise(x, bits) for x in tensors))
        for bits in variables.domains[variable]
    ]
