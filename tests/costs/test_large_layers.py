"""Layers of up to 10^13 MACs, as large language models have: every figure to the last digit."""

from __future__ import annotations

import json
import math
import re

import pytest
from oracle_machine import machine_cycles

import codesign
from codesign import Choices, Layer, Network, Problem, SpecError
from codesign.checking import check_content

BEYOND_FLOATS = 2**53  # whole numbers that a floating-point number need not hold
SIZES = {  # of the last layer of a large vocabulary, of the longest sum, of the largest batch
    "vocabulary": {"K": 128_256, "C": 4096, "P": 6500, "H": 6500},
    "sum": {"K": 1, "C": 10**9},
    "batch": {"K": 31_250, "C": 32_000, "N": 10**4},
}
MULTI_PASS = {"precision": "multi-pass", "pe_weight_bits": (1,), "pe_activation_bits": (1,)}
WIDE = {**MULTI_PASS, "weight_bits": (32,), "activation_bits": (32,), "output_bits": 32}


def network(name: str) -> Network:
    """One such layer."""
    layer = Layer(name=name, input="x", output="y", **SIZES[name])
    tensors = {"x": layer.ifmap, "y": layer.computed_outputs}
    return Network(name=name, layers=(layer,), tensors=tensors)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("widths", [{}, WIDE], ids=["8 bit", "32 bit"])
def test_figures_are_exact(name: str, widths: dict[str, object]) -> None:
    choices = Choices(rows=(128,), cols=(64,), **{"weight_bits": (8,), **widths})
    problem = Problem(network=network(name), choices=choices, budgets={"area_mm2": 20.0})
    design = codesign.solve(problem)
    report = check_content(json.loads(json.dumps(design.to_dict())), "design.json")
    assert report.findings == ()
    (layer,), (row,) = problem.network.layers, design.layer_designs
    factor = 32 * 32 if widths else 1
    cycles = machine_cycles(problem.choices, layer, 128, 64, 9, "window") * factor
    assert row.cycles == cycles
    assert design.metrics["dram_bits"] == row.dram_bits.total
    assert design.metrics["model_bits"] == layer.weights * (32 if widths else 8)
    assert row.compute_s == cycles / problem.clock_hz


def test_bit_operations_of_the_largest_layer_are_near() -> None:
    """They have a logarithm in them, and more than 53 bits."""
    layer = network("batch").layers[0]
    assert layer.macs == 10**13
    exact = layer.macs * (32 * 32 + 32 + 32) + layer.macs * math.log2(layer.C)
    assert exact > BEYOND_FLOATS
    design = codesign.solve(
        Problem(network=network("batch"), choices=Choices(rows=(128,), cols=(64,), **WIDE))
    )
    assert design.metrics["bops"] == pytest.approx(exact, rel=1e-15)


def test_larger_layers_are_refused() -> None:
    with pytest.raises(SpecError, match=re.escape("1.00003e+13 MACs; a layer may have at most 1")):
        Layer(name="l", K=31_251, C=32_000, N=10**4, input="x", output="y")
