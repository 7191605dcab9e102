"""Labels of points, placed where they cover nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from codesign.plots.drawing import Floats, Look

LABEL_PT = 7.5
MARK_PX = 13.0  # a marker with its rim
GAPS_PX = (9.0, 16.0, 26.0, 40.0)  # between a label and the middle of its marker
DIRECTIONS = ((1, 0), (-1, 0), (0.8, -0.6), (-0.8, 0.6), (0.5, -0.9), (-0.5, 0.9), (0, -1), (0, 1))


def label_points(
    axes: Axes, points: Floats, roofs: Sequence[Floats], weight: Floats, numbers: Sequence[int]
) -> None:
    """Number the points, most ``weight`` first, each where it covers nothing, or not at all.

    Points whose marks overlap share a label. Places are found in pixels: the layout must be final.
    """
    pixels, px_per_pt = axes.transData.transform(points), axes.figure.dpi / 72
    lines = [axes.transData.transform(roof) for roof in roofs]
    dots = [start + np.linspace(0, 1, 400)[:, None] * (end - start) for start, end in lines]
    taken = np.concatenate([_boxes(pixels, MARK_PX, MARK_PX), *(_boxes(at, 1, 1) for at in dots)])
    frame, groups = np.array(axes.bbox.extents), _overlapping(pixels)
    look: Look = {"ha": "center", "va": "center_baseline", "fontsize": LABEL_PT, "zorder": 2.5}
    look["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
    for group in sorted(groups, key=lambda group: -weight[group].sum()):
        shown = [str(numbers[index]) for index in group]
        label = ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} (+{len(shown) - 1})"
        size = np.array([0.65 * len(label), 1.1]) * LABEL_PT * px_per_pt
        place = _free_place(pixels[group[0]], size, frame, taken)
        if place is not None:
            where: Look = {"xytext": tuple(place / px_per_pt), "textcoords": "offset points"}
            axes.annotate(label, points[group[0]], **where, **look)
            taken = np.concatenate([taken, _boxes(pixels[group[:1]] + place, *size)])


def _overlapping(pixels: Floats) -> list[list[int]]:
    """Indices of points, those within half a mark of a group's first point together."""
    groups: dict[int, list[int]] = {}
    for index, pixel in enumerate(pixels):
        near = (first for first in groups if np.hypot(*(pixels[first] - pixel)) < MARK_PX / 2)
        groups.setdefault(next(near, index), []).append(index)
    return list(groups.values())


def _free_place(pixel: Floats, size: Floats, frame: Floats, taken: Floats) -> Floats | None:
    """Offset of a label's centre from its point, the nearest that covers nothing (pixels)."""
    for gap, (x, y) in ((gap, way) for gap in GAPS_PX for way in DIRECTIONS):
        place = np.array([x, y]) * (size / 2 + gap)
        length = float(np.hypot(*place))
        leader = pixel + np.arange(MARK_PX, length, 3)[:, None] * place / length
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
