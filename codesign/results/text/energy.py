"""The energy of a design or an evaluation as text: per image, in rates, and by part."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table

from codesign.results.energy import EnergyFigures
from codesign.results.hardware_result import HardwareResult
from codesign.results.text.layout import percent, table
from codesign.units import METRIC_UNITS, MJ_PER_J, MS_PER_S, four_digits

LABELS = {
    "macs": "MACs",
    "sram_weights": "SRAM: weights",
    "sram_ifmap": "SRAM: ifmaps",
    "sram_psum": "SRAM: partial sums",
    "sram_output": "SRAM: outputs",
    "sram_residual": "SRAM: residuals",
    "dram": "DRAM",
    "static": "static power",
}


def energy_parts(result: HardwareResult) -> list[RenderableType]:
    """Rates in one line, then a row for each part; nothing where the energy is not known."""
    energy = result.energy
    return [] if energy is None else ["", _rates_line(energy), "", _parts_table(energy)]


def _rates_line(energy: EnergyFigures) -> str:
    parts = [f"{four_digits(energy.per_image_j * MJ_PER_J)} mJ per image"]
    if energy.average_w is not None:
        parts.append(f"{four_digits(energy.average_w)} W on average")
    if energy.tops_per_w is not None:
        parts.append(f"{four_digits(energy.tops_per_w)} TOPS/W")
    if energy.energy_delay_js is not None:
        product = energy.energy_delay_js * MJ_PER_J * MS_PER_S
        parts.append(f"energy-delay product {four_digits(product)} mJ·ms")
    return f"energy {', '.join(parts)}; 2 operations a MAC"


def _parts_table(energy: EnergyFigures) -> Table:
    """What is spent on what, and its share; parts of nothing are left out."""
    unit, whole_j = METRIC_UNITS["energy_j"], math.fsum(energy.parts_j.values())
    made = table("<energy", unit.unit, "share")
    for part, label in LABELS.items():
        value = energy.parts_j[part]
        if value > 0:
            made.add_row(label, unit.number(value), percent(value / whole_j))
    made.add_row("total", unit.number(energy.total_j), percent(1))
    return made
