"""The energy of a design, evaluation or pipeline as text: per image, in rates, and by part."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from codesign.results.dataflow_design import DataflowDesign
from codesign.results.energy import EnergyFigures
from codesign.results.hardware_result import HardwareResult
from codesign.results.text.layout import percent, table
from codesign.units import (
    METRIC_UNITS,
    MJ_PER_J,
    MS_PER_S,
    four_digits,
)

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
OF_STAGES = {
    "macs": "MACs",
    "weights": "memories: weights",
    "lines": "memories: input rows",
    "psums": "memories: partial sums",
    "fifos": "memories: FIFOs",
    "dram": "DRAM",
    "static": "static power",
}


def energy_parts(result: HardwareResult | DataflowDesign) -> list[RenderableType]:
    """Rates in one line, then a row for each part; nothing where the energy is not known."""
    energy = result.energy
    if energy is None:
        return []
    rates = energy.average_w, energy.tops_per_w, energy.energy_delay_js
    line = _rates_line(energy.per_image_j, *rates)
    return ["", line, "", _parts_table(part_labels(energy), energy.parts_j, energy.total_j)]


def part_labels(energy: EnergyFigures[Any]) -> dict[str, str]:
    """What the parts of a result's energy are called, in the order they are told in."""
    return next(x for x in (LABELS, OF_STAGES) if x.keys() == energy.parts_j.keys())


def _rates_line(
    per_image_j: float,
    average_w: float | None,
    tops_per_w: float | None,
    energy_delay_js: float | None,
) -> str:
    parts = [f"{four_digits(per_image_j * MJ_PER_J)} mJ per image"]
    if average_w is not None:
        parts.append(f"{four_digits(average_w)} W on average")
    if tops_per_w is not None:
        parts.append(f"{four_digits(tops_per_w)} TOPS/W")
    if energy_delay_js is not None:
        product = energy_delay_js * MJ_PER_J * MS_PER_S
        parts.append(f"energy-delay product {four_digits(product)} mJ·ms")
    return f"energy {', '.join(parts)}; 2 operations a MAC"


def _parts_table(labels: Mapping[str, str], parts_j: Mapping[str, float], total_j: float) -> Table:
    """What is spent on what, and its share; parts of nothing are left out."""
    unit, whole_j = METRIC_UNITS["energy_j"], math.fsum(parts_j.values())
    made = table("<energy", unit.unit, "share")
    for part, label in labels.items():
        value = parts_j[part]
        if value > 0:
            made.add_row(label, unit.number(value), percent(value / whole_j))
    made.add_row("total", unit.number(total_j), percent(1))
    return made
