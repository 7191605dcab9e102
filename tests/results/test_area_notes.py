"""Budgets that rule out nothing, or everything: what is told, held to enumeration."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import oracle
import pytest
from random_problems import random_case

from codesign import Choices, InfeasibleError, Layer, Network, Problem, assign, pareto, solve
from codesign.problem.metrics import METRICS
from codesign.results.area_notes import area_notes, largest_area_mm2
from codesign.results.text import design
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text

CONV = Layer(name="conv", input="image", output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
FC = Layer(name="fc", input="a", output="out", K=10, C=288)
TINY = Network(name="tiny", layers=(CONV, FC), tensors={"image": 144, "a": 288, "out": 10})
FEW = Choices(rows=(2, 4), cols=(2, 4), weight_bits=(4, 6), activation_bits=(4, 6))


def tiny(**changes: Any) -> Problem:
    return Problem(**{"network": TINY, "choices": FEW, "quality": "uniform:4", **changes})


@pytest.mark.parametrize("kind", [{}, {"moving": True}, {"sram": True}, {"sharing": True}])
@pytest.mark.parametrize("seed", range(12))
def test_no_enumerated_optimum_needs_more(seed: int, kind: dict[str, bool]) -> None:
    """Of the least of any metric within any limit on another, the smallest is below it."""
    problem, points = random_case(seed, **kind)
    most = largest_area_mm2(problem) * (1 + 1e-9)
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
    assert largest_area_mm2(tiny()) == pytest.approx(expected, rel=1e-12)
    square = replace(FEW, rows=(1, 2), cols=(2, 4), square=True)
    less = expected - 12 * pe_um2 / 1e6
    assert largest_area_mm2(tiny(choices=square)) == pytest.approx(less, rel=1e-12)
    for changes, sram_bits in (
        ({"max_sram_bits": 9_000}, 9_000),
        ({"min_sram_bits": 50_000}, 50_000),
        ({"sram_bits": (8_000, 12_000)}, 12_000),
    ):
        sized = tiny(choices=replace(FEW, **changes))
        other = expected + 2.94 * (sram_bits - 19_218) / 1e6
        assert largest_area_mm2(sized) == pytest.approx(other, rel=1e-12), changes


def test_a_limit_that_does_not_bind_is_told() -> None:
    free = solve(tiny())
    used = free.metrics["area_mm2"]
    (note,) = free.notes
    assert note.startswith(f"no limit on area: the design takes all that helps, {used:.4g} mm²; ")
    most = largest_area_mm2(tiny())
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
    assert area_notes(found.problem, found.metrics)[0].count("a limit binds below that") == 1


def test_a_front_without_a_limit_on_area() -> None:
    for objectives, told in ((["latency_s", "noise"], 1), (["latency_s", "area_mm2"], 0)):
        front = pareto(tiny(quality=None), objectives, 2)
        text = to_text(front_parts(front), terminal=False)
        assert text.count("note: no limit on area: the designs take all that helps") == told


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
