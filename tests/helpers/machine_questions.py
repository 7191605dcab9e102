"""A question whose layers suit different mappings."""

from __future__ import annotations

from typing import Any

from small_layers import square

from codesign import Choices, Network, Problem


def two_layers(**choices: Any) -> Problem:
    """A depthwise layer, which suits mapping output, and one of many channels."""
    depthwise = square(1, 1, 6, 3, G=8, name="a", input="x", output="y")
    pointwise = square(16, 8, 6, 1, name="b", input="y", output="z")
    network = Network(
        name="two",
        layers=(depthwise, pointwise),
        tensors={"x": 8 * 36, "y": 8 * 36, "z": 16 * 36},
    )
    few: dict[str, Any] = {
        "rows": (2, 4),
        "cols": (2, 4, 8),
        "weight_bits": (4, 8),
        "activation_bits": (8,),
        "on_chip": "none",
        "mapping": ("window", "im2col", "output"),
    }
    return Problem(
        network=network,
        choices=Choices(**{**few, **choices}),
        dram_bits_per_s=1e12,
        quality="uniform:6",
        budgets={"area_mm2": 0.12},
    )
