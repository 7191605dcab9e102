"""Designs whose tensors stay on chip as they are told to, whether that is best or not."""

from __future__ import annotations

import json
import random
from collections.abc import Collection
from dataclasses import replace
from functools import cache
from typing import Any

from codesign import Choices, Design, Layer, Network, Problem, solve
from codesign.costs.layers import best_tiled_layer, moving_layer
from codesign.costs.residency import residents
from codesign.costs.totals import totals
from codesign.results.consistency import places_of
from codesign.results.design import accelerator_of
from codesign.results.evaluation import Evaluation
from codesign.results.records import ProofRecord
from codesign.specs.accelerator import Hardware

# A residual of what is read as well (y), a movement (m), a layer that touches nothing of what lives
# over it (c), a weight operand that is part of a tensor (p in d).
PART = {"p": 18}
MIXED = Network(
    name="mixed",
    layers=(
        Layer(name="a", K=4, C=2, P=3, Q=3, H=3, W=3, R=3, S=3, input="x", output="y"),
        Layer(name="b", K=4, C=4, P=3, Q=3, H=3, W=3, input="y", output="z", residuals=("y",)),
        Layer(name="m", C=4, K=4, H=3, W=3, P=6, Q=3, input="z", output="z2", moves=True),
        Layer(name="c", K=5, C=4, P=18, H=18, input="w", output="p", weight_tensor="v"),
        Layer(name="d", K=2, C=9, P=8, H=8, input="z2", output="r", weight_tensor="p", parts=PART),
    ),
    tensors={"x": 18, "y": 36, "z": 36, "z2": 72, "w": 72, "v": 20, "p": 90, "r": 16},
)


def with_residents(design: Design, on_chip: Collection[str], spare_bits: int = 0) -> Design:
    """A design's hardware and widths, some tensors on chip, and as little SRAM as that takes.

    Without budgets, and without a word on how good it is.
    """
    problem = replace(
        design.problem,
        choices=replace(
            design.problem.choices,
            on_chip="tensors",
            sram_bits=(),
            min_sram_bits=None,
            max_sram_bits=None,
        ),
        quality=None,
        budgets={},
    )
    held = residents(problem.network, design.tensor_bits, on_chip)
    needs = [row.sram_bits or 0 for row in design.layer_designs]
    sram_bits = spare_bits + max(x + y.bits for x, y in zip(needs, held, strict=True))
    hardware = Hardware(**{**vars(design.hardware), "sram_bits": sram_bits})
    accelerator = accelerator_of(problem, hardware)
    network, tensor_bits = problem.network, design.tensor_bits
    layers = tuple(
        moving_layer(network, layer, accelerator, tensor_bits, True, mine)
        if layer.moves
        else best_tiled_layer(network, layer, accelerator, row.weight_bits or 0, tensor_bits, mine)
        for layer, row, mine in zip(network.layers, design.layer_designs, held, strict=True)
    )
    metrics, _ = totals(network, accelerator, tensor_bits, layers, problem.noise_of, on_chip, ())
    return replace(
        design,
        problem=problem,
        hardware=hardware,
        layer_designs=layers,
        metrics=metrics,
        proof=ProofRecord.of(metrics[problem.objective], 0.0, "left", "time"),
        on_chip=places_of(network, on_chip),
    )


def some_of(rng: random.Random, network: Network) -> list[str]:
    """Any of the tensors that may stay on chip."""
    share = rng.random()
    return [name for name in network.lifetimes if rng.random() < share]


@cache
def _mixed() -> Design:
    choices = Choices(
        rows=(2,),
        cols=(2,),
        weight_bits=(8,),
        activation_bits=(4, 8),
        pinned={"tensor:y": 4, "tensor:z": 4, "tensor:z2": 4, "tensor:p": 8},
        on_chip="none",
    )
    return solve(Problem(network=MIXED, choices=choices))


def mixed_design(on_chip: Collection[str] = ("y", "z2", "p")) -> Any:
    """The content of a design file of `MIXED`, some of its tensors on chip."""
    return json.loads(json.dumps(with_residents(_mixed(), on_chip).to_dict()))


def mixed_evaluation(on_chip: Collection[str] = ("y", "z2", "p")) -> Any:
    """The same as an evaluation."""
    design = with_residents(_mixed(), on_chip)
    return json.loads(json.dumps(as_evaluation(design).to_dict()))


def as_evaluation(design: Design) -> Evaluation:
    """What a design says of its layers, as an evaluation of its hardware."""
    return Evaluation(
        network=design.network,
        accelerator=design.accelerator,
        roofline="tiled",
        tensor_bits=design.tensor_bits,
        layer_designs=design.layer_designs,
        metrics=design.metrics,
        absent={},
        on_chip=design.on_chip,
    )
