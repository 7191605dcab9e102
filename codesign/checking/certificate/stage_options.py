"""Stages that a layer may be within some cycles, in whole numbers, but those that others equal.

Better is what takes fewer PEs, elements held, fetched, read and written, whatever the widths; and,
by what it does to those that wait, less behind its input, further behind it, or just as far.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.whole_numbers import Whole, whole_numbers
from codesign.checking.cost_model import Array, accumulation_bits
from codesign.checking.network import Layer
from codesign.checking.problem import Problem
from codesign.checking.stages import (
    Stage,
    bands,
    folds_evenly,
    held_bits,
    keeps_given,
    lag,
    moved_bits,
    streamed_bits,
)
from codesign.checking.technology import Fpga

BLOCK = 128  # rows that are compared pair by pair


class NoStage(Exception):
    """Raised where a layer has no stage in the range: there is no pipeline."""


class StageOption(NamedTuple):
    """What one stage takes, whatever the widths.

    Attributes
    ----------
    weights, lines, psums, fetched : int
        Elements.
    lag : Fraction
        Intervals.
    read, written : (int, int, int)
        Elements of weights, of the input, and of partial sums; none where no energy counts.
    """

    pes: int
    cols: int
    weights: int
    lines: int
    psums: int
    fetched: int
    lag: Fraction
    read: tuple[int, ...]
    written: tuple[int, ...]

    def costs(self) -> list[int]:
        """All but the lag, of which less is better."""
        counts = [self.pes, self.cols, -self.cols, self.weights, self.lines, self.psums]
        return [*counts, self.fetched, *self.read, *self.written]


class Offer:
    """Arrays on offer for a layer, with their cycles."""

    def __init__(self, problem: Problem, layer: Layer, counts_energy: bool) -> None:
        self.layer, self.counts_energy = layer, counts_energy
        self.by_columns = isinstance(problem.technology, Fpga)
        choices, engine = problem.choices, problem.technology.engine
        machine = choices.machine
        sides = [
            x for x in product(choices.rows, choices.cols) if x[0] == x[1] or not choices.square
        ]
        self.arrays: list[tuple[int, Array]] = []
        self._known: dict[tuple[Array, int, bool], StageOption] = {}
        self.given = choices.stages.get(layer.name, {})
        for mapping, (rows, cols) in product(machine.mapping, sides):
            if not keeps_given(self.given, mapping=mapping, rows=rows, cols=cols):
                continue
            array = Array(rows, cols, engine, mapping, machine.skips_zeros)
            if self.by_columns and not folds_evenly(layer, array):
                continue
            self.arrays.append((machine.cycles(layer, array), array))

    @cached_property
    def lag_ends(self) -> tuple[Fraction, Fraction]:
        """The least and the most lag of any band."""
        given = self.given.get("band_rows")
        heights = [given] if isinstance(given, int) else range(1, self.layer.P + 1)
        each = [lag(self.layer, rows) for rows in heights]
        return min(each), max(each)

    def within(self, most_cycles: Fraction | None, lag_signs: Sequence[int]) -> list[StageOption]:
        """Options of so many cycles at most; None: of any.

        Parameters
        ----------
        lag_signs : sequence of int
            1 where a smaller lag is no worse, −1 where a larger one is; both: only the same.
        """
        kept = [x for count, x in self.arrays if most_cycles is None or count <= most_cycles]
        found: list[StageOption] = []
        for array in self._best_arrays(kept):
            places = (False, True) if self.layer.uses_weights else (False,)
            for height, streams in product(bands(self.layer, array), places):
                place = "stream" if streams else "chip"
                if keeps_given(self.given, band_rows=height, weights=place):
                    found.append(self._option(array, height, streams))
        if not found:
            return []
        parts = math.lcm(*(x.lag.denominator for x in found))
        costs = [
            (*(x.costs() if self.by_columns else self._free(x)), int(x.lag * parts)) for x in found
        ]
        every = whole_numbers(x for row in costs for x in row).reshape(len(found), -1)
        lags = [every[:, -1] * sign for sign in lag_signs]
        best = best_rows(np.column_stack([every[:, :-1], *lags]))
        return [found[n] for n in best.tolist()]

    @staticmethod
    def _free(option: StageOption) -> list[int]:
        """Columns are of no matter but on an FPGA."""
        costs = option.costs()
        return [costs[0], *costs[3:]]

    def _best_arrays(self, arrays: Sequence[Array]) -> list[Array]:
        """Those that no other of the mapping (and, where bands depend on them, rows) is as good as.

        At the largest band, whose memories are as those of any other but for its height.
        """
        groups: dict[object, list[Array]] = {}
        for x in arrays:
            groups.setdefault((x.mapping, x.rows if x.mapping == "output" else 0), []).append(x)
        kept = []
        for group in groups.values():
            costs = []
            for x in group:
                both = [self._option(x, self.layer.P, s) for s in (False, True)]
                costs.append([y for o in both for y in self._free(o)])
            if self.by_columns:
                costs = [[*y, x.cols, -x.cols] for x, y in zip(group, costs, strict=True)]
            kept += [group[n] for n in best_rows(np.array(costs, dtype=object)).tolist()]
        return kept

    def _option(self, array: Array, height: int, streams: bool) -> StageOption:
        key = array, height, streams
        if key not in self._known:
            self._known[key] = self._worked_out(array, height, streams)
        return self._known[key]

    def _worked_out(self, array: Array, height: int, streams: bool) -> StageOption:
        layer = self.layer
        stage = Stage(array, 1, 1, streams, height)
        held = held_bits(layer, stage)
        sums = 2 + accumulation_bits(layer)
        read: tuple[int, ...] = ()
        written: tuple[int, ...] = ()
        if self.counts_energy:
            read, written = _elements_moved(layer, stage, array)
        return StageOption(
            array.rows * array.cols,
            array.cols,
            held.weights,
            held.lines,
            held.psums // sums,
            streamed_bits(layer, stage),
            lag(layer, height),
            read,
            written,
        )


def _elements_moved(
    layer: Layer, stage: Stage, array: Array
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Elements of weights, of the input and of partial sums, read and written."""
    at = [moved_bits(layer, stage._replace(bw=w, ba=a), array) for w, a in ((0, 0), (1, 0), (0, 1))]
    found = []
    for none, weights, inputs in zip(*at, strict=True):
        wide = accumulation_bits(layer)
        sums = none // wide if wide else 0  # of one product nothing is folded
        found.append((weights - none - sums, inputs - none - sums, sums))
    return found[0], found[1]


def best_rows(costs: Whole) -> Whole:
    """Numbers of the rows of (n, k) costs that no other row equals or beats in all."""
    if costs.dtype == object:
        order = np.array(sorted(range(len(costs)), key=lambda n: tuple(costs[n])), dtype=np.int64)
    else:
        order = np.lexsort(costs.T[::-1])
    left, kept = costs[order], [np.empty(0, dtype=np.int64)]
    while len(order):
        first, numbers = left[:BLOCK], np.arange(min(BLOCK, len(left)))
        beaten = (first[None, :] <= first[:, None]).all(axis=2) & (numbers < numbers[:, None])
        alone = ~beaten.any(axis=1)
        first = first[alone]
        kept.append(order[:BLOCK][alone])
        order, left = order[BLOCK:], left[BLOCK:]
        better = np.ones(len(left), dtype=bool)
        for row in first:
            better[better] = (left[better] < row).any(axis=1)
        order, left = order[better], left[better]
    return np.concatenate(kept)
