"""What resident tensors are worth, as text: each by itself, then what a larger SRAM would do."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.errors import first_few
from codesign.results.residency_worth import USEFUL, LargerSram, ResidencyWorth, TensorWorth
from codesign.results.text.layout import BIT_UNITS, literal, scaled, short, table
from codesign.results.text.phrases import signed
from codesign.units import ABSENT, METRIC_UNITS, DisplayUnit

LESS = f"{100 * USEFUL:g} %"
LATENCY, DRAM = METRIC_UNITS["latency_s"], METRIC_UNITS["dram_bits"]


def worth_parts(worth: ResidencyWorth) -> list[RenderableType]:
    """The table of tensors, and a line for each larger SRAM."""
    if not worth.complete:
        return ["what tensors on chip are worth: not in time"]
    parts: list[RenderableType] = [tensors_table(worth), ""] if worth.tensors else []
    parts += [larger_line(worth, each) for each in worth.larger]
    if "useful step" not in {each.why for each in worth.larger}:
        label = METRIC_UNITS[worth.metric].label
        parts.append(f"no SRAM makes {label} {LESS} less with this array and these widths")
    return parts if worth.proven else [*parts, "these choices of tensors are not proven best"]


def tensors_table(worth: ResidencyWorth) -> Table:
    """What each resident tensor saves, those that save most first."""
    amounts, unit = scaled([each.sram_bits for each in worth.tensors], BIT_UNITS)
    made = table(
        *("~resident tensor", f"size\n{unit}"),
        *(f"saves latency\n{LATENCY.unit}", f"saves DRAM traffic\n{DRAM.unit}"),
    )
    rows = [*zip(worth.tensors, amounts, strict=True)]
    for each, amount in sorted(rows, key=lambda row: _saved(worth, row[0]), reverse=True):
        cells = _cell(LATENCY, each.latency_s), _cell(DRAM, each.dram_bits)
        made.add_row(literal(each.name), amount, *cells)
    return made


def _saved(worth: ResidencyWorth, each: TensorWorth) -> tuple[float, float]:
    """What nothing fits without comes first."""
    if each.latency_s is None or each.dram_bits is None:
        return math.inf, 0.0
    saved = each.latency_s, each.dram_bits
    return saved if worth.metric == "latency_s" else saved[::-1]


def _cell(unit: DisplayUnit, value: float | None) -> str:
    return ABSENT if value is None else signed(value / unit.scale).lstrip("+")


def larger_line(worth: ResidencyWorth, each: LargerSram) -> Text:
    """What the best choice in a larger SRAM keeps on chip, and what that makes of the metrics."""
    label = METRIC_UNITS[worth.metric].label
    words = {"one Mbit more": "one Mbit more", "useful step": f"for {LESS} less {label}"}
    text = Text(f"{words[each.why]}, an SRAM of {DRAM.amount(each.sram_bits)}: ")
    changes = ((LATENCY, worth.latency_s, each.latency_s), (DRAM, worth.dram_bits, each.dram_bits))
    told = [f"{u.label} {u.number(a)} → {u.amount(b)}" for u, a, b in changes if a != b]
    text.append(", ".join(told) or "nothing gets better")
    for what, names in (("keeps", each.comes), ("no longer", each.goes)):
        if names:
            text = Text.assemble(text, f"; {what} {first_few([short(x).plain for x in names])}")
    return text
