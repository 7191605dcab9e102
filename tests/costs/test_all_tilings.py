"""Tilings of random layers against a literal enumeration of every tile and order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_layers import ENGINE, layer, rows_of

from codesign import Layer
from codesign.costs.compute import PEArray
from codesign.costs.tiling import ORDERS, least_needs, operand_bits, tilings

WIDTH_PAIRS = ((1, 1), (1, 16), (16, 1), (4, 8), (7, 3))


@cache
def fetches(trips: tuple[int, int, int], order: str, operand: str) -> int:
    """Run the loops and count how often the operand's tile is not the one held."""
    extent = dict(zip("kcp", trips, strict=True))
    held, count = None, 0
    for position in product(*(range(extent[loop]) for loop in order)):
        index = dict(zip(order, position, strict=True))
        wanted = tuple(index[loop] for loop in operand)
        count += wanted != held
        held = wanted
    return count


def every_tile(conv: Layer, rows: int, cols: int) -> Iterable[tuple[int, ...]]:
    """All legal ``g, k, c, p, q, images``."""
    pack = max(1, ENGINE // (conv.R * conv.S))
    side_by_side = 1
    if rows * pack >= conv.C and cols >= conv.K:
        side_by_side = min(conv.G, rows * pack // conv.C, cols // conv.K)
    spans = [(*each, 1) for each in product(range(1, conv.P + 1), range(1, conv.Q + 1))]
    spans += [(conv.P, conv.Q, i) for i in range(2, conv.N + 1)]
    for g, k, c in product(*(range(1, size + 1) for size in (conv.G, conv.K, conv.C))):
        busy = (
            (g == conv.G or g % side_by_side == 0)
            and (k == conv.K or k % cols == 0)
            and (c == conv.C or c % (rows * pack) == 0)
        )
        legal = g == 1 if side_by_side == 1 else (k, c) == (conv.K, conv.C)
        if busy and legal:
            for span in spans:
                yield g, k, c, *span


def literal_cost(
    conv: Layer, tile: tuple[int, ...], order: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """SRAM need and DRAM traffic in elements of weights, ifmap and partial sums."""
    g, k, c, p, q, images = tile
    in_image = math.ceil(conv.P / p) * math.ceil(conv.Q / q)
    p_trips = conv.N * in_image if in_image > 1 else math.ceil(conv.N / images)
    groups = math.ceil(conv.G / g)
    trips = (math.ceil(conv.K / k), math.ceil(conv.C / c), p_trips)
    held_rows, read_rows = literal_axis(conv, 0, p)
    held_cols, read_cols = literal_axis(conv, 1, q)
    window, held = conv.R * conv.S, held_rows * held_cols
    sizes = (g * k * c * window, g * c * images * held, g * k * images * p * q)
    tiles, again = [], []
    for operand, own in (("kc", (0, 1)), ("cp", (1, 2)), ("kp", (0, 2))):
        distinct = trips[own[0]] * trips[own[1]]
        tiles.append(groups * distinct)
        again.append(fetches(trips, order, operand) // distinct)
    need = tuple(size * (2 if n > 1 else 1) for size, n in zip(sizes, tiles, strict=True))
    traffic = (
        conv.G * conv.K * conv.C * window * again[0],
        conv.N * conv.G * conv.C * read_rows * read_cols * again[1],
        2 * conv.N * conv.G * conv.K * conv.P * conv.Q * (again[2] - 1),
    )
    return need, traffic


def literal_axis(conv: Layer, axis: int, tile: int) -> tuple[int, int]:
    """Rows (axis 0) or columns of the ifmap that a tile holds, and that are read in all."""
    outputs, stored, kernel = ((conv.P, conv.H, conv.R), (conv.Q, conv.W, conv.S))[axis]
    stride, dilation = along(axis, conv.stride), along(axis, conv.dilation)
    reach, tiles = (kernel - 1) * dilation + 1, math.ceil(outputs / tile)
    held = min(stored, (tile - 1) * stride + reach)
    if tiles == 1:
        return held, stored
    halo = max(reach - stride, 0)
    return held, min(stored + (tiles - 1) * halo, tiles * held)


def along(axis: int, pair: int | tuple[int, int]) -> int:
    """One of a pair."""
    return pair if isinstance(pair, int) else pair[axis]


def front(points: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Points with less traffic than all that need as little."""
    kept: list[tuple[int, int]] = []
    for point in sorted(set(points)):
        if not kept or point[1] < kept[-1][1]:
            kept.append(point)
    return kept


@st.composite
def small_layers(draw: st.DrawFn) -> Layer:
    """Layers of a few channels and rows, every loop and feature among them."""

    def number(high: int) -> int:
        return draw(st.integers(1, high))

    kernel = draw(st.sampled_from(((1, 1), (3, 3), (2, 2), (5, 1), (1, 3), (7, 7))))
    stride = draw(st.sampled_from((1, 1, 2, 3, (2, 1))))
    dilation = draw(st.sampled_from((1, 1, 2, (1, 2))))
    P, Q = number(5), number(5)
    reach = [
        (kernel[axis] - 1) * (dilation if isinstance(dilation, int) else dilation[axis]) + 1
        for axis in (0, 1)
    ]
    steps = [stride if isinstance(stride, int) else stride[axis] for axis in (0, 1)]
    # From the least that holds a window with full padding to one without any, and a little more.
    H, W = (
        draw(st.integers(max(1, (out - 1) * step + 2 - size), (out - 1) * step + size + 1))
        for out, step, size in zip((P, Q), steps, reach, strict=True)
    )
    sizes = dict(zip("PQHW", (P, Q, H, W), strict=True))
    return layer(
        N=number(3),
        G=draw(st.sampled_from((1, 1, 2, 3, 5))),
        K=number(6),
        C=number(12),
        R=kernel[0],
        S=kernel[1],
        stride=stride,
        dilation=dilation,
        **sizes,
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=300, derandomize=True)
@given(conv=small_layers(), rows=st.integers(1, 5), cols=st.integers(1, 6))
def test_tilings_keep_every_pareto_point(conv: Layer, rows: int, cols: int) -> None:
    literal = {
        literal_cost(conv, tile, order) for tile in every_tile(conv, rows, cols) for order in ORDERS
    }
    found = tilings(conv, PEArray(rows, cols, ENGINE))
    kept = {
        (tuple(need), tuple(traffic))
        for need, traffic in zip(found.need.tolist(), found.traffic.tolist(), strict=True)
    }
    assert kept <= literal, "a tiling that no tile has"
    for bw, ba in WIDTH_PAIRS:
        bits = (bw, ba, bw + ba + conv.accumulation_bits)
        points = [
            [(dot(need, bits), dot(traffic, bits)) for need, traffic in costs]
            for costs in (literal, kept)
        ]
        assert front(points[1]) == front(points[0])


@pytest.mark.slow
@settings(deadline=None, max_examples=100, derandomize=True)
@given(conv=small_layers(), rows=st.integers(1, 5), cols=st.integers(1, 6))
def test_each_tiling_costs_what_its_tile_and_order_do(conv: Layer, rows: int, cols: int) -> None:
    legal = set(every_tile(conv, rows, cols))
    for (tile, order), cost in rows_of(tilings(conv, PEArray(rows, cols, ENGINE))).items():
        assert tile in legal
        need, traffic = literal_cost(conv, tile, order)
        assert cost == (list(need), list(traffic))


@settings(deadline=None, max_examples=100, derandomize=True)
@given(conv=small_layers(), rows=st.integers(1, 5), cols=st.integers(1, 6))
def test_least_need_of_many_arrays_is_that_of_their_tilings(
    conv: Layer, rows: int, cols: int
) -> None:
    arrays = np.array([(rows, cols), (7, cols), (rows, 9), (40, 40)])
    found = least_needs(conv, *arrays.T, ENGINE)
    for array, need in zip(arrays.tolist(), found, strict=True):
        every = tilings(conv, PEArray(*array, ENGINE)).need
        for bw, ba in WIDTH_PAIRS:
            bits = operand_bits(bw, ba, conv.accumulation_bits)
            assert (need @ bits).min() == (every @ bits).min()


def dot(elements: tuple[int, ...], bits: tuple[int, ...]) -> int:
    """Bits of some elements of each operand."""
    return sum(e * b for e, b in zip(elements, bits, strict=True))
