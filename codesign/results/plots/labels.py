"""Labels: of points, placed where they cover nothing; of blocks of layers with a common name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from codesign.arrays import Floats
from codesign.results.plots.drawing import Look

LABEL_PT = 7.5
PATCH_PT, PATCH_MARGIN_PX = 6.5, 2.0  # of a name within what it names
LETTER_PX = 10.0  # less than the height of a line of it
MOST_STEPS = 40  # that a name may go over, where a patch is none of one height
MARK_PX = 13.0  # a marker with its rim
RING_PX = 32.0
GAPS_PX = (9.0, 16.0, 26.0, 40.0)  # between a label and the middle of its marker
APART = 1.2  # letters between two labels, so that "2" and "8" do not read as "28"
MOST_BLOCKS = 24
DIRECTIONS = ((1, 0), (-1, 0), (0.8, -0.6), (-0.8, 0.6), (0.5, -0.9), (-0.5, 0.9), (0, -1), (0, 1))


def label_points(
    axes: Axes,
    points: Floats,
    lines: Sequence[Floats],
    weight: Floats,
    numbers: Sequence[str],
    ringed: Sequence[int] = (),
) -> None:
    """Number the points, most ``weight`` first, each where it covers nothing, or not at all.

    Points whose marks overlap share a label. Places are found in pixels: the layout must be final.

    Parameters
    ----------
    numbers : sequence of str
        Of each point.
    lines : sequence of floats, shape (2, 2)
        Ends of what is drawn in data coordinates, not to be covered.
    ringed : sequence of int
        Points with a ring around their mark.
    """
    pixels, px_per_pt = axes.transData.transform(points), axes.figure.dpi / 72
    ends = [axes.transData.transform(line) for line in lines]
    dots = [_dots(start, end) for start, end in ends]
    taken = np.concatenate(
        [
            _boxes(pixels, MARK_PX, MARK_PX),
            _boxes(pixels[list(ringed)], RING_PX, RING_PX),
            *(_boxes(at, 1, 1) for at in dots),
        ]
    )
    frame, groups = np.array(axes.bbox.extents), _overlapping(pixels)
    look: Look = {"ha": "center", "va": "center_baseline", "fontsize": LABEL_PT, "zorder": 2.5}
    look["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
    for group in sorted(groups, key=lambda group: -weight[group].sum()):
        shown = [numbers[index] for index in group]
        label = ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} (+{len(shown) - 1})"
        size = np.array([0.65 * len(label), 1.1]) * LABEL_PT * px_per_pt
        mark = RING_PX if set(group) & {*ringed} else MARK_PX
        place = _free_place(pixels[group[0]], mark, size, frame, taken)
        if place is not None:
            where: Look = {"xytext": tuple(place / px_per_pt), "textcoords": "offset points"}
            axes.annotate(label, points[group[0]], **where, **look)
            room = size + APART * LABEL_PT * px_per_pt * np.array([1.3, 0.4])
            taken = np.concatenate([taken, _boxes(pixels[group[:1]] + place, *room)])


def _dots(start: Floats, end: Floats) -> Floats:
    """Places along a line, every two pixels."""
    steps = int(np.hypot(*(end - start)) / 2) + 2
    return np.asarray(start + np.linspace(0, 1, steps)[:, None] * (end - start))


class Block(NamedTuple):
    """Consecutive layers whose names begin alike; numbers count from 1."""

    name: str
    first: int
    last: int

    @property
    def numbers(self) -> str:
        """``3`` or ``3-12``."""
        return str(self.first) if self.first == self.last else f"{self.first}–{self.last}"


def layer_blocks(names: Sequence[str]) -> list[Block]:
    """The finest blocks of a network's layers that are few enough to be named; or none.

    Names are read as paths of components between dots, slashes, colons and underscores.
    """
    paths = [re.split(r"(?<=[^./:_])[./:_]+", name) for name in names]
    found: list[Block] = []
    for depth in range(1, max(map(len, paths)) + 1):
        blocks, number = list[Block](), 1
        for _, run in groupby(zip(paths, names, strict=True), key=lambda each: each[0][:depth]):
            members = [name for _, name in run]
            blocks.append(Block(_beginning(members, depth), number, number + len(members) - 1))
            number += len(members)
        if len(blocks) > MOST_BLOCKS:
            break
        found = blocks if len(blocks) > len(found) else found
    return found if len(found) > 1 else []


def spread(places: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Ascending places moved as little as it takes to be ``apart``, between ``low`` and ``high``.

    Where there is no room for all, they are equally far apart.
    """
    apart = min(apart, (high - low) / max(1, len(places) - 1))
    found = [max(place, low) for place in places]
    for index in range(1, len(found)):
        found[index] = max(found[index], found[index - 1] + apart)
    found[-1] = min(found[-1], high)
    for index in range(len(found) - 2, -1, -1):
        found[index] = min(found[index], found[index + 1] - apart)
    return found


def _beginning(names: Sequence[str], depth: int) -> str:
    """The common first components of names as they are written; a single name is whole."""
    if len(names) == 1:
        return names[0]
    found = re.match(rf"(?:[./:_]*[^./:_]+){{{depth}}}", names[0])
    return names[0] if found is None else found.group()


def _overlapping(pixels: Floats) -> list[list[int]]:
    """Indices of points, those within half a mark of a group's first point together."""
    groups: dict[int, list[int]] = {}
    for index, pixel in enumerate(pixels):
        near = (first for first in groups if np.hypot(*(pixels[first] - pixel)) < MARK_PX / 2)
        groups.setdefault(next(near, index), []).append(index)
    return list(groups.values())


def _free_place(
    pixel: Floats, mark: float, size: Floats, frame: Floats, taken: Floats
) -> Floats | None:
    """Offset of a label's centre from its point, the nearest that covers nothing (pixels)."""
    for gap, (x, y) in ((gap, way) for gap in GAPS_PX for way in DIRECTIONS):
        place = np.array([x, y]) * (size / 2 + gap)
        length = float(np.hypot(*place))
        leader = pixel + np.arange(mark, length, 3)[:, None] * place / length
        boxes = np.concatenate([_boxes((pixel + place)[None], *size), _boxes(leader, 1, 1)])
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        inside = (low[0] > frame[:2]).all() and (high[0] < frame[2:]).all()
        covers = (low < taken[:, 2:]).all(axis=2) & (high > taken[:, :2]).all(axis=2)
        if inside and not covers.any():
            return place
    return None


def _boxes(centres: Floats, width: float, height: float) -> Floats:
    """Left, low, right and high of equal boxes around ``centres`` (n × 2), n × 4."""
    half = np.array([width, height]) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def label_patch(axes: Axes, edges: Floats, low: Floats, high: Floats, texts: Sequence[str]) -> bool:
    """Write the first of some texts that fits into a patch of steps, level or upright, if any does.

    The layout must be final.

    Parameters
    ----------
    edges : floats, shape (n + 1,)
        Where steps begin and end, ascending.
    low, high : floats, shape (n,)
        Edges of each step.
    """
    rooms = _rooms(axes, edges, low, high)
    if not rooms:
        return False
    for text, turned in ((text, turned) for turned in (False, True) for text in texts):
        look: Look = {"ha": "center", "va": "center", "fontsize": PATCH_PT, "linespacing": 1.1}
        label = axes.text(0, 0, text, rotation=90 if turned else 0, **look)
        box = label.get_window_extent()
        size = np.array([box.width, box.height]) + 2 * PATCH_MARGIN_PX
        fitting = [room for room in rooms if (room[2:] - room[:2] >= size).all()]
        if fitting:
            best = max(fitting, key=lambda room: float(np.prod(room[2:] - room[:2])))
            middle = axes.transData.inverted().transform((best[:2] + best[2:]) / 2)
            label.set_position((float(middle[0]), float(middle[1])))
            return True
        label.remove()
    return False


def _rooms(axes: Axes, edges: Floats, low: Floats, high: Floats) -> list[Floats]:
    """Rectangles within a patch of steps: left, low, right, high, those that could hold a letter.

    One for each run of steps, of a patch that is itself a rectangle the one.
    """
    to_pixels = axes.transData.transform
    x = to_pixels(np.stack([edges, edges * 0], axis=1))[:, 0]
    bottom, top = (to_pixels(np.stack([y * 0, y], axis=1))[:, 1] for y in (low, high))
    if x[-1] - x[0] < LETTER_PX or (top - bottom).max() < LETTER_PX:
        return []
    count = len(low)
    runs = [(0, count)]
    if np.ptp(bottom) or np.ptp(top):
        runs = [(i, j) for i in range(count) for j in range(i + 1, min(count, i + MOST_STEPS) + 1)]
    found = [np.array([x[i], bottom[i:j].max(), x[j], top[i:j].min()]) for i, j in runs]
    return [room for room in found if (room[2:] - room[:2] >= LETTER_PX).all()]
