"""Which tensors of a design or an evaluation stay on chip, over which layers, as text."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.errors import first_few
from codesign.results.consistency import names_on_chip
from codesign.results.hardware_result import HardwareResult
from codesign.results.text.layout import BIT_UNITS, literal, scaled, short, table
from codesign.units import METRIC_UNITS, four_digits

SRAM = METRIC_UNITS["dram_bits"]


def residency_parts(result: HardwareResult) -> list[RenderableType]:
    """How many tensors stay and how full the SRAM gets, then a row for each.

    Nothing where every tensor goes to DRAM and back by the model asked for.
    """
    if result.on_chip is None:
        return []
    kept = names_on_chip(result.on_chip)
    parts: list[RenderableType] = ["", _kept_line(result, kept)]
    if kept:
        parts += [_fullest_line(result), "", _resident_table(result, kept)]
    return parts


def _kept_line(result: HardwareResult, kept: tuple[str, ...]) -> Text:
    """``on chip: 17 of 20 tensors; in DRAM: conv1.out, …``: of those that some layer writes."""
    able = result.network.lifetimes
    text = Text(f"on chip: {len(kept)} of the {len(able)} tensors between layers")
    left = [short(name).plain for name in able if name not in kept]
    return Text.assemble(text, f"; in DRAM: {first_few(left)}" if left else "")


def _fullest_line(result: HardwareResult) -> Text:
    """The layer during which the SRAM is fullest, and what fills it."""
    rows = result.layer_designs
    fullest = max(rows, key=lambda row: (row.sram_bits or 0) + row.resident_bits)
    tiles, resident = fullest.sram_bits or 0, fullest.resident_bits
    held, capacity = SRAM.number(tiles + resident), result.accelerator.sram_bits
    assert capacity is not None  # without it no layer has tiles
    return Text.assemble(
        "SRAM fullest during ",
        short(fullest.name),
        f": resident {SRAM.number(resident)} + tiles {SRAM.number(tiles)} = {held} of "
        f"{SRAM.amount(capacity)}",
    )


def _resident_table(result: HardwareResult, kept: tuple[str, ...]) -> Table:
    """A row for each tensor that stays: its width, its size, the layers over which it does."""
    network = result.network
    sizes = [network.tensors[name] * result.tensor_bits[name] for name in kept]
    amounts, unit = scaled(sizes, BIT_UNITS)
    made = table("~resident tensor", "bits", f"size\n{unit}", "layers", "~from", "~to")
    for name, amount in zip(kept, amounts, strict=True):
        first, last = network.lifetimes[name]
        ends = (literal(network.layers[number].name) for number in (first, last))
        bits = four_digits(result.tensor_bits[name])
        made.add_row(literal(name), bits, amount, f"{first + 1}–{last + 1}", *ends)
    return made
