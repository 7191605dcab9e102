"""The shipped descriptions, and single ones, as text tables for the terminal and for programs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.costs.area import pe_area_um2
from codesign.costs.totals import areas_mm2
from codesign.results.text.layout import COUNT_UNITS, columns_table, literal, scaled, table
from codesign.results.text.phrases import remark
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.technology import Memory, QuadraticFit, Technology
from codesign.units import ABSENT, BITS_PER_GBIT, BITS_PER_KBIT, HZ_PER_MHZ, four_digits

Described = Network | Technology | Memory | Accelerator


def kinds_parts(shipped: Mapping[str, Sequence[str]]) -> list[RenderableType]:
    """The kinds of descriptions and the names of those shipped."""
    made = table("<kind", "<shipped")
    for kind, names in shipped.items():
        made.add_row(kind, ", ".join(names))
    return [made]


def catalogue(descriptions: Sequence[Described]) -> list[RenderableType]:
    """One row per description, all of one kind."""
    rows = [_summary(description) for description in descriptions]
    made = table(*(rows[0] if rows else ()))
    for row in rows:
        made.add_row(*row.values())
    return [made]


def imported_parts(
    network: Network, notes: Sequence[str], pins: Mapping[str, int]
) -> list[RenderableType]:
    """A network read from another format, what to know of it, and its widths as options."""
    told = [remark(note) for note in notes]
    if pins:
        words = (shlex.quote(f"{key}={bits}") for key, bits in pins.items())
        declared = literal("widths declared: " + " ".join(f"--pin {word}" for word in words))
        declared.no_wrap, declared.overflow = True, "ignore"  # to be copied as it is
        told.append(declared)
    return [*description(network), "", *told] if told else description(network)


def record(shown: Described) -> dict[str, Any]:
    """What ``--json`` prints of a description: its TOML keys, and the totals of a network."""
    totals = {"macs": shown.macs, "weights": shown.weights} if isinstance(shown, Network) else {}
    return {"name": shown.name, **totals, **asdict(shown)}


def imported_record(
    network: Network, notes: Sequence[str], pins: Mapping[str, int]
) -> dict[str, Any]:
    """What ``--json`` prints of a network read from another format."""
    return {**record(network), "notes": notes, "pinned": pins}


@singledispatch
def description(shown: Described) -> list[RenderableType]:
    """Everything in one description."""
    return _facts(shown)


@description.register
def _network(shown: Network) -> list[RenderableType]:
    return [*_facts(shown), "", _layers(shown)]


@description.register
def _technology(shown: Technology) -> list[RenderableType]:
    parts: list[RenderableType] = [*_facts(shown), "", _fits(shown)]
    return [*parts, "", _measured(shown)] if shown.pe_measured else parts


def _facts(shown: Described) -> list[RenderableType]:
    """A description's summary, one fact per line."""
    made = table("<", "<")
    made.show_header = False
    for name, value in _summary(shown).items():
        made.add_row(name.removeprefix("<"), value)
    return [made]


def _summary(shown: Described) -> dict[str, RenderableType]:
    """Headings (``<`` before words) and cells of one description."""
    row: dict[str, RenderableType] = {"<name": literal(shown.name)}
    if isinstance(shown, Network):
        row["layers"] = f"{len(shown.layers):,}"
        row["MACs"] = f"{shown.macs:,}"
        row["weights"] = f"{shown.weights:,}"
    elif isinstance(shown, Technology):
        row["multipliers per PE"] = str(shown.engine)
        row["<PE area µm²"] = _pe_formula(shown)
        row["<SRAM area µm²"] = Text(shown.sram_area_um2.formula("bits, ")) + literal(shown.sram)
    elif isinstance(shown, Accelerator):
        row |= _accelerator_summary(shown)
    else:
        row["GT/s"] = four_digits(shown.transfer_rate_gt_per_s)
        row["bus bits"] = str(shown.bus_width_bits)
        row["Gbit/s"] = four_digits(shown.bits_per_s / BITS_PER_GBIT)
    row["<source"] = literal(shown.source)
    return row


def _accelerator_summary(shown: Accelerator) -> dict[str, RenderableType]:
    floating = "" if shown.number_format == "integer" else ", floating"
    areas, _ = areas_mm2(shown)
    rate = shown.dram_bits_per_s
    return {
        "PEs": f"{shown.rows} × {shown.cols}",
        "multipliers per PE": str(shown.engine),
        "<bit": f"{shown.pe_weight_bits} × {shown.pe_activation_bits}{floating}",
        "MHz": four_digits(shown.clock_hz / HZ_PER_MHZ),
        "SRAM kbit": ABSENT
        if shown.sram_bits is None
        else four_digits(shown.sram_bits / BITS_PER_KBIT),
        "DRAM Gbit/s": ABSENT if rate is None else four_digits(rate / BITS_PER_GBIT),
        "PE array mm²": four_digits(areas["PE array"]) if "PE array" in areas else ABSENT,
    }


def _pe_formula(technology: Technology) -> str:
    fit = technology.pe_area_um2
    return fit.formula() if isinstance(fit, QuadraticFit) else fit.formula("BOPS")


def _layers(network: Network) -> Table:
    """One row per layer; loops that are 1 everywhere are left out."""
    layers = network.layers
    macs, unit = scaled([layer.macs for layer in layers], COUNT_UNITS)
    columns: dict[str, list[RenderableType]] = {"~layer": [literal(x.name) for x in layers]}
    for letter in ("N", "G", "K", "C"):
        if letter in "KC" or any(getattr(layer, letter) > 1 for layer in layers):
            columns[letter] = [str(getattr(layer, letter)) for layer in layers]
    columns |= {
        "P×Q": [f"{x.P}×{x.Q}" for x in layers],
        "R×S\n/stride": [_kernel(x) for x in layers],
        "H×W": [f"{x.H}×{x.W}" for x in layers],
        f"MACs\n{unit}": list(macs),
        "weights": [_weights(x) for x in layers],
        "<reads": [literal(", ".join(x.reads)) for x in layers],
    }
    return columns_table(columns.items())


def _kernel(layer: Layer) -> str:
    """``3×3``, ``3×3/2`` with a stride, ``3×3·2`` with a dilation, ``3×3↑2`` transposed."""
    if layer.moves:
        return ABSENT
    text = f"{layer.R}×{layer.S}"
    for sign, pair in (("·", layer.dilation), ("/", layer.stride), ("↑", layer.input_dilation)):
        vertical, horizontal = (pair, pair) if isinstance(pair, int) else pair
        if vertical != horizontal:
            text += f"{sign}{vertical}×{horizontal}"
        elif vertical > 1:
            text += f"{sign}{vertical}"
    return text


def _weights(layer: Layer) -> str:
    return f"{layer.weights:,}" if layer.owns_weights else ABSENT


def _fits(technology: Technology) -> Table:
    pe = technology.pe_area_um2
    unit = "bit" if isinstance(pe, QuadraticFit) else "BOPS"
    fits = [("PE", pe, _pe_formula(technology), unit)]
    for kind, sram in technology.sram_fits.items():
        name = f"SRAM, {kind}" + (" (default)" if kind == technology.sram else "")
        fits.append((name, sram, sram.formula("bits"), "bit"))
    made = table("<area of", "<µm²", "R²", "calibrated", "<source")
    for name, fit, formula, unit in fits:
        span = fit.calibrated
        made.add_row(
            literal(name),
            formula,
            "–" if fit.r2 is None else f"{fit.r2:g}",
            "not stated"
            if span is None
            else f"{four_digits(span[0])} to {four_digits(span[1])} {unit}",
            literal(fit.source),
        )
    return made


def _measured(technology: Technology) -> Table:
    """Published PE areas beside the fit, for the integer formats the fit speaks of."""
    made = table("<PE", "published µm²", "fit µm²", "deviation %", "<source")
    for pe in technology.pe_measured:
        fixed = re.fullmatch(r"fixed([0-9]{1,2})", pe.precision)
        fitted, deviation = "–", "–"
        if fixed:
            area_um2 = float(pe_area_um2(technology, int(fixed[1]), int(fixed[1])))
            fitted, deviation = f"{area_um2:,.1f}", f"{100 * (area_um2 / pe.area_um2 - 1):+.1f}"
        made.add_row(
            literal(pe.precision), f"{pe.area_um2:,.1f}", fitted, deviation, literal(pe.source)
        )
    return made
