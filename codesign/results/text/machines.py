"""How a machine works, in words: what of it is not as usual."""

from __future__ import annotations

from fractions import Fraction

from codesign.costs.buffers import NAMES
from codesign.problem.choices import Choices
from codesign.results.text.layout import percent
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import Machine
from codesign.units import METRIC_UNITS


def machine_line(accelerator: Accelerator) -> list[str]:
    """``array: PEs split for narrower operands; filling and draining counted``, if anything."""
    found = machine_phrases(accelerator, accelerator.precision)
    return [f"array: {'; '.join(found)}"] if found else []


def machine_phrases(machine: Machine, precision: str) -> list[str]:
    """What of a machine is not as usual, its mapping apart."""
    found = []
    if precision == "widening":
        found.append("PEs split for narrower operands")
    if machine.fill_cycles:
        found.append("filling and draining take cycles")
    if machine.weight_load:
        found.append("loading weights takes cycles")
    if machine.zero_skipping:
        found.append("inserted zeros are skipped")
    if machine.overlap != 1:
        how = f"overlap by {percent(machine.overlap)}" if machine.overlap else "do not overlap"
        found.append(f"compute and DRAM traffic {how}")
    if machine.sram_bits_per_cycle is not None:
        found.append(f"SRAM port of {machine.sram_bits_per_cycle:,} bit a cycle")
    if machine.stored_channels is not None:
        found.append(f"channels in DRAM in multiples of {machine.stored_channels:,}")
    for kernel, factor in machine.cycle_factors.items():
        size, stride, _ = kernel.partition("s")
        only = ", stride 1," if stride else ""
        of = "of" if Fraction(factor) < 1 else "times"
        found.append(f"{size.replace('x', '×')} kernels{only} take {factor} {of} the cycles")
    for name, bits in zip(NAMES, machine.buffers, strict=True):
        if bits is not None:
            found.append(f"{name} {METRIC_UNITS['dram_bits'].amount(bits)}")
    return found


def offered_text(choices: Choices) -> str:
    """``window, output; each layer takes its own``: the mappings on offer."""
    by_layer = "; each layer takes its own" if choices.reconfigurable else ""
    return ", ".join(choices.mapping) + by_layer
