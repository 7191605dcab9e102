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

from codesign.costs.area import pe_area_um2, sram_area_um2
from codesign.costs.fpga import array_dsp, pe_lut
from codesign.costs.totals import areas_mm2
from codesign.results.text.layout import (
    COUNT_UNITS,
    columns_table,
    facts_table,
    literal,
    scaled,
    table,
)
from codesign.results.text.machines import machine_line
from codesign.results.text.phrases import mapping_text, remark
from codesign.specs.accelerator import Accelerator
from codesign.specs.decoder import Decoder
from codesign.specs.fpga import Fpga
from codesign.specs.network import Layer, Network
from codesign.specs.technology import Energies, Memory, QuadraticFit, Technology
from codesign.specs.write_network import network_record
from codesign.units import (
    ABSENT,
    BITS_PER_GBIT,
    BITS_PER_KBIT,
    BITS_PER_MBIT,
    FJ_PER_J,
    MW_PER_W,
    PJ_PER_J,
    RATE_UNITS,
    UM2_PER_MM2,
    four_digits,
)

Spec = Network | Decoder | Technology | Fpga | Memory | Accelerator
IN_TABLES_OF_THEIR_OWN = (Fpga, Decoder)  # which have other facts than the rest of their kind


def kinds_parts(shipped: Mapping[str, Sequence[str]]) -> list[RenderableType]:
    """The kinds of descriptions and the names of those shipped."""
    made = table("<kind", "<shipped")
    for kind, names in shipped.items():
        made.add_row(kind, ", ".join(names))
    return [made]


def catalogue(specs: Sequence[Spec]) -> list[RenderableType]:
    """One row per description, all of one kind; FPGAs and decoders below in tables of their own."""
    parts: list[RenderableType] = []
    for apart in (False, True):
        of_them = (x for x in specs if isinstance(x, IN_TABLES_OF_THEIR_OWN) == apart)
        rows = [_summary(spec) for spec in of_them]
        if not rows:
            continue
        made = table(*rows[0])
        for row in rows:
            made.add_row(*row.values())
        parts += ["", made] if parts else [made]
    return parts


def imported_parts(
    network: Network, notes: Sequence[str], pins: Mapping[str, int]
) -> list[RenderableType]:
    """A network read from another format, what to know of it, and its widths as options."""
    remarks = [remark(note) for note in notes]
    if pins:
        words = (shlex.quote(f"{key}={bits}") for key, bits in pins.items())
        declared = literal("widths declared: " + " ".join(f"--pin {word}" for word in words))
        declared.no_wrap, declared.overflow = True, "ignore"  # to be copied as it is
        remarks.append(declared)
    return [*spec_parts(network), "", *remarks] if remarks else spec_parts(network)


def spec_record(spec: Spec) -> dict[str, Any]:
    """What ``--json`` prints of a description: its TOML keys, and the totals of a network."""
    if not isinstance(spec, Network):
        return {"name": spec.name, **asdict(spec)}
    stored = {} if spec.stored_macs == spec.macs else {"stored_macs": spec.stored_macs}
    totals = {"macs": spec.macs, **stored, "weights": spec.weights}
    return {"name": spec.name, **totals, **network_record(spec)}


def imported_record(
    network: Network, notes: Sequence[str], pins: Mapping[str, int]
) -> dict[str, Any]:
    """What ``--json`` prints of a network read from another format."""
    return {**spec_record(network), "notes": notes, "pinned": pins}


@singledispatch
def spec_parts(spec: Spec) -> list[RenderableType]:
    """Everything in one description."""
    return _facts(spec)


@spec_parts.register
def _network(spec: Network) -> list[RenderableType]:
    return [*_facts(spec), "", _layers(spec)]


@spec_parts.register
def _accelerator(spec: Accelerator) -> list[RenderableType]:
    precision = [] if spec.precision == "fixed" else [f"precision: {spec.precision}"]
    return [*_facts(spec), *precision, *machine_line(spec), *_energies(spec.energy)]


@spec_parts.register
def _technology(spec: Technology) -> list[RenderableType]:
    parts: list[RenderableType] = [*_facts(spec), "", _fits(spec)]
    parts += ["", _measured(spec)] if spec.pe_measured else []
    parts += _energies(spec.energy)
    return [*parts, "", *map(remark, spec.scaling_note)] if spec.scaled_from else parts


def _facts(spec: Spec) -> list[RenderableType]:
    """A description's summary, one fact per line."""
    return [facts_table({name.removeprefix("<"): x for name, x in _summary(spec).items()})]


def _summary(spec: Spec) -> dict[str, RenderableType]:
    """Headings (``<`` before words) and cells of one description."""
    row: dict[str, RenderableType] = {"<name": literal(spec.name)}
    if isinstance(spec, Network):
        row["layers"] = f"{len(spec.layers):,}"
        row["MACs"] = f"{spec.macs:,}"
        if spec.stored_macs < spec.macs:
            row["without inserted zeros"] = f"{spec.stored_macs:,}"
        row["weights"] = f"{spec.weights:,}"
        if spec.cache:
            row["KV cache elements"] = f"{sum(spec.tensors[x] for x in spec.cache):,}"
    elif isinstance(spec, Decoder):
        row |= _decoder_summary(spec)
    elif isinstance(spec, Fpga):
        row |= _fpga_summary(spec)
    elif isinstance(spec, Technology):
        row["node nm"] = ABSENT if spec.node_nm is None else f"{spec.node_nm:g}"
        row["multipliers per PE"] = str(spec.engine)
        row["<PE area µm²"] = _pe_formula(spec)
        row["8 × 8 bit"] = four_digits(float(pe_area_um2(spec, 8, 8)))
        row["<SRAM area µm²"] = Text(spec.sram_area_um2.formula("bits, ")) + literal(spec.sram)
        row["mm² per Mbit"] = four_digits(_mbit_mm2(spec))
    elif isinstance(spec, Accelerator):
        row |= _accelerator_summary(spec)
    else:
        row["GT/s"] = four_digits(spec.transfer_rate_gt_per_s)
        row["bus bits"] = str(spec.bus_width_bits)
        row["Gbit/s"] = four_digits(spec.bits_per_s / BITS_PER_GBIT)
        row["pJ per bit"] = _scaled_or_absent(spec.energy_j_per_bit, PJ_PER_J)
    row["<source"] = literal(spec.source)
    return row


def _decoder_summary(spec: Decoder) -> dict[str, RenderableType]:
    sizes = spec.decoder
    kv_heads = "" if sizes.key_heads == sizes.heads else f", {sizes.key_heads} of keys and values"
    return {
        "blocks": f"{sizes.blocks}",
        "hidden": f"{sizes.hidden:,}",
        "<heads": f"{sizes.heads} of {sizes.head_elements}{kv_heads}",
        "<feed-forward": f"{sizes.ffn:,}" + (", gated" if sizes.gated else ""),
        "vocabulary": f"{sizes.vocabulary:,}",
        "context": f"{sizes.max_context:,}",
        "weights": f"{sizes.weights:,}",
        "KV elements per token": f"{sizes.cache_elements:,}",
        "<phases": "@prefill:TOKENS, @decode:CONTEXT",
    }


def _fpga_summary(spec: Fpga) -> dict[str, RenderableType]:
    pe = float(pe_lut(spec, 8, 8))
    return {
        "multipliers per PE": str(spec.engine),
        "<multiplier of": "LUTs" if spec.multipliers == "lut" else "DSP blocks",
        "LUTs of an array": four_digits(spec.base_lut),
        "of a PE, 8 × 8 bit": four_digits(spec.lut_factor * pe),
        "DSP blocks": f"{float(array_dsp(spec, 1, 1, 8, 8)):g}",
        "bits of a block RAM": f"{spec.bram_bits:,}",
    }


def _accelerator_summary(spec: Accelerator) -> dict[str, RenderableType]:
    floating = "" if spec.number_format == "integer" else ", floating"
    areas, _ = areas_mm2(spec)
    rate = spec.dram_bits_per_s
    return {
        "PEs": f"{spec.rows} × {spec.cols}",
        "multipliers per PE": str(spec.engine),
        "<mapping": mapping_text(spec),
        "<bit": f"{spec.pe_weight_bits} × {spec.pe_activation_bits}{floating}",
        "MHz": RATE_UNITS["clock_hz"].number(spec.clock_hz),
        "SRAM kbit": ABSENT
        if spec.sram_bits is None
        else four_digits(spec.sram_bits / BITS_PER_KBIT),
        "DRAM Gbit/s": ABSENT if rate is None else RATE_UNITS["dram_bits_per_s"].number(rate),
        "PE array mm²": four_digits(areas["PE array"]) if "PE array" in areas else ABSENT,
    }


def _energies(given: Energies | None) -> list[RenderableType]:
    """What a chip takes, a fact a row, and where that is from; nothing where none is known."""
    if given is None:
        return []
    bank = "" if given.bank_bits is None else f", of a bank of {given.bank_bits:,} bit"
    made = table("<energy of", "", "<")
    for what, value, scale, unit in (
        ("a bit operation", given.j_per_bop, FJ_PER_J, "fJ"),
        ("a MAC, beside its bit operations", given.j_per_mac, FJ_PER_J, "fJ"),
        (f"a bit read from SRAM{bank}", given.sram_read_j_per_bit, FJ_PER_J, "fJ"),
        (f"a bit written{bank}", given.sram_write_j_per_bit, FJ_PER_J, "fJ"),
        ("the whole chip at all times", given.static_w, MW_PER_W, "mW"),
        ("its area at all times", given.static_w_per_mm2, MW_PER_W, "mW per mm²"),
    ):
        made.add_row(what, _scaled_or_absent(value, scale), unit)
    parts: list[RenderableType] = ["", made]
    return [*parts, "", remark(given.source, "source of energies")] if given.source else parts


def _scaled_or_absent(value: float | None, scale: float) -> str:
    return ABSENT if value is None else four_digits(value * scale)


def _mbit_mm2(technology: Technology) -> float:
    """Area of an SRAM of 1 Mbit."""
    return float(sram_area_um2(technology, BITS_PER_MBIT)) / UM2_PER_MM2


def _pe_formula(technology: Technology) -> str:
    fit = technology.pe_area_um2
    return fit.formula() if isinstance(fit, QuadraticFit) else fit.formula("BOPS")


def _layers(network: Network) -> Table:
    """One row per layer; loops that are 1 everywhere are left out."""
    layers = network.layers
    every = [layer.macs for layer in layers], [layer.stored_macs for layer in layers]
    numbers, unit = scaled([*every[0], *every[1]], COUNT_UNITS)
    macs, stored = numbers[: len(layers)], numbers[len(layers) :]
    columns: dict[str, list[RenderableType]] = {"~layer": [literal(x.name) for x in layers]}
    for letter in ("N", "G", "K", "C"):
        if letter in "KC" or any(getattr(layer, letter) > 1 for layer in layers):
            columns[letter] = [str(getattr(layer, letter)) for layer in layers]
    columns |= {
        "P×Q": [f"{x.P}×{x.Q}" for x in layers],
        "R×S\n/stride": [_kernel(x) for x in layers],
        "H×W": [f"{x.H}×{x.W}" for x in layers],
        f"MACs\n{unit}": list(macs),
        **({f"no zeros\n{unit}": list(stored)} if every[0] != every[1] else {}),
        "weights": [_weights(x) for x in layers],
        "<reads": [literal(", ".join(x.reads)) for x in layers],
    }
    return columns_table(columns.items())


def _kernel(layer: Layer) -> str:
    """``3×3``, ``3×3/2`` with a stride, ``3×3·2`` with a dilation, ``3×3↑2`` transposed.

    ``3×3⇈2`` over an image enlarged twofold.
    """
    if layer.moves:
        return ABSENT
    text = f"{layer.R}×{layer.S}"
    signs = ("·", layer.dilation), ("/", layer.stride), ("↑", layer.input_dilation)
    for sign, pair in (*signs, ("⇈", layer.input_repetition)):
        vertical, horizontal = (pair, pair) if isinstance(pair, int) else pair
        if vertical != horizontal:
            text += f"{sign}{vertical}×{horizontal}"
        elif vertical > 1:
            text += f"{sign}{vertical}"
    return text


def _weights(layer: Layer) -> RenderableType:
    if layer.weights_of is not None:
        return literal(f"of {layer.weights_of}")
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
            ABSENT if fit.r2 is None else f"{fit.r2:g}",
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
        fitted, deviation = ABSENT, ABSENT
        if fixed:
            area_um2 = float(pe_area_um2(technology, int(fixed[1]), int(fixed[1])))
            fitted, deviation = f"{area_um2:,.1f}", f"{100 * (area_um2 / pe.area_um2 - 1):+.1f}"
        made.add_row(
            literal(pe.precision), f"{pe.area_um2:,.1f}", fitted, deviation, literal(pe.source)
        )
    return made
