"""Energy over the layers of a result by part, and all layers together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.problem.metrics import ENERGY
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.results.energy import NO_ENERGY, EnergyFigures
from codesign.results.evaluation import Evaluation
from codesign.results.plots.by_layer import name_layers, titles, write_titles
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    canvas,
    draw_and_save,
    freeze_layout,
    title_and_legend,
)
from codesign.results.plots.pipeline import pipeline_titles
from codesign.results.text.energy import part_labels
from codesign.units import METRIC_UNITS, MJ_PER_J, NJ_PER_J, PJ_PER_J, UJ_PER_J, four_digits

TITLE_SHARE = 0.04  # of the picture's height, for each line of its heading
UNITS = (("mJ", MJ_PER_J), ("µJ", UJ_PER_J), ("nJ", NJ_PER_J), ("pJ", PJ_PER_J))
LOOKS: dict[str, Look] = {  # grey levels from 0.35 to 0.97; hatches tell neighbours apart
    "macs": {"facecolor": "#3f5f8a"},
    "sram_weights": {"facecolor": "#8fb0d8", "hatch": "////"},
    "sram_ifmap": {"facecolor": "#c3d3e8"},
    "sram_psum": {"facecolor": "#8fb0d8", "hatch": "...."},
    "sram_output": {"facecolor": "#dbe5f1", "hatch": "\\\\\\\\"},
    "sram_residual": {"facecolor": "#eef3f9", "hatch": "xxxx"},
    "dram": {"facecolor": "#f4cd85"},
    "weights": {"facecolor": "#8fb0d8", "hatch": "////"},
    "lines": {"facecolor": "#c3d3e8"},
    "psums": {"facecolor": "#8fb0d8", "hatch": "...."},
    "fifos": {"facecolor": "#eef3f9", "hatch": "xxxx"},
    "static": {"facecolor": "#f7f7f5", "hatch": "--"},
}
Drawn = Design | Evaluation | DataflowDesign


def plot_energy(result: Drawn, path: str | Path | None = None) -> Figure:
    """Energy of each layer or stage by part, and of all; see `HardwareResult.plot_energy`."""
    energy = result.energy
    if energy is None:
        why = [note for note in result.notes if note.startswith(NO_ENERGY)]
        raise SpecError(f"nothing to draw: {'; '.join(why) or NO_ENERGY}")
    if energy.total_j == 0:
        raise SpecError("nothing to draw: the energy is 0")
    return draw_and_save(lambda: _draw(result, energy), path)


def _draw(result: Drawn, energy: EnergyFigures[Any]) -> Figure:
    layers, of = result.layers, "layer"
    if isinstance(result, DataflowDesign):
        lines, of = pipeline_titles(result), "stage"
    else:
        lines = titles(result, layers)
    head = 0.995 - TITLE_SHARE * len(lines)
    picture = canvas(14, 6.8, w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, head))
    places = picture.add_gridspec(2, 1, height_ratios=(5, 1))
    by_layer, whole = picture.add_subplot(places[0]), picture.add_subplot(places[1])
    shown = {part: x for part, x in part_labels(energy).items() if energy.parts_j[part] > 0}
    _by_layer(by_layer, energy, shown, of)
    if len(set(result.network.layer_weights)) > 1:
        by_layer.set_ylabel(f"{by_layer.get_ylabel()}, each network once")
    name_layers([by_layer], result.network, layers, ENERGY)
    _whole(whole, energy, shown, of)
    write_titles(picture, lines, TITLE_SHARE)
    freeze_layout(picture)
    return picture


def _by_layer(axes: Axes, energy: EnergyFigures[Any], shown: Mapping[str, str], of: str) -> None:
    most = max(x.total_j for x in energy.layers)
    unit, per_j = next((x for x in UNITS if most * x[1] >= 1), UNITS[-1])
    count = len(energy.layers)
    rim = RIM | {"lw": min(RIM["lw"], 60 / count), "width": 0.86}
    ground: Floats = np.zeros(count)
    legend: list[Any] = []
    for part, name in shown.items():
        height = np.array([x.parts_j[part] for x in energy.layers]) * per_j
        share = energy.parts_j[part] / energy.total_j
        label = f"{name}: {100 * share:.1f} %"
        look: Look = {"bottom": ground, "label": label} | LOOKS[part] | rim
        legend.append(axes.bar(np.arange(1, count + 1), height, **look))
        ground = ground + height
    axes.set(ylim=(0, 1.05 * ground.max()), ylabel=f"energy ({unit})")
    axes.grid(True, axis="y")
    title_and_legend(axes, f"Energy per {of} by part", legend, 4)


def _whole(axes: Axes, energy: EnergyFigures[Any], shown: Iterable[str], of: str) -> None:
    unit, left = METRIC_UNITS["energy_j"], 0.0
    for part in shown:
        width = energy.parts_j[part] / unit.scale
        axes.barh(0, width, left=left, height=0.8, **LOOKS[part], **RIM)
        left += width
    rates = [f"{unit.number(energy.per_image_j)} mJ per image"]
    if energy.average_w is not None:
        rates.append(f"{four_digits(energy.average_w)} W on average")
    if energy.tops_per_w is not None:
        rates.append(f"{four_digits(energy.tops_per_w)} TOPS/W")
    axes.set(xlim=(0, left), ylim=(-0.5, 0.5), yticks=[], xlabel=f"energy ({unit.unit})")
    title_and_legend(axes, f"All {of}s: {', '.join(rates)}", [], 1)
