"""Where resident tensors are drawn within the SRAM: each in one place as long as it lives.

The cost model asks that at all times everything fits by its size. Whether each tensor can also keep
one address is another question (dynamic storage allocation, which is NP-hard); several orders of
first fit are tried; where none of them has a place for all, tensors sink when room runs out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats
from codesign.results.consistency import names_on_chip
from codesign.results.hardware_result import HardwareResult
from codesign.results.run_figures import held_bits, held_during

SHUFFLES = 50  # orders tried beside the usual ones
MOST_LAYERS = 20_000  # of all lives together, beyond which places would take too long to find


class Life(NamedTuple):
    """A tensor, its bits, and its first and last layer by their numbers."""

    name: str
    bits: int
    first: int
    last: int


class Patch(NamedTuple):
    """A tensor as drawn: its first layer, and its lower and upper edge in each (bits)."""

    name: str
    first: int
    low: Floats
    high: Floats


def lives_of(result: HardwareResult) -> list[Life]:
    """The tensors that stay on chip whole."""
    held, bits = held_during(result), held_bits(result)
    return [Life(name, bits[name], *held[name]) for name in names_on_chip(result.on_chip)]


def shown_bits(capacity: int, used: int) -> int:
    """Bits of the SRAM that are drawn: all, or where most of it is free throughout, fewer."""
    return capacity if 2 * used >= capacity else math.ceil(1.2 * used)


def patches(lives: Sequence[Life], room: Sequence[int]) -> list[Patch]:
    """A patch for each tensor, none over another, in the order in which they are written.

    Parameters
    ----------
    room : sequence of int
        SRAM bits that each layer leaves for them, at least the sum of those that live then.
    """
    written = sorted(lives, key=lambda life: (life.first, life.last))
    few = sum(life.last - life.first + 1 for life in lives) <= MOST_LAYERS
    for order, highest in _orders(written) if few else ():
        bottoms = _first_fit(order, highest, room)
        if bottoms is not None:
            return [_flat(life, bottoms[life.name]) for life in written]
    return _sinking(written, room)


def _orders(lives: Sequence[Life]) -> Iterator[tuple[list[Life], set[str]]]:
    """Orders in which to place tensors, and which of them as high as can be, not as low.

    As written, the largest first, the longest first, then at random.
    """
    yield [*lives], set()
    yield sorted(lives, key=lambda life: -life.bits), set()
    yield sorted(lives, key=lambda life: -life.bits * (life.last - life.first + 1)), set()
    yield sorted(lives, key=lambda life: life.first - life.last), set()
    chance = Random(0)  # the same picture for the same design
    for _ in range(SHUFFLES):
        order = sorted(lives, key=lambda life: -life.bits * chance.uniform(0.5, 2))
        yield order, {life.name for life in order if chance.random() < 0.5}


def _first_fit(
    order: Sequence[Life], highest: set[str], room: Sequence[int]
) -> dict[str, int] | None:
    """The lowest or highest place for each in turn beside those before; None where one has none."""
    bottoms = dict[str, int]()
    taken = list[list[tuple[int, int]]]([] for _ in room)  # by layer: lower and upper edges
    for life in order:
        span = range(life.first, life.last + 1)
        beside = {edges for layer in span for edges in taken[layer]}
        limit = min(room[layer] for layer in span)
        if life.name in highest:  # the lowest place, seen from above
            turned = {(limit - high, limit - low) for low, high in beside}
            bottom = limit - life.bits - _lowest(turned, life.bits)
        else:
            bottom = _lowest(beside, life.bits)
        if bottom < 0 or bottom + life.bits > limit:
            return None
        bottoms[life.name] = bottom
        for layer in span:
            taken[layer].append((bottom, bottom + life.bits))
    return bottoms


def _lowest(beside: set[tuple[int, int]], bits: int) -> int:
    """Where the lowest gap of so many bits begins."""
    bottom = 0
    for low, high in sorted(beside):
        if low < bottom + bits:
            bottom = max(bottom, high)
    return bottom


def _flat(life: Life, bottom: int) -> Patch:
    low = np.full(life.last - life.first + 1, bottom, dtype=np.float64)
    return Patch(life.name, life.first, low, low + life.bits)


def _sinking(lives: Sequence[Life], room: Sequence[int]) -> list[Patch]:
    """As `_first_fit` layer by layer; where a layer has no place left, all that live sink first."""
    drawn = {life.name: list[int]() for life in lives}
    live = list[tuple[int, Life]]()  # with their lower edges
    waiting = [*reversed(lives)]
    for layer, limit in enumerate(room):
        live = [(low, life) for low, life in live if life.last >= layer]
        while waiting and waiting[-1].first == layer:
            life = waiting.pop()
            live.append((_lowest({(low, low + x.bits) for low, x in live}, life.bits), life))
        if any(low + life.bits > limit for low, life in live):
            height, sunk = 0, list[tuple[int, Life]]()
            for _, life in sorted(live, key=lambda each: each[0]):
                sunk.append((height, life))
                height += life.bits
            live = sunk
        for low, life in live:
            drawn[life.name].append(low)
    lows = [np.array(drawn[life.name], dtype=np.float64) for life in lives]
    return [Patch(x.name, x.first, low, low + x.bits) for x, low in zip(lives, lows, strict=True)]
