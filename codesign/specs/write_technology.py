"""Writes a technology as the TOML file that `load_technology` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from codesign.specs.technology import Technology
from codesign.specs.toml_text import comments, key, value_text

UNITS = {
    "engine": "multipliers of the PE the fit describes",
    "sram": "the SRAM used unless another is asked for",
    "intercept": "µm²",
    "quadratic": "µm² per bit², of bw·ba",
    "linear": "µm² per bit, of (bw + ba)/2",
    "constant": "µm²",
    "area_um2": "µm²",
    "node_nm": "nm",
    "j_per_bop": "J per bit operation",
    "j_per_mac": "J per MAC",
    "sram_read_j_per_bit": "J per bit read",
    "sram_write_j_per_bit": "J per bit written",
    "bank_bits": "bit",
    "static_w": "W",
    "static_w_per_mm2": "W per mm²",
}


def to_toml(technology: Technology, remarks: Iterable[str] = ()) -> str:
    """The file's text: remarks as comments first, every number with its unit beside it.

    Of the SRAM kinds all are written; what has its default value is left out.
    """
    lines = comments(remarks)
    lines += _entries(technology, ("name", "engine", "sram", "node_nm", "source"))
    pe = technology.pe_area_um2
    size = "BOPS" if hasattr(pe, "slope") else "bits of an operand"
    lines += ["", "[pe_area_um2]  # area of one PE, µm²", *_fit(pe, size)]
    for kind, fit in technology.sram_fits.items():
        heading = f"[sram_fits.{key(kind)}]  # area of an SRAM, µm², against its bits"
        lines += ["", heading, *_fit(fit, "bit")]
    if technology.scaled_from is not None:
        names = tuple(field.name for field in fields(technology.scaled_from))
        lines += ["", "[scaled_from]", *_entries(technology.scaled_from, names)]
    if technology.energy is not None:
        names = tuple(field.name for field in fields(technology.energy))
        lines += ["", "[energy]", *_entries(technology.energy, names)]
    for measured in technology.pe_measured:
        lines += ["", "[[pe_measured]]"]
        lines += _entries(measured, ("precision", "area_um2", "source"))
    return "\n".join(lines) + "\n"


def _fit(fit: Any, size: str) -> list[str]:
    names = tuple(field.name for field in fields(fit))
    return _entries(fit, names, {"slope": f"µm² per {size}", "calibrated": size})


def _entries(described: Any, names: Iterable[str], units: Mapping[str, str] = UNITS) -> list[str]:
    lines = []
    for name in names:
        value = getattr(described, name)
        if value is None or value == "":
            continue
        unit = {**UNITS, **units}.get(name)
        lines.append(f"{name} = {value_text(value)}" + (f"  # {unit}" if unit else ""))
    return lines
