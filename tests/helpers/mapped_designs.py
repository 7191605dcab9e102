"""Layers on given arrays for exports to mappers: random ones, and those of known networks."""

from __future__ import annotations

import random

import pytest
from random_networks import random_network

import codesign
from codesign.errors import SpecError
from codesign.results.evaluation import Evaluation
from codesign.specs.machine import Mapping

NETWORKS = ("alexnet", "mobilenetv2", "resnet18", "vgg16")
MAPPINGS: tuple[Mapping, ...] = ("window", "im2col", "output")


def random_evaluation(seed: int) -> Evaluation | None:
    """A random network on a random array; None where it does not fit."""
    rng = random.Random(seed)
    network = random_network(
        rng, rng.randint(1, 5), rng.choice((1, 1, 3)), moving=rng.random() < 0.5
    )
    chip = codesign.Accelerator(
        name="drawn",
        rows=rng.choice((1, 2, 3, 4, 8)),
        cols=rng.choice((1, 2, 3, 5, 8)),
        engine=rng.choice((1, 4, 9)),
        clock_hz=1e8,
        pe_weight_bits=8,
        pe_activation_bits=8,
        sram_bits=rng.choice((300, 1000, 3000, 10_000, 100_000)),
        dram_bits_per_s=1e9,
        mapping=(rng.choice(MAPPINGS),),
    )
    places = "tensors" if rng.random() < 0.4 else "none"
    try:
        return codesign.evaluate(network, chip, rng.randint(2, 8), on_chip=places)
    except SpecError:
        return None


def random_evaluations(first: int, count: int) -> list[Evaluation]:
    """Those of so many seeds that fit, and have no inserted zeros."""
    found = [random_evaluation(seed) for seed in range(first, first + count)]
    return [
        x
        for x in found
        if x is not None and all(y.input_dilation in (1, (1, 1)) for y in x.network.layers)
    ]


def evaluation(
    network: str, sram_bits: int = 1_600_000, bits: int = 8, mapping: Mapping = "window"
) -> Evaluation:
    """A known network on an array of 16 × 64 PEs, every tensor to DRAM and back."""
    chip = codesign.Accelerator(
        name="given",
        rows=16,
        cols=64,
        engine=9,
        clock_hz=8e8,
        pe_weight_bits=8,
        pe_activation_bits=8,
        sram_bits=sram_bits,
        dram_bits_per_s=1.5e11,
        mapping=(mapping,),
    )
    return codesign.evaluate(codesign.load_network(network), chip, bits)


KNOWN = [  # of the known networks the smallest, and in a long run all
    evaluation("alexnet"),
    *(
        pytest.param(evaluation(name), marks=[pytest.mark.long, pytest.mark.slow])
        for name in NETWORKS
    ),
]
