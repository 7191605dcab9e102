"""Plain enumeration of every design of a tiny problem on an FPGA.

By the oracle of silicon, on which all but the hardware's own metrics is the same: with SRAM of as
many whole blocks as the largest design needs. What hardware takes of an FPGA is counted here.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import oracle

from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.specs.technology import AreaFit, Technology

METRICS = ("latency_s", "lut", "dsp", "bram", "dram_bits", "noise", "model_bits", "bops")


class Point(NamedTuple):
    """A design: its metrics on the FPGA, and the enumerated one."""

    metrics: Mapping[str, float]
    made: oracle.Point

    def value(self, metric: str) -> float:
        """One of its metrics."""
        return self.metrics[metric]


def random_fpga(rng: random.Random, most_bits: int, engine: int) -> Fpga:
    """One around that of FINN, of few blocks where a design needs so many bits at most."""
    return Fpga(
        name="random",
        multipliers=rng.choice(("lut", "dsp")),
        engine=engine,
        base_lut=rng.choice((0.0, 300.0, rng.uniform(0, 1000))),
        lut_factor=rng.uniform(0.5, 2),
        accumulator_bits=rng.choice((8, 32)),
        dsp_bits=rng.choice((8, 12, 48)),
        bram_bits=max(2, most_bits // rng.randint(1, 8)),
        accumulators=rng.choice(("pe", "column")),
    )


def on_fpga(rng: random.Random, problem: Problem) -> Problem | None:
    """The problem without budgets on some FPGA; None where it has no designs."""
    free = replace(problem.choices, sram_bits=(), min_sram_bits=None, max_sram_bits=None)
    free_of = replace(problem, choices=free, budgets={}, quality=None, objective="latency_s")
    points = oracle.all_points(free_of)
    if not points:
        return None
    most_bits = max(point.sram_bits for point in points)
    fpga = random_fpga(rng, most_bits, problem.technology.engine)
    limits = {}
    if rng.random() < 0.3:
        limits["max_sram_bits"] = max(1, round(most_bits * rng.uniform(0.3, 1.5)))
    if rng.random() < 0.2:
        limits["min_sram_bits"] = rng.randint(1, limits.get("max_sram_bits", most_bits))
    return replace(free_of, technology=fpga, choices=replace(free, **limits))


def all_points(problem: Problem) -> list[Point]:
    """Every design, whatever the budgets."""
    fpga, choices = problem.technology, problem.choices
    assert isinstance(fpga, Fpga)
    flat = AreaFit(slope=1.0, intercept=1.0)
    silicon = Technology(
        name="any", pe_area_um2=flat, sram_fits={"any": flat}, sram="any", engine=fpga.engine
    )
    free = replace(choices, sram_bits=(), min_sram_bits=None, max_sram_bits=None)
    twin = replace(
        problem, technology=silicon, budgets={}, quality=None, objective="latency_s", choices=free
    )
    most_bits = max((point.sram_bits for point in oracle.all_points(twin)), default=0)
    block, least = fpga.bram_bits, choices.min_sram_bits or 1
    most = choices.max_sram_bits or max(most_bits, least) + block
    sizes = [n * block for n in range(1, most // block + 1) if n * block >= least]
    if not sizes:
        return []
    twin = replace(twin, choices=replace(free, sram_bits=tuple(sizes)))
    return [Point(_metrics(problem, fpga, point), point) for point in oracle.all_points(twin)]


def _metrics(problem: Problem, fpga: Fpga, point: oracle.Point) -> dict[str, float]:
    rows, cols, bw, ba = point.hardware[:4]
    pes, bits = rows * cols, bw + ba
    thirds = (bits + 5) // 6
    lanes, elements = (fpga.engine, pes)
    if fpga.accumulators == "column":
        lanes, elements = fpga.engine * rows, cols
    lut = bits * (2 * lanes - 1) + fpga.accumulator_bits
    dsp = 0
    if fpga.multipliers == "lut":
        lut += lanes * (thirds + thirds - 1) * bits
    else:
        dsp = fpga.engine * ((bits + fpga.dsp_bits - 1) // fpga.dsp_bits)
    assert point.sram_bits % fpga.bram_bits == 0
    return {
        **{x: point.value(x) for x in METRICS if x in oracle.METRICS},
        "lut": fpga.base_lut + problem.area_overhead * fpga.lut_factor * lut * elements,
        "dsp": float(dsp * pes),
        "bram": float(point.sram_bits // fpga.bram_bits),
    }


def with_goal(rng: random.Random, problem: Problem, points: Sequence[Point]) -> Problem:
    """Some objective, and budgets around a design or a little out of reach."""
    objective = rng.choice(("latency_s", "latency_s", "lut", "dsp", "bram", "dram_bits", "noise"))
    anchor = rng.choice(sorted(points, key=lambda x: x.value("latency_s"))[: 1 + len(points) // 3])
    names = rng.sample(METRICS, rng.choice((0, 1, 1, 2, 2, 3, 4)))
    slack = rng.choice((1.0, 1.0, 1.2, 0.97))
    budgets = {name: anchor.value(name) * slack for name in names}
    return replace(
        problem, objective=objective, budgets={x: most for x, most in budgets.items() if most > 0}
    )


def within(points: Iterable[Point], budgets: Mapping[str, float]) -> list[Point]:
    """The designs that keep every budget."""
    most = {name: x * (1 + oracle.TOLERANCE) for name, x in budgets.items()}
    return [x for x in points if all(x.value(name) <= most[name] for name in most)]


def best(points: Iterable[Point], problem: Problem) -> Point | None:
    """The design of least objective, then LUTs, then block RAMs, then noise; None if none is."""
    left = within(points, problem.budgets)
    for metric in (problem.objective, "lut", "bram", "noise"):
        if left:
            left = within(left, {metric: min(point.value(metric) for point in left)})
    return left[0] if left else None
