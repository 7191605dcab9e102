"""Least DRAM traffic of a layer within an SRAM capacity, over every legal tiling.

And the least of what goes with that traffic, where bits of different operands cost different
energies, or keep the SRAM's port busy for longer.

Not all tilings need to be looked at. Traffic depends on a tile's output channels, input channels
and groups through their trip counts alone, and the SRAM need grows with each part of a tile. So of
all tiles of the same trip counts the smallest is at least as good as any other. Of its pixels only
those are of interest that `spans` lists, and of the six loop orders those to which no other of the
same tile is as good in every operand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from itertools import product

import numpy as np

from codesign.checking.certificate.spans import (
    MOST_IN_64_BITS,
    Spans,
    Whole,
    least_read,
    smallest_tiles,
    spans,
)
from codesign.checking.certificate.whole_numbers import times
from codesign.checking.cost_model import (
    ORDERS,
    RELEVANT,
    Array,
    Elements,
    accumulation_bits,
    channel_step,
    groups_at_once,
    phases_of_tiles,
    pixel_step,
    refetch,
)
from codesign.checking.network import Layer

Padding = tuple[Fraction, Fraction]  # times as many elements of weights and of ifmap
NO_PADDING: Padding = Fraction(1), Fraction(1)
MOST_GONE = 0.25  # of tilings that rivals are held against: those known to be beaten


class LayerTilings:
    """Tilings of one layer on one array, for any pairs of widths and any capacities.

    Parameters
    ----------
    weights_resident, input_resident : bool
        An operand that is resident needs no tile, and is not fetched.
    buffers : tuple of int or None
        Bits of a buffer of the operand's own, which its tiles must fit; what has none is in the
        SRAM.
    per_bit : tuple of tuples of int, optional
        Further measures: what goes with a DRAM bit of weights, ifmap and partial sums in each.
    padding : (Fraction, Fraction), optional
        That of what moves, each to whole elements.

    Attributes
    ----------
    need, traffic : whole numbers, shape (tilings, 3)
        Elements of weights, ifmap and partial sums.
    measures : tuple of whole numbers, shape (tilings, 3)
        What a bit of each moves, then what goes with it in each further measure.
    """

    def __init__(
        self,
        layer: Layer,
        array: Array,
        widths: tuple[int, ...],
        weights_resident: bool = False,
        input_resident: bool = False,
        buffers: tuple[int | None, ...] = (None, None, None),
        per_bit: tuple[tuple[int, ...], ...] = (),
        padding: Padding = NO_PADDING,
    ) -> None:
        self.buffers = buffers
        self.psum_extra = accumulation_bits(layer)
        most = math.ceil(max(padding)) * max((1, *(x for each in per_bit for x in each)))
        need, traffic = tilings(layer, array, (2 * widths[-1] + self.psum_extra) * most)
        for operand, factor in enumerate(padding):
            if factor != 1:
                traffic[:, operand] = padded(traffic[:, operand], factor)
        counted = np.array([not weights_resident, not input_resident, True], dtype=need.dtype)
        need, traffic = need * counted, traffic * counted
        ends = {widths[0], widths[-1]}
        corners = self._operand_bits([(bw, ba) for bw in ends for ba in ends], need)
        self._shared = np.array([most is None for most in buffers], dtype=need.dtype)
        beside = need[:, self._shared == 0]  # what takes no more of a buffer fits it as well
        further = [traffic * np.array(each, dtype=need.dtype) for each in per_bit]
        beside = np.hstack([beside, *(each @ corners for each in further)])
        kept = _nondominated((need * self._shared) @ corners, traffic @ corners, beside)
        self.need, self.traffic = need[kept], traffic[kept]
        self.measures = (self.traffic, *(each[kept] for each in further))
        self._stairs: dict[tuple[int, int, int], tuple[Whole, Whole]] = {}

    def stairs(self, bw: int, ba: int, measure: int = 0) -> tuple[Whole, Whole]:
        """Needs in bits, ascending, and the least DRAM bits of what needs at most so much.

        Or the least of another measure, counted from 1.
        """
        key = bw, ba, measure
        if key not in self._stairs:
            need, *measures = self.fitting(bw, ba)
            self._stairs[key] = steps(need, measures[measure])
        return self._stairs[key]

    def fitting(self, bw: int, ba: int) -> tuple[Whole, ...]:
        """(tilings,) each: need, then every measure, of those that fit the buffers."""
        bits = self._operand_bits([(bw, ba)], self.need)[:, 0]
        fits = np.ones(len(self.need), dtype=bool)
        for operand, most in enumerate(self.buffers):
            if most is not None:
                fits &= np.array(self.need[:, operand] * bits[operand] <= most, dtype=bool)
        need = self.need[fits] @ (bits * self._shared)
        return need, *(each[fits] @ bits for each in self.measures)

    def _operand_bits(self, pairs: Sequence[tuple[int, int]], like: Whole) -> Whole:
        """(3, pairs): bits of an element of weights, ifmap and partial sums."""
        rows = [(bw, ba, bw + ba + self.psum_extra) for bw, ba in pairs]
        return np.array(rows, dtype=like.dtype).T


def padded(elements: Whole, factor: Fraction) -> Whole:
    """So many times as many elements, to whole ones."""
    found: Whole = -(-times(elements, factor.numerator) // factor.denominator)
    return found.astype(elements.dtype)


def steps(need: Whole, least: Whole) -> tuple[Whole, Whole]:
    """Needs, ascending, and the least value of what needs at most so much."""
    if not len(need):
        nothing: Whole = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    order = np.argsort(least, kind="stable")
    order = order[np.argsort(need[order], kind="stable")]
    lowest = np.minimum.accumulate(least[order])
    falls = np.append(True, lowest[1:] < lowest[:-1])
    return need[order][falls], lowest[falls]


class Staircases:
    """Least traffic by room, for several pairs of widths at once.

    Parameters
    ----------
    stairs : sequence of (need, traffic)
        Of each pair, as `LayerTilings.stairs` has them; none of a pair that does not run.
    """

    def __init__(self, stairs: Sequence[tuple[Whole, Whole] | None]) -> None:
        none = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        each = [x or none for x in stairs]
        lengths = [len(need) for need, _ in each]
        self.start = np.cumsum([0, *lengths[:-1]])
        most = max((int(need[-1]) for need, _ in each if len(need)), default=0)
        self.span = most + 2  # the needs of a pair lie this far from those of the next
        kind = np.int64 if len(each) * self.span <= MOST_IN_64_BITS else object
        self.first = np.arange(len(each)).astype(kind) * self.span
        end = np.array([len(each) * self.span]).astype(kind)
        needs = [need.astype(kind) + at for (need, _), at in zip(each, self.first, strict=True)]
        self.need = np.concatenate([*needs, end])
        self.traffic = np.concatenate([*(traffic for _, traffic in each), np.zeros(1, np.int64)])

    def least_traffic(self, which: Whole, room: Whole) -> tuple[Whole, Whole]:
        """Least DRAM bits of a tiling that fits so many bits of room, and whether one does.

        0 where none does. ``which``: the pair of each.
        """
        place = self.last_within(which, room)
        fits = place >= self.start[which]
        return np.where(fits, self.traffic[place], 0), fits

    def last_within(self, which: Whole, room: Whole) -> Whole:
        """The number of the last step within so many bits of room; before the first: of none."""
        inside = np.clip(room, -1, self.span - 2).astype(self.first.dtype)
        found: Whole = np.searchsorted(self.need, self.first[which] + inside, side="right") - 1
        return found


def shape_of(layer: Layer, array: Array) -> tuple[object, ...]:
    """What the tilings of a layer on an array depend on."""
    loops = (layer.N, layer.G, layer.K, layer.C, layer.P, layer.Q, layer.R, layer.S)
    sizes, spread = (layer.H, layer.W), (layer.input_dilation, layer.input_repetition)
    channels = min(array.cols, layer.K), min(channel_step(layer, array), layer.C)
    steps = (*channels, pixel_step(array), phases_of_tiles(layer, array))
    return (
        *loops,
        *sizes,
        layer.stride,
        layer.dilation,
        *spread,
        *steps,
        groups_at_once(layer, array),
        layer.moves,
    )


def ideal_traffic(layer: Layer, padding: Padding = NO_PADDING) -> Elements:
    """Traffic that no tiling on any array goes below: all once, of the ifmap what tiles read."""
    weights, ifmap = 0, layer.ifmap
    if not layer.moves:
        weights, ifmap = layer.weights, layer.N * layer.G * layer.C * least_read(layer)
    return Elements(math.ceil(weights * padding[0]), math.ceil(ifmap * padding[1]), 0)


def tilings(layer: Layer, array: Array, most_bits: int) -> tuple[Whole, Whole]:
    """Every tiling that can be best at some widths and capacity, and perhaps some more.

    Parameters
    ----------
    most_bits : int
        An element of an operand has at most so many.

    Returns
    -------
    need, traffic : whole numbers, shape (tilings, 3)
        Elements of weights, ifmap and partial sums: SRAM, and DRAM.
    """
    in_turn = phases_of_tiles(layer, array)
    blocks, pixels = _blocks(layer, array), _spans(layer, pixel_step(array), in_turn)
    every = pixels.every
    most = max(
        2 * (layer.weights + layer.G * layer.C * max(x.held for x in every) + layer.outputs),
        layer.weights * max(x.tiles for x in every)
        + layer.G * layer.C * layer.K * max(x.read for x in every)
        + 2 * layer.outputs * layer.C,
    )
    kind = np.int64 if most * most_bits <= MOST_IN_64_BITS else object
    g, k, c = (np.array(x, dtype=kind)[:, None] for x in zip(*blocks, strict=True))
    held, outputs, read, again_p = (
        np.array(x, dtype=kind) for x in zip(*(span[3:] for span in every), strict=True)
    )
    again_g, again_k, again_c = -(-layer.G // g), -(-layer.K // k), -(-layer.C // c)

    def doubled(tile: Whole, tiles: Whole) -> Whole:
        return np.where(tiles > 1, 2 * tile, tile)

    need = np.empty((len(blocks), len(every), 3), dtype=kind)
    need[..., 0] = doubled(g * k * c * layer.R * layer.S, again_g * again_k * again_c)
    need[..., 1] = doubled(g * c * held, again_g * again_c * again_p)
    need[..., 2] = doubled(g * k * outputs, again_g * again_k * again_p)
    ifmap = layer.G * layer.C * read
    if_once = np.array([x in pixels.counted_once for x in every])
    needs, traffics = [], []
    for many in product((False, True), repeat=3):
        k_again, c_again, p_again = many
        mine = (again_k > 1) == k_again
        mine = mine & ((again_c > 1) == c_again) & ((again_p > 1) == p_again)
        for weights, ifmaps, psums in orders(*many):
            b, s = np.nonzero(mine & (weights | if_once))
            traffic = np.zeros((len(b), 3), dtype=kind)
            traffic[:, 0] = layer.weights * (again_p[s] if weights else 1)
            traffic[:, 1] = ifmap[s] * (again_k[b, 0] if ifmaps else 1)
            traffic[:, 2] = 2 * layer.outputs * (again_c[b, 0] - 1) if psums else 0
            needs.append(need[b, s])
            traffics.append(traffic)
    return np.concatenate(needs), np.concatenate(traffics)


def _blocks(layer: Layer, array: Array) -> list[tuple[int, int, int]]:
    """Groups, output and input channels of the smallest legal tile of each set of trip counts."""
    side_by_side = groups_at_once(layer, array)
    if side_by_side > 1:
        return [(g, layer.K, layer.C) for g, _ in smallest_tiles(layer.G, side_by_side)]
    outputs = smallest_tiles(layer.K, array.cols)
    inputs = smallest_tiles(layer.C, channel_step(layer, array))
    return [(1, k, c) for (k, _), (c, _) in product(outputs, inputs)]


@lru_cache(maxsize=256)
def _spans(layer: Layer, step: int, in_turn: tuple[int, int]) -> Spans:
    return spans(layer, step, in_turn)


@cache
def orders(many_k: bool, many_c: bool, many_p: bool) -> tuple[tuple[bool, ...], ...]:
    """Which operands the loop they do not depend on fetches again, for orders worth a look.

    Parameters
    ----------
    many_k, many_c, many_p : bool
        Whether each loop has more than one trip.
    """
    count = {"k": 1 + many_k, "c": 1 + many_c, "p": 1 + many_p}
    every = [
        tuple(refetch(order, count, loops) > 1 for loops in RELEVANT.values()) for order in ORDERS
    ]
    return tuple(
        one
        for one in dict.fromkeys(every)
        if not any(
            other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in every
        )
    )


def _nondominated(need: Whole, traffic: Whole, beside: Whole) -> Whole:
    """Which tilings to keep: all but most of those that another dominates at all widths.

    Need and traffic are linear in both widths: what is no less at the four corners of the widths
    is no less anywhere between. Compared with those that are best at a corner and some capacity.

    Parameters
    ----------
    need, traffic : whole numbers, shape (tilings, corners)
        In bits.
    beside : whole numbers, shape (tilings, n)
        What is to be no less either: elements in buffers of operands' own; further measures.
    """
    rivals: dict[int, None] = {}
    for held, moved in zip(need.T, traffic.T, strict=True):
        order = np.argsort(moved, kind="stable")
        order = order[np.argsort(held[order], kind="stable")]
        lowest = np.minimum.accumulate(moved[order])
        rivals |= dict.fromkeys(order[[True, *(lowest[1:] < lowest[:-1])]].tolist())
    first = np.argsort(need[:, 0], kind="stable")
    every = np.hstack([need, traffic, beside])[first].T
    number = np.empty_like(first)
    number[first] = np.arange(len(first))
    kept, left, remaining = np.ones(len(first), dtype=bool), np.arange(len(first)), every
    gone = 0
    for rival in number[[*rivals]].tolist():
        if kept[rival]:  # else what dominates it dominates all that it does
            best = every[:, rival]
            since = int(np.searchsorted(remaining[0], best[0]))
            place = since + np.flatnonzero(remaining[need.shape[1], since:] >= best[need.shape[1]])
            place = place[(remaining[:, place] >= best[:, None]).all(axis=0)]
            beaten = left[place]
            beaten = beaten[(beaten != rival) & kept[beaten]]
            kept[beaten] = False
            gone += len(beaten)
            if gone > MOST_GONE * len(left):
                left, gone = np.flatnonzero(kept), 0
                remaining = every[:, left]
    return np.sort(first[kept])
