"""The best resident tensors and fused runs for hardware and widths that a search has met."""

from __future__ import annotations

from collections.abc import Sequence

from codesign.space.exact_cost import First
from codesign.space.given_hardware import GivenHardware
from codesign.space.hardware import HardwareSpace
from codesign.specs.accelerator import Accelerator


def best_places(
    space: HardwareSpace,
    option: int,
    variable_width: Sequence[int],
    weight: Sequence[int],
    sram_bits: float,
    first: First,
) -> tuple[bool, ...] | None:
    """Of each placed tensor whether it is on chip, and of each run whether it is fused.

    None where no choice fits so much SRAM. Widths as of `price`.

    Parameters
    ----------
    first : "latency_s" or "dram_bits"
        What is to be the least, before the other.
    """
    problem = space.problem
    choices, network = problem.choices, problem.network
    on = Accelerator(
        name=network.name,
        rows=int(space.rows[option]),
        cols=int(space.cols[option]),
        engine=problem.technology.engine,
        pe_weight_bits=int(space.pe_weight_bits[option]),
        pe_activation_bits=int(space.pe_activation_bits[option]),
        precision=choices.precision,
        clock_hz=problem.clock_hz,
        dram_bits_per_s=problem.dram_bits_per_s,
        **space.machine_of(option),
    )
    tensor_bits = space.tensor_bits(tuple(map(int, variable_width)))
    weight_bits = [
        None if layer.moves else int(space.widths[w])
        for layer, w in zip(network.layers, weight, strict=True)
    ]
    most_fused = choices.fused_layers if choices.on_chip == "bands" else 1
    hardware = GivenHardware(network, on, weight_bits, tensor_bits, most_fused)
    found = hardware.residency(int(sram_bits), choices.places, first)
    if found is None:
        return None
    resident = (name in found.on_chip for name in space.placed)
    return (*resident, *(run in found.runs for run in space.runs))
