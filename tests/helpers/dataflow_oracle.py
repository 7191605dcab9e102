"""Plain enumeration of every pipeline of a tiny problem: the truth the product is held to.

Written from the model's page alone; it imports nothing that prices, bounds or searches. Every
assignment of widths, every stage of every layer (mapping, array, weights on chip or streamed, rows
of a band) and every set of FIFOs that may be is looked at. Three shortcuts are taken: of the stages
of a layer that are equally far behind, at the same widths, and of several layers together, only
those are kept to which no others are as good in cycles, hardware, DRAM bits and energy (all metrics
are sums or maxima of these); and where nothing waits longer than it has to at the earliest starts,
no later ones are looked at.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import product
from typing import NamedTuple, TypeVar

from oracle import width_metrics
from oracle_stages import Priced, lag, memory_cost, price, stages_on_offer
from oracle_stages import bands as bands
from oracle_waits import Corner, Read, blocks, corners, network_reads
from oracle_widths import all_widths, layer_widths, results, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga

TOLERANCE = 1e-9  # relative, on budgets and on ties

Waits = list[list[Corner]]


class Base(NamedTuple):
    """Stages of all layers, but when they start: what adds up, and the most cycles."""

    cycles: float
    dram_bits: float
    hardware: tuple[float, ...]
    energy_j: float
    stages: tuple[Priced, ...]

    @property
    def costs(self) -> tuple[float, ...]:
        """All that is better smaller."""
        return self.cycles, self.dram_bits, *self.hardware, self.energy_j


Cost = TypeVar("Cost", Priced, Base)


class Group(NamedTuple):
    """Pipelines of the same widths and lags.

    Attributes
    ----------
    waits : list of list of Corner
        As of `corners`; on an FPGA of one each, whose bits are block RAMs.
    reads : sequence of Read, optional
        Of which FIFOs are numbered; by default those of the network.
    """

    widths: Mapping[str, int]
    of_widths: tuple[float, float, float]
    waits: Waits
    bases: list[Base]
    reads: Sequence[Read] | None = None


class Point(NamedTuple):
    """The best of some designs: its metrics, and what it is made of."""

    metrics: Mapping[str, float]
    widths: Mapping[str, int]
    base: Base
    starts: tuple[Fraction, ...]


def names(problem: Problem) -> tuple[str, ...]:
    """Metrics of the hardware."""
    return problem.technology.hardware_metrics


def all_groups(problem: Problem) -> list[Group]:
    """Every pipeline, whatever the budgets."""
    network, found = problem.network, []
    offered = [list(stages_on_offer(problem, layer)) for layer in network.layers]
    every = list(zip(network.layers, offered, strict=True))
    reads, waits = network_reads(network), dict[object, Waits]()
    behind = [sorted({lag(x, stage.band_rows) for stage in of}) for x, of in every]

    @cache
    def priced(n: int, bw: int, ba: int, late: Fraction) -> list[Priced]:
        layer, of = every[n]
        here = [stage for stage in of if lag(layer, stage.band_rows) == late]
        return undominated([price(problem, layer, stage, bw, ba) for stage in here])

    for widths in all_widths(problem):
        bits = {name: tensor_bits(problem, widths, name) for name in network.tensors}
        of_widths = width_metrics(problem, widths)
        for lags in product(*behind):
            each = [
                priced(n, *layer_widths(layer, widths), late)
                for n, (layer, late) in enumerate(zip(network.layers, lags, strict=True))
            ]
            at = lags, tuple(bits[x.tensor] for x in reads)
            if at not in waits:
                waits[at] = waits_of(problem, reads, lags, bits)
            found.append(Group(widths, of_widths, waits[at], _bases(problem, each, bits)))
    return found


def waits_of(
    problem: Problem, reads: Sequence[Read], lags: Sequence[Fraction], bits: Mapping[str, int]
) -> Waits:
    if not isinstance(problem.technology, Fpga):
        return corners(reads, lags, bits)
    return [[corner] for corner in blocks(reads, lags, bits, problem.technology.bram_bits)]


def _bases(
    problem: Problem, each: Sequence[Sequence[Priced]], bits: Mapping[str, int]
) -> list[Base]:
    network = problem.network
    written = {layer.output for layer in network.layers}
    edges = {*results(network), *(set(network.tensors) - written)}
    moved = float(sum(network.tensors[x] * bits[x] for x in edges))
    return bases_from(Base(0, moved, (0.0,) * len(names(problem)), 0.0, ()), each)


def bases_from(nothing: Base, each: Sequence[Sequence[Priced]]) -> list[Base]:
    """All choices of one of each, upon what there is without any, to which no other is as good."""
    left = [nothing]
    for stages in each:
        grown = [
            Base(
                max(base.cycles, stage.cycles),
                base.dram_bits + stage.dram_bits,
                tuple(a + b for a, b in zip(base.hardware, stage.hardware, strict=True)),
                base.energy_j + stage.energy_j,
                (*base.stages, stage),
            )
            for base in left
            for stage in stages
        ]
        left = undominated(grown)
    return left


def undominated(found: Iterable[Cost]) -> list[Cost]:
    """Those to which no other is as good in all; of equal ones one."""
    kept: list[Cost] = []
    for one in sorted(found, key=lambda x: x.costs):
        if not any(all(map(operator.le, x.costs, one.costs)) for x in kept):
            kept.append(one)
    return kept


# --- questions about the enumerated pipelines -----------------------------------------------------


def best(problem: Problem, groups: Sequence[Group]) -> Point | None:
    """The design of least objective, then hardware, then noise; None where no design is left."""
    order = (problem.objective, *(x for x in names(problem) if x != "dsp"), "noise")
    left = list(_candidates(problem, groups, problem.budgets, order[0]))
    for metric in order:
        if not left:
            return None
        least = min(point.metrics[metric] for point in left)
        left = [x for x in left if x.metrics[metric] <= least * (1 + TOLERANCE)]
    return left[0]


def least(
    problem: Problem, groups: Sequence[Group], metric: str, budgets: Mapping[str, float]
) -> float | None:
    """Smallest value of a metric within budgets; None where no design keeps them."""
    every = _candidates(problem, groups, budgets, metric)
    return min((point.metrics[metric] for point in every), default=None)


def _candidates(
    problem: Problem, groups: Iterable[Group], budgets: Mapping[str, float], metric: str
) -> Iterator[Point]:
    """Of each pipeline and set of FIFOs the best within budgets."""
    limits = {name: limit * (1 + TOLERANCE) for name, limit in budgets.items()}
    for group in groups:
        if group.of_widths[0] > limits.get("noise", math.inf):
            continue
        for base in group.bases:
            for path in group.waits:
                metrics, starts = _within(problem, group, base, path, limits, metric)
                if metrics is not None and all(metrics[x] <= most for x, most in limits.items()):
                    yield Point(metrics, group.widths, base, starts)


def _within(
    problem: Problem,
    group: Group,
    base: Base,
    path: Sequence[Corner],
    limits: Mapping[str, float],
    metric: str,
) -> tuple[dict[str, float] | None, tuple[Fraction, ...]]:
    """Metrics at the corner, or between two, that is best."""
    every = [metrics_of(problem, group, base, corner) for corner in path]
    deepest = limits.get("latency_s", math.inf)
    if metric != "latency_s":  # as little as the latency lets wait
        for n in reversed(range(len(path))):
            if every[n]["latency_s"] <= deepest:
                if n + 1 < len(path):
                    within = deepest / (1 + TOLERANCE)
                    share = _share(every[n]["latency_s"], every[n + 1]["latency_s"], within)
                    return _between(problem, group, base, path, n, share)
                return every[n], path[n].starts
        return None, ()
    kept = [x for x in limits if x != "latency_s"]
    for n, metrics in enumerate(every):  # as shallow as the rest allows
        if all(metrics[x] <= limits[x] for x in kept):
            if n == 0:
                return metrics, path[0].starts
            before = every[n - 1]
            over = [x for x in kept if before[x] > limits[x]]
            share = max(_share(before[x], metrics[x], limits[x] / (1 + TOLERANCE)) for x in over)
            return _between(problem, group, base, path, n - 1, min(1.0, share))
    return None, ()


def _share(low: float, high: float, at: float) -> float:
    return max(0.0, (at - low) / (high - low)) if high != low else 0.0


def _between(
    problem: Problem, group: Group, base: Base, path: Sequence[Corner], n: int, share: float
) -> tuple[dict[str, float], tuple[Fraction, ...]]:
    a, b, part = path[n], path[n + 1], Fraction(min(1.0, share))
    depth, bits = a.depth + part * (b.depth - a.depth), a.bits + part * (b.bits - a.bits)
    starts = tuple(x + part * (y - x) for x, y in zip(a.starts, b.starts, strict=True))
    fifos = {0: a.fifos, 1: b.fifos}.get(part, tuple({*a.fifos, *b.fifos}))
    return metrics_of(problem, group, base, Corner(depth, bits, fifos, starts)), starts


def metrics_of(problem: Problem, group: Group, base: Base, at: Corner) -> dict[str, float]:
    """Metrics of one pipeline."""
    interval_s = max(base.cycles / problem.clock_hz, base.dram_bits / problem.dram_bits_per_s)
    noise, model_bits, bops = group.of_widths
    hardware = dict(zip(names(problem), base.hardware, strict=True))
    if isinstance(problem.technology, Fpga):
        hardware["bram"] += float(at.bits)
    else:
        (empty,), (full,) = memory_cost(problem, 0.0), memory_cost(problem, float(at.bits))
        hardware["area_mm2"] += full + empty * (len(at.fifos) - 1)
    found = {
        "interval_s": interval_s,
        "latency_s": interval_s * float(1 + at.depth),
        **hardware,
        "dram_bits": base.dram_bits,
        "noise": noise,
        "model_bits": model_bits,
        "bops": bops,
    }
    given, per_bit = problem.technology.energy, problem.dram_energy_j_per_bit
    if given is not None and per_bit is not None:
        reads = group.reads or network_reads(problem.network)
        through = sum(
            reads[i].elements * tensor_bits(problem, group.widths, reads[i].tensor)
            for i in at.fifos
        )
        fifos_j = float(through) * (given.sram_read_j_per_bit + given.sram_write_j_per_bit)
        static_w = (given.static_w or 0) + (given.static_w_per_mm2 or 0) * found["area_mm2"]
        dram_j = base.dram_bits * per_bit
        found["energy_j"] = base.energy_j + fifos_j + dram_j + static_w * interval_s
    return found
