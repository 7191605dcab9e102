"""NSGA-II of pymoo on the same cost tables, with operators for integers and without loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from encoding import AREA, FINE, HARDWARE, WIDTHS, Bools, Encoding
from population import Floats, Ints
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population as Individuals
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling

Random = np.random.Generator


@dataclass(frozen=True)
class Tuning:
    """What was tuned.

    Attributes
    ----------
    size : int
        Of the population, and of each generation.
    crossover : float
        Share of offspring that are crossed at all; each gene then comes from either parent.
    mutated : float
        Genes mutated per offspring, on average.
    reset : float
        Share of mutations that draw a gene afresh; the others move it by one.
    hardware : float
        Weight of a hardware gene among those mutated, relative to a width.
    logarithmic : bool
        Crowding is measured on logarithms of the objectives.
    """

    size: int = 100
    crossover: float = 0.9
    mutated: float = 1.5
    reset: float = 0.1
    hardware: float = 2.0
    logarithmic: bool = False


class Designs(Problem):
    """Metrics of a population of genes, within its limits by repair."""

    def __init__(self, encoding: Encoding, objectives: tuple[str, ...], logarithmic: bool) -> None:
        self.encoding, self.objectives, self.logarithmic = encoding, objectives, logarithmic
        highest = encoding.highest
        super().__init__(
            n_var=len(highest), n_obj=len(objectives), xl=0 * highest, xu=highest, vtype=int
        )

    def _evaluate(self, x: Ints, out: dict[str, Floats], *_: object, **__: object) -> None:
        metrics = self.encoding.price(x)
        self.encoding.check(metrics)
        values = np.column_stack([metrics[name] for name in self.objectives])
        out["F"] = np.log(values) if self.logarithmic else values


class Seeds(Sampling):
    """Designs with one width everywhere, on arrays and silicon drawn at random, a few disturbed."""

    def _do(self, problem: Designs, n_samples: int, *, random_state: Random, **_: object) -> Ints:
        highest = problem.encoding.highest
        genes = random_state.integers(0, highest + 1, size=(n_samples, len(highest)))
        genes[:, WIDTHS:] = random_state.integers(0, highest[WIDTHS] + 1, size=(n_samples, 1))
        genes[:, 2:HARDWARE] = highest[2:HARDWARE]  # PEs are priced at their widest operand
        return problem.encoding.repaired(genes)


class IntegerMating(InfillCriterion):
    """Binary tournament, uniform crossover and small steps, on whole populations at a time.

    The selection is pymoo's for NSGA-II (dominance, then crowding); its own loops over individuals.
    """

    def __init__(self, tuning: Tuning, highest: Ints, **further: object) -> None:
        super().__init__(**further)
        self.tuning, self.highest = tuning, highest
        weight = np.ones(len(highest))
        weight[: AREA + 1] = tuning.hardware
        self.mutation_rate = tuning.mutated * weight / weight.sum()

    def _do(
        self,
        problem: Designs,
        pop: Individuals,
        n_offsprings: int,
        *,
        random_state: Random,
        **_: object,
    ) -> Individuals:
        genes = pop.get("X")
        mothers = genes[self._winners(pop, n_offsprings, random_state)]
        fathers = genes[self._winners(pop, n_offsprings, random_state)]
        crossed = random_state.random(n_offsprings) < self.tuning.crossover
        swap = random_state.random(mothers.shape) < 0.5
        children = np.where(swap & crossed[:, None], fathers, mothers)
        children = self._mutated(children, random_state)
        return Individuals.new("X", problem.encoding.repaired(children))

    def _winners(self, pop: Individuals, count: int, random: Random) -> Ints:
        first, second = random.integers(0, len(pop), size=(2, count))
        values, crowding = pop.get("F"), pop.get("crowding").astype(float)
        better = _dominates(values[first], values[second])
        worse = _dominates(values[second], values[first])
        alike = ~better & ~worse
        better |= alike & (crowding[first] > crowding[second])
        better |= alike & (crowding[first] == crowding[second]) & (random.random(count) < 0.5)
        return np.where(better, first, second)

    def _mutated(self, genes: Ints, random: Random) -> Ints:
        hit = random.random(genes.shape) < self.mutation_rate
        fresh = random.integers(0, self.highest + 1, size=genes.shape)
        step = np.ones(genes.shape, dtype=np.int64)
        step[:, AREA] = 1 + random.geometric(8 / FINE, size=len(genes))
        sign = np.where(random.random(genes.shape) < 0.5, -1, 1)
        reset = random.random(genes.shape) < self.tuning.reset
        moved = np.clip(genes + sign * step, 0, self.highest)
        return np.where(hit, np.where(reset, fresh, moved), genes)


def _dominates(a: Floats, b: Floats) -> Bools:
    return np.asarray((a <= b).all(axis=1) & (a < b).any(axis=1))


@dataclass(frozen=True)
class Run:
    """All a run evaluated.

    Attributes
    ----------
    seconds : floats, shape (generations,)
        Since the start, at the end of each generation.
    counts : ints, shape (generations,)
        Designs evaluated until then.
    values : floats, shape (designs, objectives)
        In the order they were evaluated.
    """

    seconds: Floats
    counts: Ints
    values: Floats


def evolve(
    encoding: Encoding,
    objectives: tuple[str, ...],
    tuning: Tuning,
    seed: int,
    limit_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Run:
    """Run NSGA-II for so many seconds; the clock starts with the first population."""
    problem = Designs(encoding, objectives, tuning.logarithmic)
    algorithm = NSGA2(
        pop_size=tuning.size,
        sampling=Seeds(),
        mating=IntegerMating(tuning, encoding.highest, eliminate_duplicates=None),
        seed=seed,
    )
    algorithm.setup(problem, termination=("n_gen", 10**9), verbose=False)
    started = clock()
    seconds, values = [], []
    while not seconds or seconds[-1] < limit_s:
        infills = algorithm.infill()
        algorithm.evaluator.eval(problem, infills, algorithm=algorithm)
        values.append(infills.get("F"))
        algorithm.advance(infills=infills)
        seconds.append(clock() - started)
    counts = np.cumsum([len(rows) for rows in values])
    found = np.concatenate(values)
    return Run(np.array(seconds), counts, np.exp(found) if tuning.logarithmic else found)
