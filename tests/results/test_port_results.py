"""What results say of the SRAM's port as a roof, and of channels that DRAM pads."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from altered import findings, put

from codesign import Choices, Design, Explanation, Layer, Network, Problem, solve
from codesign.results.front_file import ROOFS
from codesign.results.text.machines import machine_phrases


@cache
def design() -> Design:
    """Of two layers, of which the port binds the first, the DRAM the second."""
    conv = Layer(
        name="conv",
        K=8,
        C=4,
        P=6,
        Q=6,
        H=6,
        W=6,
        R=3,
        S=3,
        input="in",
        output="mid",
    )
    fc = Layer(name="fc", K=10, C=288, input="mid", output="out")
    network = Network(name="tiny", layers=(conv, fc), tensors={"in": 144, "mid": 288, "out": 10})
    choices = Choices(
        rows=(2,),
        cols=(2,),
        weight_bits=(8,),
        activation_bits=(8,),
        sram_bits_per_cycle=40,
        stored_channels=16,
        sram_bits=(10**6,),
    )
    return solve(Problem(network=network, choices=choices, dram_bits_per_s=8e9))


def content() -> Any:
    return json.loads(json.dumps(design().to_dict()))


def test_the_roof_of_each_layer_is_named() -> None:
    assert [row.bound_by for row in design().layer_designs] == ["sram", "memory"]
    table = design().layers
    assert table["sram_s"].tolist() == [row.sram_s for row in design().layer_designs]
    assert (table["latency_s"] >= table["sram_s"]).all()
    assert machine_phrases(design().problem.choices, "fixed") == [
        "SRAM port of 40 bit a cycle",
        "channels in DRAM in multiples of 16",
    ]
    assert {*table["bound_by"]} <= {*ROOFS}


def test_altered_figures_are_told() -> None:
    assert findings(content()) == []
    for path, value in (
        (("layers", 0, "sram_s"), design().layer_designs[0].compute_s),
        (("layers", 0, "bound_by"), "compute"),
        (("problem", "choices", "sram_bits_per_cycle"), 41),
        (("problem", "choices", "stored_channels"), 8),
        (("problem", "choices", "stored_channels"), 0),
    ):
        assert findings(put(content(), path, value)), path


@pytest.mark.slow
def test_an_explanation_tells_three_roofs() -> None:
    explanation = design().explain(step=0.2)
    again = Explanation.from_dict(json.loads(json.dumps(explanation.to_dict())), "given.json")
    shares = explanation.roof_share
    assert [*shares] == ["compute", "sram", "memory"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["sram"] > 0.1
    assert again.roof_share == pytest.approx(shares)
    assert [x.latency_s for x in again.design.layer_designs] == pytest.approx(
        [x.latency_s for x in design().layer_designs]
    )
