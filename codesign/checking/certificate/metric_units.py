"""Which metrics matter, in which whole-number units, and what each layer counts for in them.

Each metric is counted in a unit that makes its values whole: latency in the largest that divides
the time of a cycle and that of a bit moved (and, where a share of one adds to the other, these
shares), noise in the common denominator of its table, bit
operations in ``2^-40``, their logarithm rounded down; energy, rounded down, in a unit that is small
beside what a better design may spend. Of a suite there are metrics of each member, as in
``latency_s@resnet18``, and sums over all in which each counts with its weight (of noise and model
size once): whole multiples of a smaller unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.run_costs import ROOF_SHARES
from codesign.checking.certificate.whole_numbers import Whole, times
from codesign.checking.problem import REGRET, Problem
from codesign.checking.technology import ENERGY
from codesign.checking.width_problem import most_kept

KINDS = ("latency_s", "dram_bits", "noise", "model_bits", "bops", ENERGY)  # that add up over layers
ONCE = ("noise", "model_bits")  # of which a suite has that of each member once
BOPS_PARTS = 2**40
Vector = tuple[Any, ...]  # metrics that matter, in their units; behind them parts of runs


@dataclass(frozen=True)
class Threshold:
    """What a design must stay within to be better than claimed.

    Attributes
    ----------
    objective : str
    below : Fraction
        The claim: no design within the budgets has a smaller objective.
    limits : mapping of str to Fraction
        The budgets, with their tolerance. Where regret is the objective also what each member has
        at the most in a design of less.
    """

    objective: str
    below: Fraction
    limits: Mapping[str, Fraction]

    def most(self, name: str) -> Fraction | None:
        """The most that a better design has of a metric; None where nothing limits it."""
        every = [self.limits[name]] if name in self.limits else []
        every += [self.below] if name == self.objective else []
        return min(every, default=None)

    @staticmethod
    def of(problem: Problem, below: Fraction) -> Threshold:
        """The claim that no design of a problem has an objective smaller than ``below``."""
        limits = {name: most_kept(x) for name, x in problem.budgets.items()}
        if problem.objective == REGRET:
            for name, best in problem.references.items():
                most = below * best if best else max(below - 1, Fraction(0))
                limits[name] = min(limits.get(name, most), most)
        return Threshold(problem.objective, below, limits)


class Units:
    """Whole-number units of the metrics that an objective and limits make matter.

    Attributes
    ----------
    names : tuple of str
        Those metrics: of all in the order of `KINDS`, then those of members.
    kinds : tuple of str
        Those that they are of.
    unit : mapping of str to Fraction
        Of each metric, in its physical unit.
    of_kind : mapping of str to Fraction
        Of what a layer has of each kind.
    counts : mapping of str to tuple of int
        For each metric, by the member, units of it that one of the kind's makes; of a network by
        itself there is one, who counts once.
    member_of : tuple of int
        For each layer.
    cycle, bit : int
        Units of latency that a cycle takes, and a bit moved, where the other adds nothing. Where
        the SRAM's port has a rate, a cycle is that of a bit there.
    port_bits : int or None
        Of a cycle; None where the port takes no time.
    exposed_cycle, exposed_bit : int
        What they add where the other takes longer.
    dram_bit : int
        Units of DRAM traffic that a bit is.
    addends : int
        Tables that are added up at most.
    energy : EnergyCosts or None
        None where no energy matters.
    """

    def __init__(
        self, problem: Problem, names: Iterable[str], energy: EnergyCosts | None = None
    ) -> None:
        self.problem, self.energy = problem, energy
        wanted = {*names}
        network = problem.network
        shares = [f"{x}@{member.name}" for x in KINDS for member in network.members]
        self.names = tuple(name for name in (*KINDS, *shares) if name in wanted)
        self.kinds = tuple(dict.fromkeys(map(kind_of, self.names)))
        self.of_kind = self._units_of_kinds()
        if energy is not None:
            self.of_kind[ENERGY] = energy.unit
        self.addends = len(network.layers) + len(network.sources) + len(network.tensors)
        self.member_of: tuple[int, ...] = (0,) * len(network.layers)
        if network.members:
            self.member_of = tuple(m for m, x in enumerate(network.members) for _ in x.layers)
        self._of_tensor = {
            name: self.member_of[n]
            for n, layer in enumerate(network.layers)
            for name in (*layer.reads, layer.output)
        }
        self.counts: dict[str, tuple[int, ...]] = {}
        self.unit: dict[str, Fraction] = {}
        for name in self.names:
            self.counts[name], parts = self._counts(name)
            self.unit[name] = self.of_kind[kind_of(name)] * parts
        self._noise: dict[tuple[str, int], int] = {}

    def _units_of_kinds(self) -> dict[str, Fraction]:
        problem = self.problem
        rate, self.port_bits = problem.dram_bits_per_s, problem.choices.machine.port_bits
        clock = problem.clock_hz * (self.port_bits or 1)
        cycle, bit = clock.denominator * rate.numerator, rate.denominator * clock.numerator
        common = math.gcd(cycle, bit)
        shares = ROOF_SHARES if problem.choices.fused_layers > 1 else 1
        exposed = problem.choices.machine.exposed
        whole = shares * exposed.denominator
        self.cycle, self.bit = cycle // common * whole, bit // common * whole
        self.exposed_cycle, self.exposed_bit = (int(x * exposed) for x in (self.cycle, self.bit))
        self.dram_bit = shares
        sources = problem.network.sources
        noises = (problem.noise_of(x, b).denominator for x in sources for b in problem.allowed(x))
        return {
            "latency_s": Fraction(common, clock.numerator * rate.numerator * whole),
            "dram_bits": Fraction(1, shares),
            "noise": Fraction(1, math.lcm(*noises)),
            "model_bits": Fraction(1),
            "bops": Fraction(1, BOPS_PARTS),
        }

    def _counts(self, name: str) -> tuple[tuple[int, ...], Fraction]:
        """What each member counts for in a metric, and the unit in which it does."""
        members, (kind, _, whose) = self.problem.network.members, name.partition("@")
        if whose or kind in ONCE or not members:
            every = [x.name for x in members] or [""]
            return tuple(int(not whose or x == whose) for x in every), Fraction(1)
        weights = [x.weight for x in members]
        divisor = math.lcm(*(x.denominator for x in weights))
        each = [int(x * divisor) for x in weights]
        common = math.gcd(*each)
        return tuple(x // common for x in each), Fraction(common, divisor)

    def roofs(self, cycles: Whole, bits: Whole) -> tuple[Whole, Whole]:
        """Latency by the cycles and by the bits, each with what of the other adds."""
        of_cycles, of_bits = times(cycles, self.cycle), times(bits, self.bit)
        if self.exposed_cycle:
            of_cycles = of_cycles + times(bits, self.exposed_bit)
            of_bits = of_bits + times(cycles, self.exposed_cycle)
        return of_cycles, of_bits

    def count(self, name: str, number: int) -> int:
        """Units of a metric that one of its kind of a layer makes.

        Weights that several members use are in the size of each, and once in that of the whole.
        """
        once = name == "model_bits" and not self.problem.network.layers[number].owns_weights
        return 0 if once else self.counts[name][self.member_of[number]]

    def nothing(self) -> Vector:
        """None of any metric."""
        return (0,) * len(self.names)

    def noise(self, source: str, bits: int) -> int:
        """Of one source, in its unit."""
        key = source, bits
        if key not in self._noise:
            self._noise[key] = int(self.problem.noise_of(source, bits) / self.of_kind["noise"])
        return self._noise[key]

    def noises(self, tensors: Iterable[str], bits: int) -> Vector:
        """Metrics of some tensors alone: their noise."""
        if "noise" not in self.kinds:
            return self.nothing()
        of_members = [0] * max(len(self.problem.network.members), 1)
        for source in tensors:
            of_members[self._of_tensor[source.partition(":")[2]]] += self.noise(source, bits)
        return tuple(
            sum(count * x for count, x in zip(self.counts[name], of_members, strict=True))
            if kind_of(name) == "noise"
            else 0
            for name in self.names
        )

    def price(self, prices: Mapping[str, Fraction], kind: str, layer: int) -> Fraction:
        """What prices of metrics make of a layer's cost of a kind, in its physical unit."""
        member, found = self.member_of[layer], Fraction(0)
        for name in self.names:
            if kind_of(name) == kind and name in prices:
                found += prices[name] * self.counts[name][member] * self.unit[name]
        return found / self.of_kind[kind]


def kind_of(name: str) -> str:
    """The metric that one of a member is the share of."""
    return name.partition("@")[0]
