"""The heuristic beside the proven optimum: what it keeps fits, and costs what it says."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from random_networks import random_network
from seeds import check_all
from sources import ROOT
from study_modules import imported

from codesign.costs.layers import best_tiled_layer, moving_layer
from codesign.costs.residency import residents
from codesign.errors import SpecError
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Network

STUDY = ROOT / "studies" / "on_chip"
BITS = 8


def latency_s(network: Network, accelerator: Accelerator, names: tuple[str, ...]) -> float:
    """Of a network with these tensors on chip; infinite where they do not fit."""
    bits = dict.fromkeys(network.tensors, BITS)
    rows = []
    for layer, now in zip(network.layers, residents(network, bits, names), strict=True):
        if now.bits > (accelerator.sram_bits or 0):
            return math.inf
        if layer.moves:
            rows.append(moving_layer(network, layer, accelerator, bits, True, now))
            continue
        try:
            rows.append(best_tiled_layer(network, layer, accelerator, BITS, bits, now))
        except SpecError:
            return math.inf
    return math.fsum(row.latency_s or 0.0 for row in rows)


def accelerator_of(rng: random.Random, network: Network) -> Accelerator:
    """An SRAM between next to nothing and room for everything."""
    return Accelerator(
        name="tiny",
        rows=rng.choice((1, 2, 4)),
        cols=rng.choice((1, 2, 4)),
        engine=9,
        pe_weight_bits=BITS,
        pe_activation_bits=BITS,
        clock_hz=1e6,
        sram_bits=int(rng.uniform(0.1, 0.8) * BITS * sum(network.tensors.values())),
        dram_bits_per_s=rng.choice((1e6, 1e7, 1e8)),
    )


@pytest.mark.slow
def test_what_is_kept_fits_and_costs_what_is_told() -> None:
    gains, misses = [], []
    with imported(STUDY, ("greedy",)) as modules:
        keep = modules["greedy"].keep

        def check(seed: int) -> None:
            rng = random.Random(seed)
            network = random_network(rng, layers=rng.randint(4, 7), moving=seed % 2 == 0)
            accelerator = accelerator_of(rng, network)
            widths = {f"weight:{x}": BITS for x in network.weight_layers}
            widths |= {f"tensor:{x}": BITS for x in network.tensors}
            found = keep(network, accelerator, widths)
            none = latency_s(network, accelerator, ())
            if found is None:
                assert none == math.inf
                return
            told = latency_s(network, accelerator, tuple(found.names))
            assert found.latency_s == pytest.approx(told, rel=1e-12)
            assert found.latency_s <= none * (1 + 1e-12)
            names = list(network.lifetimes)[:6]
            every = [
                latency_s(network, accelerator, kept)
                for count in range(len(names) + 1)
                for kept in itertools.combinations(names, count)
            ]
            if len(names) == len(network.lifetimes):
                misses.append(found.latency_s > min(every) * (1 + 1e-9))
            gains.append(found.latency_s < none)

        check_all(range(120), check)
    assert sum(gains) > 20
    assert 0 < sum(misses) < len(misses) / 4  # a heuristic, and a good one
