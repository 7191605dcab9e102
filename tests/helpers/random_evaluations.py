"""Random accelerators, and random networks evaluated on them, on SRAMs that are just enough."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from random_machines import accelerator_like

from codesign import Accelerator, Evaluation, Network, SpecError, evaluate, load_technology


def random_accelerator(rng: random.Random, kind: str = "") -> Accelerator:
    made = Accelerator(
        name="random",
        rows=rng.choice((1, 2, 3, 4, 6)),
        cols=rng.choice((1, 2, 3, 4, 6)),
        engine=rng.choice((9, 9, 4, 1)),
        pe_weight_bits=rng.choice((2, 4, 8)),
        pe_activation_bits=rng.choice((2, 4, 8)),
        precision="multi-pass",
        psum_bits=rng.choice((None, None, 16, 32)),
        clock_hz=10 ** rng.uniform(6, 8),
        sram_bits=int(10 ** rng.uniform(4.2, 5.5)),
        dram_bits_per_s=10 ** rng.uniform(8, 9.5),
        technology=load_technology("tsmc28"),
    )
    return accelerator_like(rng, made, kind) if kind else made


def random_widths(rng: random.Random, network: Network, most: int = 8) -> dict[str, int]:
    names = [f"weight:{name}" for name in network.weight_layers]
    names += [f"tensor:{name}" for name in network.tensors]
    return {name: rng.randint(1, most) for name in names}


def evaluated(rng: random.Random, network: Network, on: Accelerator, **how: Any) -> Evaluation:
    """On an SRAM as given, or larger until all fits."""
    widths = random_widths(rng, network, min(on.pe_weight_bits, on.pe_activation_bits, 8))
    while True:
        try:
            return evaluate(network, on, widths, **how)
        except SpecError as error:
            if "kbit" not in str(error):
                raise
            assert on.sram_bits is not None
            on = replace(on, sram_bits=2 * on.sram_bits)
