"""Designs to write: a plain one, and one that says something about everything."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import codesign
from codesign import Choices, Design, Layer, Network, Problem

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="a", K=4, C=2, P=3, Q=3, H=3, W=3, R=3, S=3, input="in", output="mid"),
        Layer(name="b", K=2, C=4, P=3, Q=3, H=3, W=3, input="mid", output="out", residuals=("in",)),
    ),
    tensors={"in": 18, "mid": 36, "out": 18},
    source="drawn on a napkin, in Zürich",
)
PRODUCT = Network(
    name="product",
    layers=(
        Layer(
            name="a", K=2, C=2, P=4, H=8, R=3, stride=(2, 1), dilation=(1, 2), input="x", output="y"
        ),
        Layer(name="b", K=2, C=2, P=4, H=4, input="y", output="z", weight_tensor="w", appended=1),
    ),
    tensors={"x": 16, "w": 4, "y": 8, "z": 9},
)


def table(network: Network) -> dict[str, dict[int, float]]:
    """A noise value for every tensor at every width in use."""
    sources = Problem(network=network).noise_sources
    return {
        source: {bits: (1 + i) / 2**bits for bits in (2, 4, 8)} for i, source in enumerate(sources)
    }


@cache
def design(name: str) -> Design:
    """A solved problem: ``plain``, ``kept`` with a tensor on chip, or all there is to say."""
    small = Choices(rows=(1, 2), cols=(2, 4), weight_bits=(2, 4), activation_bits=(4,))
    small = replace(small, on_chip="none")
    if name == "plain":
        return codesign.solve(Problem(network=CHAIN, choices=small, budgets={"area_mm2": 0.05}))
    if name == "kept":
        kept = replace(small, on_chip="tensors", places={"mid": "chip", "in": "dram"})
        return codesign.solve(Problem(network=CHAIN, choices=kept, budgets={"area_mm2": 0.05}))
    full = Choices(
        rows=(1, 2),
        cols=(1, 2),
        square=True,
        weight_bits=(2, 4),
        activation_bits=(4, 8),
        pe_weight_bits=(4,),
        pe_activation_bits=(4,),
        precision="multi-pass",
        pinned={"weight:a": 8, "tensor:x": 2},
        output_bits=16,
        on_chip="none",
    )
    return codesign.solve(
        Problem(
            network=PRODUCT,
            technology=codesign.load_technology("tsmc28", sram="dual-port"),
            choices=full,
            clock_hz=1.5e8,
            dram_bits_per_s=1e9 / 3,
            area_overhead=1.25,
            sensitivity=table(PRODUCT),
            quality="uniform:4",
            objective="dram_bits",
            budgets={"latency_s": 1e-3, "model_bits": 1e6},
        )
    )
