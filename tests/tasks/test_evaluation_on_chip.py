"""On a given accelerator, the tensors that stay on chip are the best of the enumerated ones."""

from __future__ import annotations

import random
from dataclasses import replace

import oracle
import pytest
from random_on_chip import KINDS, on_chip_case
from seeds import check_all, half_long

from codesign import Accelerator, Problem, SpecError, evaluate

BLOCK = 100
LONG_BLOCKS = range(1000, 1600, BLOCK)  # the first seed of each


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", half_long(range(6)))
def test_least_latency_then_least_traffic(kind: str, seed: int) -> None:
    compare(kind, seed)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_least_latency_then_least_traffic_long(kind: str, first: int) -> None:
    check_all(range(first, first + BLOCK), lambda seed: compare(kind, seed))


def compare(kind: str, seed: int) -> None:
    """Evaluate the hardware and widths of any one design, with as much SRAM or a bit less."""
    rng = random.Random(f"evaluated {kind} {seed}")
    problem, points = on_chip_case(seed, kind)
    if not points:
        return
    chosen = rng.choice(points)
    sram_bits = max(1, chosen.sram_bits - rng.choice((0, 0, 1, 7)))
    given = with_given(problem, chosen, sram_bits)
    designs = oracle.all_points(given)
    latency_s = oracle.least(designs, "latency_s", {})
    places = problem.choices.places
    how = {"output_bits": problem.choices.output_bits, "on_chip": "tensors", "places": places}
    if latency_s is None:
        with pytest.raises(SpecError):
            evaluate(problem.network, accelerator(given), chosen.widths, **how)
        return
    found = evaluate(problem.network, accelerator(given), chosen.widths, **how)
    assert found.metrics["latency_s"] == pytest.approx(latency_s, rel=1e-12)
    least_bits = oracle.least(designs, "dram_bits", {"latency_s": latency_s})
    assert found.metrics["dram_bits"] == least_bits
    kept = {name for name, place in found.on_chip.items() if place == "chip"}
    assert kept in {point.on_chip for point in designs}
    held = [row.sram_bits + row.resident_bits for row in found.layer_designs]
    assert max(held) <= sram_bits


def with_given(problem: Problem, chosen: oracle.Point, sram_bits: int) -> Problem:
    """The same with the hardware and the widths of one design, and so much SRAM."""
    hardware = chosen.hardware
    choices = replace(
        problem.choices,
        rows=(hardware.rows,),
        cols=(hardware.cols,),
        square=False,
        pe_weight_bits=(hardware.pe_weight_bits,),
        pe_activation_bits=(hardware.pe_activation_bits,),
        pinned=chosen.widths,
        sram_bits=(sram_bits,),
        min_sram_bits=None,
        max_sram_bits=None,
    )
    return replace(problem, choices=choices, quality=None, budgets={})


def accelerator(problem: Problem) -> Accelerator:
    """The one accelerator that a problem leaves."""
    choices = problem.choices
    return Accelerator(
        name="given",
        rows=choices.rows[0],
        cols=choices.cols[0],
        engine=problem.technology.engine,
        pe_weight_bits=choices.pe_weight_bits[0],
        pe_activation_bits=choices.pe_activation_bits[0],
        precision=choices.precision,
        clock_hz=problem.clock_hz,
        sram_bits=choices.sram_bits[0],
        dram_bits_per_s=problem.dram_bits_per_s,
    )
