"""Layers of few words, and the engine their tests assume."""

from __future__ import annotations

from typing import Any

from codesign import Layer
from codesign.costs.tiling import ORDERS, Tilings

ENGINE = 9


def layer(**sizes: Any) -> Layer:
    """A layer named ``l`` from ``in`` to ``out`` with one channel each unless told otherwise."""
    return Layer(**{"name": "l", "K": 1, "C": 1, "input": "in", "output": "out", **sizes})


def square(K: int, C: int, size: int, kernel: int, **more: Any) -> Layer:
    """A convolution with as many output as input positions on both axes."""
    sides = {"P": size, "Q": size, "H": size, "W": size, "R": kernel, "S": kernel}
    return layer(K=K, C=C, **(sides | more))


def rows_of(found: Tilings) -> dict[tuple[tuple[int, ...], str], tuple[list[int], list[int]]]:
    """Tilings as ``(g, k, c, p, images), order``: needs, traffic."""
    lists = (found.tile.tolist(), found.order.tolist(), found.need.tolist(), found.traffic.tolist())
    return {
        (tuple(tile), ORDERS[order]): (need, traffic)
        for tile, order, need, traffic in zip(*lists, strict=True)
    }


def best_of(found: Tilings) -> dict[tuple[tuple[int, ...], str], tuple[list[int], list[int]]]:
    """The same of those that no other one beats in all needs and traffics; of equal ones, one."""
    rows = rows_of(found)
    costs = {(*need, *traffic): key for key, (need, traffic) in reversed(rows.items())}

    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one != other and all(x <= y for x, y in zip(one, other, strict=True))

    kept = {key for x, key in costs.items() if not any(beats(y, x) for y in costs)}
    return {key: row for key, row in rows.items() if key in kept}
