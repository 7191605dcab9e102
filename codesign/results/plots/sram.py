"""The SRAM over the layers of a design or an evaluation: residents, tiles, free space, the limit.

Resident tensors stand on the ground, each in one place as long as it lives if that can be; the
tiles of the layer that runs hang from the limit, and over all layers of a fused run what the run
needs: weights, bands, rows of its input, partial sums. What is white between them is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.results.memory_map import Patch, lives_of, patches, shown_bits
from codesign.results.plots.by_layer import MAX_NAME, name_layers, titles, write_titles
from codesign.results.plots.drawing import (
    RIM,
    Figure,
    Look,
    canvas,
    draw_and_save,
    freeze_layout,
    short_label,
    title_and_legend,
)
from codesign.results.plots.labels import label_patch
from codesign.results.run_figures import fullest, run_numbers
from codesign.results.text.layout import counted
from codesign.units import BITS_PER_GBIT, BITS_PER_KBIT, BITS_PER_MBIT, four_digits

UNITS = (("Gbit", BITS_PER_GBIT), ("Mbit", BITS_PER_MBIT), ("kbit", BITS_PER_KBIT))
RESIDENT_COLOURS = (
    "#c3d3e8",
    "#8fb0d8",
    "#6c96c9",
    "#dbe5f1",
)  # grey levels 0.82, 0.68, 0.57, 0.89
TILES: Look = {"facecolor": "#f4cd85", "hatch": "////"}
RUN: Look = {"facecolor": "#fbeed2", "hatch": ".."}  # grey level 0.94, of tiles 0.82
TITLE_SHARE = 0.04  # of the picture's height, for each line of its heading


def plot_sram(result: Design | Evaluation, path: str | Path | None = None) -> Figure:
    """What the SRAM holds during each layer; see `HardwareResult.plot_sram`."""
    if result.accelerator.sram_bits is None or result.layer_designs[0].sram_bits is None:
        raise SpecError("nothing to draw: no SRAM is given, or nothing is cut into tiles for it")
    return draw_and_save(lambda: _draw(result), path)


def _draw(result: Design | Evaluation) -> Figure:
    layers = result.layers
    lines = titles(result, layers)
    head = 0.995 - TITLE_SHARE * len(lines)
    picture = canvas(14, 6.6, w_pad=0.12, h_pad=0.1, rect=(0, 0, 1, head))
    axes = picture.add_subplot()
    drawn, scale = draw_sram(axes, result, 2 if result.fused_runs else 3)
    name_layers([axes], result.network, layers)
    write_titles(picture, lines, TITLE_SHARE)
    freeze_layout(picture)
    name_residents(axes, drawn, scale)
    return picture


def draw_sram(axes: Axes, result: Design | Evaluation, columns: int) -> tuple[list[Patch], float]:
    """Draw all but the names of the tensors; return these, and the bits of the unit shown.

    ``columns`` are those of the legend.
    """
    rows, capacity = result.layer_designs, result.accelerator.sram_bits
    assert capacity is not None  # refused before
    tiles = np.array([row.sram_bits or 0 for row in rows], dtype=np.float64)
    held = np.array([row.resident_bits for row in rows], dtype=np.float64)
    limit = shown_bits(capacity, int((tiles + held).max()))
    unit, scale = next((x for x in UNITS if limit >= x[1]), UNITS[-1])
    drawn = patches(lives_of(result), [limit - (row.sram_bits or 0) for row in rows])
    rim = RIM | {"lw": min(RIM["lw"], 60 / len(rows)), "fill": True}
    for patch, colour in zip(drawn, _colours(drawn), strict=True):
        low, high = patch.low / scale, patch.high / scale
        axes.stairs(high, _edges(patch.first, len(low)), baseline=low, facecolor=colour, **rim)
    legend: list[Any] = []
    if drawn:
        most = f"at most {four_digits(held.max() / scale)} {unit}"
        label = f"{counted(len(drawn), 'resident tensor')}: {most}"
        legend.append(Rectangle((0, 0), 1, 1, label=label, facecolor=RESIDENT_COLOURS[0], **RIM))
    legend += _hung(axes, result, limit / scale, tiles / scale, unit, rim)
    label = f"SRAM: {four_digits(capacity / scale)} {unit}"
    if limit < capacity:
        label += f" ({four_digits((capacity - limit) / scale)} {unit}, always free, left out)"
    legend.append(axes.axhline(limit / scale, color="black", lw=1.6, ls="--", label=label))
    axes.set(ylim=(0, 1.08 * limit / scale), ylabel=f"SRAM ({unit})")
    axes.grid(True, axis="y")
    _name_fullest(axes, result, limit / scale)
    title_and_legend(axes, "SRAM per layer: what is white is free", legend, columns)
    return drawn, scale


def _hung(
    axes: Axes, result: Design | Evaluation, limit: float, needs: Floats, unit: str, rim: Look
) -> list[Any]:
    """Draw what hangs from the limit, tiles of layers and all that fused runs need; the legend."""
    fused, legend = np.array([x is not None for x in run_numbers(result)]), list[Any]()
    if not fused.all():
        top = np.where(fused, np.nan, limit)
        look = TILES | {"baseline": np.where(fused, np.nan, limit - needs)} | rim
        legend.append(axes.stairs(top, _edges(0, len(needs)), **look))
        most = four_digits(needs[~fused].max())
        legend[-1].set_label(f"tiles of the layer: at most {most} {unit}")
    for run in result.fused_runs:
        edges, look = _edges(run.first, len(run.layers))[[0, -1]], RUN | rim
        hung = axes.stairs([limit], edges, baseline=[limit - needs[run.first]], **look)
    if fused.any():
        most = f"at most {four_digits(needs[fused].max())} {unit}"
        runs = counted(len(result.fused_runs), "fused run")
        hung.set_label(f"{runs}: {most}")
        legend.append(hung)
    return legend


def name_residents(axes: Axes, drawn: Sequence[Patch], scale: float) -> None:
    """Write name and size into every patch that has room for them; the layout must be final."""
    for patch in drawn:
        name, bits = short_label(patch.name, MAX_NAME), patch.high[0] - patch.low[0]
        texts = (f"{name}\n{four_digits(bits / scale)}", name)
        edges = _edges(patch.first, len(patch.low))
        label_patch(axes, edges, patch.low / scale, patch.high / scale, texts)


def _edges(first: int, count: int) -> Floats:
    """Where the bars of as many layers begin and end, layers numbered from 1."""
    return np.asarray(first + 0.5 + np.arange(count + 1), dtype=np.float64)


def _name_fullest(axes: Axes, result: Design | Evaluation, limit: float) -> None:
    """Name the layer or the run during which the SRAM is fullest, above the limit."""
    rows, capacity = result.layer_designs, result.accelerator.sram_bits
    row, run = fullest(result)
    assert capacity is not None  # refused before
    share = ((row.sram_bits or 0) + row.resident_bits) / capacity
    name = short_label(row.name, MAX_NAME)
    if run is not None:
        name += f" to {short_label(rows[run.last].name, MAX_NAME)}, fused"
    index, count = rows.index(row), len(rows)
    text = f"fullest: {name}, {100 * share:.1f} %"
    align = ("left", "center", "right")[int(3 * index / count)]
    place = index + 1 + {"left": -0.4, "center": 0.0, "right": 0.4}[align]
    look: Look = {"textcoords": "offset points", "ha": align, "fontsize": 8}
    look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.annotate(text, (place, limit), (0, 5), **look)


def _colours(drawn: Sequence[Patch]) -> list[str]:
    """A colour for each, other than those of what it touches, as far as they go."""
    chosen, live = list[str](), list[tuple[int, float, float, str]]()
    for patch in drawn:
        low, high, end = patch.low.min(), patch.high.max(), patch.first + len(patch.low)
        live = [other for other in live if other[0] >= patch.first]
        beside = {colour for _, bottom, top, colour in live if bottom <= high and top >= low}
        free = [colour for colour in RESIDENT_COLOURS if colour not in beside]
        chosen.append((free or RESIDENT_COLOURS)[0])
        live.append((end, float(low), float(high), chosen[-1]))
    return chosen
