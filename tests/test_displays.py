"""Objects in Python: one line each, tables in a notebook; names of files are never code there."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from test_layout import HOSTILE, Tags

from codesign import (
    Accelerator,
    Choices,
    Layer,
    Network,
    Problem,
    assign,
    evaluate,
    load_technology,
    pareto,
    solve,
)
from codesign.displays import DISPLAYS

TAGS = {"p", "br", "table", "thead", "tbody", "tr", "th", "td"}


@cache
def objects(name: str) -> tuple[Any, ...]:
    """One of every kind, whose names are all of this kind."""
    conv = Layer(name=name, input=name, output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
    fc = Layer(name="fc", input="a", output="out", K=10, C=288)
    network = Network(name=name, layers=(conv, fc), tensors={name: 144, "a": 288, "out": 10})
    choices = Choices(
        rows=(2, 4),
        cols=(2,),
        weight_bits=(4, 6),
        activation_bits=(4, 6),
        pinned={f"weight:{name}": 6},
        shared=((f"weight:{name}", "weight:fc"),),
    )
    problem = Problem(
        network=network, choices=choices, quality="uniform:4", budgets={"area_mm2": 0.03}
    )
    accelerator = Accelerator(
        name=name,
        rows=2,
        cols=2,
        engine=9,
        pe_weight_bits=6,
        pe_activation_bits=6,
        clock_hz=8e8,
        sram_bits=50_000,
        dram_bits_per_s=1e9,
        technology=load_technology("tsmc28"),
        source=name,
    )
    design = solve(problem)
    bits_alone = Problem(network=network, choices=choices, objective="model_bits")
    return (
        network,
        accelerator,
        problem,
        design,
        evaluate(network, accelerator, 6),
        assign(bits_alone),
        pareto(problem, ["latency_s", "area_mm2"], 2),
        design.explain(),
    )


@pytest.mark.parametrize("name", ["conv", *HOSTILE])
def test_every_kind_shows_itself(name: str) -> None:
    assert {type(one) for one in objects(name)} == {*DISPLAYS}
    for one in objects(name):
        line = repr(one)
        assert line.startswith(f"<{type(one).__name__} ")
        assert line.endswith(">")
        assert line.isprintable()  # of one line
        assert len(line) < 400
        assert str(one) == line
        found = Tags(one._repr_html_())
        assert found.tags <= TAGS
        assert "table" in found.tags
        if name.isprintable():
            assert name in line
            assert name in found.text


def test_lines_say_the_most_important() -> None:
    network, accelerator, problem, design, evaluation, assignment, front, _ = objects("conv")
    assert repr(network) == "<Network conv: 2 layers, 13,248 MACs, 3,168 weights>"
    assert repr(accelerator) == "<Accelerator conv: 2 × 2 PEs of 6 × 6 bit, SRAM 0.05 Mbit>"
    assert "conv on tsmc28: least latency with area ≤ 0.03 mm², noise ≤" in repr(problem)
    assert repr(design).startswith("<Design for conv: optimal, gap ")
    assert f"{design.hardware.rows} × 2 PEs of 6 × " in repr(design)
    assert repr(evaluation).startswith("<Evaluation conv on conv: tiled roofline: latency ")
    assert repr(assignment).startswith("<Assignment for conv: optimal, gap ")
    assert repr(front).startswith("<Front latency, area of conv: 2 points, 2 proven; ")
    text = Tags(problem._repr_html_()).text
    for words in (
        "rows2, 4",
        "pinnedweight:conv=6",
        "one widthweight:conv, weight:fc",
    ):
        assert words in " ".join(text.split())
