"""What tensors on chip are worth, as text: each by itself, then what a larger SRAM would do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.errors import first_few
from codesign.results.residency_worth import (
    USEFUL,
    BandWorth,
    FusionWorth,
    LargerSram,
    ResidencyWorth,
    TensorWorth,
)
from codesign.results.text.layout import BIT_UNITS, literal, scaled, short, table
from codesign.results.text.phrases import signed
from codesign.units import ABSENT, METRIC_UNITS, DisplayUnit

LESS = f"{100 * USEFUL:g} %"
LATENCY, DRAM = METRIC_UNITS["latency_s"], METRIC_UNITS["dram_bits"]


def worth_parts(worth: ResidencyWorth) -> list[RenderableType]:
    """The tables of tensors and of bands, and a line for each larger SRAM."""
    if not worth.complete:
        return ["what tensors on chip are worth: not in time"]
    parts: list[RenderableType] = []
    if worth.tensors:
        parts += [tensors_table(worth, "resident tensor", worth.tensors), ""]
    if worth.fusion is not None and worth.fusion.bands:
        parts += [tensors_table(worth, "tensor held as a band", worth.fusion.bands), ""]
    parts += [] if worth.fusion is None else [unfused_line(worth, worth.fusion)]
    parts += [larger_line(worth, each) for each in worth.larger]
    if "useful step" not in {each.why for each in worth.larger}:
        label = METRIC_UNITS[worth.metric].label
        parts.append(f"no SRAM makes {label} {LESS} less with this array and these widths")
    return parts if worth.proven else [*parts, "these choices of tensors are not proven best"]


def tensors_table(
    worth: ResidencyWorth, heading: str, tensors: Sequence[TensorWorth | BandWorth]
) -> Table:
    """What each tensor saves, those that save most first."""
    amounts, unit = scaled([each.sram_bits for each in tensors], BIT_UNITS)
    made = table(
        *(f"~{heading}", f"size\n{unit}"),
        *(f"saves latency\n{LATENCY.unit}", f"saves DRAM traffic\n{DRAM.unit}"),
    )
    rows = [*zip(tensors, amounts, strict=True)]
    for each, amount in sorted(rows, key=lambda row: _saved(worth, row[0]), reverse=True):
        cells = _cell(LATENCY, each.latency_s), _cell(DRAM, each.dram_bits)
        made.add_row(literal(each.name), amount, *cells)
    return made


def _saved(worth: ResidencyWorth, each: TensorWorth | BandWorth) -> tuple[float, float]:
    """What nothing fits without comes first."""
    if each.latency_s is None or each.dram_bits is None:
        return math.inf, 0.0
    saved = each.latency_s, each.dram_bits
    return saved if worth.metric == "latency_s" else saved[::-1]


def _cell(unit: DisplayUnit, value: float | None) -> str:
    return ABSENT if value is None else signed(value / unit.scale).lstrip("+")


def unfused_line(worth: ResidencyWorth, fusion: FusionWorth) -> str:
    """What the best choice without fused layers has, on the same array at the same widths."""
    if fusion.latency_s is None or fusion.dram_bits is None:
        return "no layers fused: nothing fits the SRAM"
    return f"no layers fused: {_told(worth, fusion.latency_s, fusion.dram_bits) or 'the same'}"


def _told(worth: ResidencyWorth, latency_s: float, dram_bits: float) -> str:
    """What becomes of the metrics."""
    changes = ((LATENCY, worth.latency_s, latency_s), (DRAM, worth.dram_bits, dram_bits))
    return ", ".join(f"{u.label} {u.number(a)} → {u.amount(b)}" for u, a, b in changes if a != b)


def larger_line(worth: ResidencyWorth, each: LargerSram) -> Text:
    """What the best choice in a larger SRAM keeps on chip, and what that makes of the metrics."""
    label = METRIC_UNITS[worth.metric].label
    words = {"one Mbit more": "one Mbit more", "useful step": f"for {LESS} less {label}"}
    text = Text(f"{words[each.why]}, an SRAM of {DRAM.amount(each.sram_bits)}: ")
    text.append(_told(worth, each.latency_s, each.dram_bits) or "nothing gets better")
    for what, names in (
        ("keeps", each.comes),
        ("no longer", each.goes),
        ("bands of", each.bands_come),
        ("no longer bands of", each.bands_go),
    ):
        if names:
            text = Text.assemble(text, f"; {what} {first_few([short(x).plain for x in names])}")
    return text
