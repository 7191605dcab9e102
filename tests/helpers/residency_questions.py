"""Random networks on random accelerators whose SRAM is about as large as it must be, with widths.

What of their tensors best stays on chip is to be found.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import NamedTuple

from enumerated_residency import Enumeration, Outcome, lives
from random_machines import accelerator_like
from random_networks import random_network

from codesign import Accelerator, Layer, Network
from codesign.problem.places import Place
from codesign.space.given_hardware import GivenHardware

WHOLE: tuple[Place, ...] = ("chip", "dram")


class Question(NamedTuple):
    """A network at given widths on an accelerator, some places given."""

    network: Network
    on: Accelerator
    widths: dict[str, int]
    places: dict[str, Place]
    sram_bits: int

    @property
    def accelerator(self) -> Accelerator:
        """With its SRAM."""
        return replace(self.on, sram_bits=self.sram_bits)

    @property
    def given(self) -> GivenHardware:
        """As the library takes it, nothing fused."""
        return self.fusing(1)

    def fusing(self, most_layers: int) -> GivenHardware:
        """With runs of so many layers at most."""
        layers = self.network.layers
        tensor_bits = {name: self.widths[f"tensor:{name}"] for name in self.network.tensors}
        weight_bits = [None if x.moves else self.widths[x.weight_source] for x in layers]
        return GivenHardware(self.network, self.on, weight_bits, tensor_bits, most_layers)

    def enumerated(self) -> list[tuple[Outcome, frozenset[str]]]:
        """What each set of residents that fits costs."""
        every = Enumeration(self.network, self.on, self.widths)
        found = []
        for chosen in every.sets():
            if all((name in chosen) == (x == "chip") for name, x in self.places.items()):
                outcome = every.outcome(chosen, self.sram_bits)
                found += [] if outcome is None else [(outcome, chosen)]
        return found


def random_question(seed: int, machine: str = "") -> Question:
    """A network of 2 to 6 layers, with parts and layers that only move data in every other one.

    ``machine``: on a machine of a kind, as `accelerator_like`.
    """
    rng = random.Random(f"residency {seed}" + f" {machine}" * bool(machine))
    network = random_network(rng, rng.randint(2, 6), moving=seed % 2 == 0, in_place=seed % 4 == 0)
    on = Accelerator(
        name="random",
        rows=rng.choice((1, 2, 3, 4, 6, 8)),
        cols=rng.choice((1, 2, 3, 4, 6, 8)),
        engine=rng.choice((9, 9, 4, 1)),
        pe_weight_bits=rng.choice((2, 4, 8)),
        pe_activation_bits=rng.choice((3, 4, 8)),
        precision="multi-pass",
        psum_bits=rng.choice((None, None, 16)),
        clock_hz=rng.choice((1e9, 10 ** rng.uniform(6, 9))),
        dram_bits_per_s=rng.choice((None, 1e9, 1e10, 10 ** rng.uniform(8, 10.5))),
    )
    if machine:
        on = accelerator_like(rng, on, machine)
    sources = [f"weight:{name}" for name in network.weight_layers]
    sources += [f"tensor:{name}" for name in network.tensors]
    widths = {source: rng.randint(1, 8) for source in sources}
    places = {name: rng.choice(WHOLE) for name in lives(network) if rng.random() < 0.1}
    question = Question(network, on, widths, places, 0)
    stairs = question.given.modes[0].stairs
    needs = [stairs(i, False, False)[0][0] for i in range(len(network.layers))]
    largest = max(elements * widths[f"tensor:{name}"] for name, elements in network.tensors.items())
    sram_bits = max(needs) * rng.choice((0.7, 1, 1, 1.2)) + largest * rng.uniform(0, 2)
    return question._replace(sram_bits=max(1, int(sram_bits)))


def dense_question(seed: int) -> Question:
    """Every layer adds up to three of all tensors before it."""
    rng = random.Random(f"dense {seed}")
    size, channels, layers = rng.randint(1, 6), rng.choice((4, 8)), []
    for i in range(rng.randint(5, 8)):
        before = ["in", *(f"t{n}" for n in range(i))]
        residuals = tuple(rng.sample(before, min(len(before), rng.randint(0, 3))))
        shape = {"K": channels, "C": channels, "P": size, "H": size}
        layers.append(
            Layer(name=f"l{i}", input=before[-1], output=f"t{i}", residuals=residuals, **shape)
        )
    names = ["in", *(layer.output for layer in layers)]
    network = Network(
        name="dense", layers=tuple(layers), tensors=dict.fromkeys(names, channels * size)
    )
    widths = {f"weight:{layer.name}": rng.randint(1, 8) for layer in layers}
    widths |= {f"tensor:{name}": rng.randint(1, 8) for name in names}
    array = {"rows": 2, "cols": 4, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    rate = 10 ** rng.uniform(9, 11)
    on = Accelerator(name="given", clock_hz=1e9, dram_bits_per_s=rate, **array)
    question = Question(network, on, widths, {}, 0)
    stairs = question.given.modes[0].stairs
    needs = [stairs(i, False, False)[0][0] for i in range(len(layers))]
    room = channels * size * rng.choice((6, 12, 18))
    return question._replace(sram_bits=int(max(needs)) + room)
