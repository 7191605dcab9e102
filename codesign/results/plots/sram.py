"""The SRAM over the layers of a design or an evaluation: residents, tiles, free space, the limit.

Resident tensors stand on the ground, each in one place as long as it lives if that can be; the
tiles of the layer that runs hang from the limit. What is white between them is free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from codesign.arrays import Floats
from codesign.errors import SpecError
from codesign.results.consistency import names_on_chip
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
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
from codesign.results.plots.memory_map import Life, Patch, patches
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
    drawn, scale = draw_sram(axes, result, 3)
    name_layers([axes], layers)
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
    limit = _shown(capacity, int((tiles + held).max()))
    unit, scale = next((x for x in UNITS if limit >= x[1]), UNITS[-1])
    drawn = patches(_lives(result), [limit - (row.sram_bits or 0) for row in rows])
    rim = RIM | {"lw": min(RIM["lw"], 60 / len(rows)), "fill": True}
    for patch, colour in zip(drawn, _colours(drawn), strict=True):
        low, high = patch.low / scale, patch.high / scale
        axes.stairs(high, _edges(patch.first, len(low)), baseline=low, facecolor=colour, **rim)
    top = np.full(len(rows), limit / scale)
    hung = axes.stairs(top, _edges(0, len(rows)), baseline=top - tiles / scale, **TILES, **rim)
    hung.set_label(f"tiles of the layer: at most {four_digits(tiles.max() / scale)} {unit}")
    legend: list[Any] = [hung]
    if drawn:
        most = f"at most {four_digits(held.max() / scale)} {unit}"
        label = f"{counted(len(drawn), 'resident tensor')}: {most}"
        legend.insert(0, Rectangle((0, 0), 1, 1, label=label, facecolor=RESIDENT_COLOURS[0], **RIM))
    label = f"SRAM: {four_digits(capacity / scale)} {unit}"
    if limit < capacity:
        label += f" ({four_digits((capacity - limit) / scale)} {unit}, always free, left out)"
    legend.append(axes.axhline(limit / scale, color="black", lw=1.6, ls="--", label=label))
    axes.set(ylim=(0, 1.08 * limit / scale), ylabel=f"SRAM ({unit})")
    axes.grid(True, axis="y")
    _name_fullest(axes, [row.name for row in rows], (tiles + held) / capacity, limit / scale)
    title_and_legend(axes, "SRAM per layer: what is white is free", legend, columns)
    return drawn, scale


def _shown(capacity: int, used: int) -> int:
    """Bits of the SRAM that are drawn: all, or where most of it is free throughout, fewer."""
    return capacity if 2 * used >= capacity else math.ceil(1.2 * used)


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


def _lives(result: Design | Evaluation) -> list[Life]:
    network, widths = result.network, result.tensor_bits
    return [
        Life(name, network.tensors[name] * widths[name], *network.lifetimes[name])
        for name in names_on_chip(result.on_chip)
    ]


def _name_fullest(axes: Axes, names: Sequence[str], shares: Floats, limit: float) -> None:
    """Name the layer during which the SRAM is fullest, above the limit."""
    fullest, count = int(shares.argmax()), len(names)
    text = f"fullest: {short_label(names[fullest], MAX_NAME)}, {100 * shares[fullest]:.1f} %"
    align = ("left", "center", "right")[int(3 * fullest / count)]
    place = fullest + 1 + {"left": -0.4, "center": 0.0, "right": 0.4}[align]
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
