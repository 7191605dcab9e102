"""Budgets that rule out nothing, or everything: what is told, held to enumeration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import oracle
import pytest
from random_bands import bands_case
from random_on_chip import on_chip_case
from random_problems import random_case
from seeds import mostly_long

from codesign import (
    Choices,
    InfeasibleError,
    Layer,
    Network,
    Problem,
    assign,
    load_technology,
    pareto,
    solve,
)
from codesign.problem.metrics import METRICS
from codesign.results.hardware_notes import hardware_notes, most_needed
from codesign.results.text import design
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text
from codesign.units import METRIC_UNITS

CONV = Layer(name="conv", input="image", output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
FC = Layer(name="fc", input="a", output="out", K=10, C=288)
TINY = Network(name="tiny", layers=(CONV, FC), tensors={"image": 144, "a": 288, "out": 10})
FEW = Choices(rows=(2, 4), cols=(2, 4), weight_bits=(4, 6), activation_bits=(4, 6))


def tiny(**changes: Any) -> Problem:
    return Problem(**{"network": TINY, "choices": FEW, "quality": "uniform:4", **changes})


CASES: dict[str, Callable[[int], Any]] = {
    "plain": random_case,
    "moving": partial(random_case, moving=True),
    "sram": partial(random_case, sram=True),
    "sharing": partial(random_case, sharing=True),
    "on chip": on_chip_case,
    "bands": bands_case,
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("seed", mostly_long(range(8), 2))
def test_no_enumerated_optimum_needs_more(seed: int, kind: str) -> None:
    """Of the least of any metric within any limit on another, the smallest is below it."""
    problem, points = CASES[kind](seed)[:2]
    most = most_needed(problem)["area_mm2"] * (1 + 1e-9)
    for metric in METRICS:
        for limited in METRICS:
            reached = sorted(point.value(limited) for point in points)
            budgets = {limited: reached[len(reached) // 2]} if reached else {}
            found = oracle.best(points, metric, budgets)
            assert found is None or found.value("area_mm2") <= most


def test_the_largest_area_by_hand() -> None:
    # fc: 288·10 weights and 288 inputs of 6 bit, 10 outputs of 6 + 6 + 9 bit: 19,218 bits;
    # conv: 288 weights, 144 inputs of 6 bit, 288 outputs of 6 + 6 + 6 bit: less
    pe_um2 = 1.694 * 9 * (36 + 12 + 3.169925001442312) + 153.46
    expected = (16 * pe_um2 + 2.94 * 19_218 + 3065) / 1e6
    assert most_needed(tiny())["area_mm2"] == pytest.approx(expected, rel=1e-12)
    square = replace(FEW, rows=(1, 2), cols=(2, 4), square=True)
    less = expected - 12 * pe_um2 / 1e6
    assert most_needed(tiny(choices=square))["area_mm2"] == pytest.approx(less, rel=1e-12)
    for changes, sram_bits in (
        ({"max_sram_bits": 9_000}, 9_000),
        ({"min_sram_bits": 50_000}, 50_000),
        ({"sram_bits": (8_000, 12_000)}, 12_000),
    ):
        sized = tiny(choices=replace(FEW, **changes))
        other = expected + 2.94 * (sram_bits - 19_218) / 1e6
        assert most_needed(sized)["area_mm2"] == pytest.approx(other, rel=1e-12), changes


def test_tensors_that_live_at_once_are_held() -> None:
    branches = [
        Layer(name=f"b{n}", input="image", output=f"t{n}", K=4, C=1, P=8, Q=8, H=8, W=8)
        for n in range(6)
    ]
    more = {"residuals": tuple(f"t{n}" for n in range(1, 6)), "C": 4, "K": 4}
    last = Layer(name="last", input="t0", output="out", **more, P=8, Q=8, H=8, W=8)
    tensors = {"image": 64, **{f"t{n}": 256 for n in range(6)}, "out": 256}
    joined = Network(name="joined", layers=(*branches, last), tensors=tensors)
    problem = tiny(network=joined, quality="uniform:6", dram_bits_per_s=1e9)
    # during the last: six tensors of 256 elements, 16 weights, 256 outputs of 6 + 6 + 2 bit
    pe_um2 = 1.694 * 9 * (36 + 12 + 3.169925001442312) + 153.46
    expected = (16 * pe_um2 + 2.94 * (6 * 256 * 6 + 16 * 6 + 256 * 14) + 3065) / 1e6
    assert most_needed(problem)["area_mm2"] == pytest.approx(expected, rel=1e-12)
    kept = solve(problem)
    assert kept.resident_tensors == 6
    # as much as all six at their width, and more than any layer has by itself
    assert kept.hardware.sram_bits > 6 * 256 * 6 > 16 * 6 + 256 * 14 + 256 * 6


def test_limits_of_an_fpga_that_do_not_bind_are_told() -> None:
    fpga = load_technology("finn-dsp")
    asked = {"technology": fpga, "choices": replace(FEW, pe_weight_bits=(6,))}
    most = most_needed(tiny(**asked))
    # sixteen PEs of 6 × 6 bit: adders of 12·17, accumulators of 32, 9 DSP blocks; 19,218 bits
    assert most == {"lut": pytest.approx(300 + 1.1 * 16 * 236), "dsp": 144, "bram": 2}
    free = solve(tiny(**asked))
    used = {name: METRIC_UNITS[name].amount(free.metrics[name]) for name in most}
    energy, *notes = free.notes
    assert energy == "no energy: finn-dsp has no energies"
    assert notes == [
        f"no limit on LUTs: the design takes all that helps, {used['lut']}; a limit binds below "
        "that (--max-lut, in Python the budget lut)",
        f"no limit on DSP blocks: the design takes all that helps, {used['dsp']} (--max-dsp, in "
        "Python the budget dsp)",
        f"no limit on block RAMs: the design takes all that helps, {used['bram']} (--max-bram, in "
        "Python the budget bram)",
    ]
    loose = solve(tiny(**asked, budgets=most))
    assert loose.metrics == free.metrics
    assert [note.split(":")[0] for note in loose.notes[1:]] == [
        f"the limit on {METRIC_UNITS[name].label} of {METRIC_UNITS[name].amount(most[name])} does "
        "not bind"
        for name in most
    ]
    assert solve(tiny(**asked, budgets=most | {"lut": most["lut"] * 0.999})).notes[1:] == (
        *loose.notes[2:],
    )
    tighter = solve(tiny(**asked, budgets={"lut": free.metrics["lut"] * 0.999}))
    assert tighter.metrics["latency_s"] > free.metrics["latency_s"]
    assert solve(tiny(**asked, objective="bram")).notes[1:] == ()


def test_a_limit_that_does_not_bind_is_told() -> None:
    free = solve(tiny())
    used = free.metrics["area_mm2"]
    (note,) = free.notes
    assert note.startswith(f"no limit on area: the design takes all that helps, {used:.4g} mm²; ")
    most = most_needed(tiny())["area_mm2"]
    loose = solve(tiny(budgets={"area_mm2": most}))
    assert loose.metrics == free.metrics
    (note,) = loose.notes
    assert f"no design of these choices needs more than {most:.4g} mm², and this one takes" in note
    assert f"\nnote: {note}\n" in to_text(design.design_parts(loose), terminal=False)
    assert solve(tiny(budgets={"area_mm2": most * 0.999})).notes == ()
    # what the note says of limits below
    tighter = solve(tiny(budgets={"area_mm2": used * 0.999}))
    assert tighter.metrics["latency_s"] > free.metrics["latency_s"]
    assert solve(tiny(objective="area_mm2")).notes == ()


def test_what_is_not_proven_is_not_said() -> None:
    found = solve(tiny())
    (note,) = replace(found, proof=replace(found.proof, ties_broken=False)).notes
    assert "binds below" not in note
    assert hardware_notes(found.problem, found.metrics)[0].count("a limit binds below that") == 1


def test_a_front_without_a_limit_on_area() -> None:
    for objectives, told in ((["latency_s", "noise"], 1), (["latency_s", "area_mm2"], 0)):
        front = pareto(tiny(quality=None), objectives, 2)
        text = to_text(front_parts(front), terminal=False)
        assert text.count("note: no limit on area: the designs take all that helps") == told
    fpga = tiny(quality=None, technology=load_technology("finn-lut"), budgets={"bram": 9.0})
    text = to_text(front_parts(pareto(fpga, ["latency_s", "noise"], 2)), terminal=False)
    assert re.findall("note: no limit on (.*): the designs take", text) == ["LUTs"]


@pytest.mark.parametrize(
    ("quality", "told"),
    [
        (
            "uniform:16",
            "the widths on offer end at 6 bit, and uniform:16 asks for the noise of 16: offer",
        ),
        # 4 sources of 4^(−6): −10·log10(4/4096)
        ("sqnr:80", "the widths on offer end at 6 bit, which reach 30.1 dB"),
        ("uniform:6", ""),  # kept, by the widest
    ],
)
def test_a_quality_beyond_the_widest_widths(quality: str, told: str) -> None:
    if not told:
        assert solve(tiny(quality=quality)).proof.status == "optimal"
        return
    with pytest.raises(InfeasibleError, match=f"; {re.escape(told)}"):
        solve(tiny(quality=quality))
    with pytest.raises(InfeasibleError, match=f"; {re.escape(told)}"):
        assign(tiny(quality=quality, objective="model_bits"))


def test_a_pin_below_the_quality_does_not_blame_the_widths() -> None:
    pinned = replace(FEW, pinned={"weight:conv": 4})
    with pytest.raises(InfeasibleError) as caught:
        solve(tiny(quality="uniform:6", choices=pinned))
    assert "end at" not in str(caught.value)
