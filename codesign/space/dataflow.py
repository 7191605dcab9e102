"""The declared space of the dataflow architecture: what each stage may be, as arrays.

An option of a stage is a mapping, an array, a place of the weights and a height of bands; its
widths are those of its classes (`codesign.problem.width_groups`). Options that others equal or beat
in all that any widths can make of them are left out early, per array.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.compute import cycles, folds
from codesign.costs.pipeline import Platform, Read, StageChoice, reads_of
from codesign.costs.segment import SegmentChoice, edge_elements, segment_with
from codesign.costs.stages import (
    StageTable,
    band_heights,
    folds_evenly,
    lag_of,
    layer_shape,
    stage_table,
)
from codesign.errors import SpecError
from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.specs.given_stage import ANY_STAGE, GivenStage
from codesign.specs.layer import Layer
from codesign.specs.machine import Mapping as ArrayMapping


class StageOptions(NamedTuple):
    """Options of a layer with MACs, one entry each; shape (n,).

    Attributes
    ----------
    mapping : ints
        Index in ``choices.mapping``.
    rows, cols, band_rows : ints
    streams : bools
        Whether weights are fetched from DRAM for each band.
    table : StageTable
        What they cost, whatever the widths.
    """

    mapping: Ints
    rows: Ints
    cols: Ints
    band_rows: Ints
    streams: Bools
    table: StageTable

    def take(self, kept: Ints) -> StageOptions:
        """Some of them."""
        table: list[Any] = [x[kept] for x in self.table]
        few: list[Any] = [*(x[kept] for x in self[:-1]), StageTable(*table)]
        return StageOptions(*few)


class PipelineSpace:
    """All pipelines of a problem.

    Attributes
    ----------
    problem : Problem
    platform : Platform
    reads : list of Read
    classes : list of tuple of str
        Sources that take one width.
    bits : list of tuple of int
        Widths of each class, ascending.
    weight_class, input_class : list of int or None
        Of each layer with MACs, the class of either operand.
    options : list of StageOptions or None
        None of a layer that has no array of its own.
    segments : tuple of range
        Numbers of layers that share an array, as of `codesign.space.segments`; here there are none.
    unfolded : list of int
        Layers of which no array on offer divides the channels, on an FPGA; they have no options.

    Parameters
    ----------
    shared : bool
        Layers may share an array: those that are unfolded must.

    Raises
    ------
    SpecError
        No array divides a layer's channels, on an FPGA; or a layer has no band as given.
    """

    segments: tuple[range, ...] = ()

    def __init__(self, problem: Problem, platform: Platform, shared: bool = False) -> None:
        self.problem, self.platform = problem, platform
        self.network, self.choices = problem.network, problem.choices
        self.reads: list[Read] = reads_of(self.network)
        self.classes = list(problem.width_classes)
        self.bits = [problem.allowed_bits(members[0]) for members in self.classes]
        number = {x: n for n, members in enumerate(self.classes) for x in members}
        self.class_of_tensor = {
            name: number[f"tensor:{name}"] for name in self.network.inner_tensors
        }
        layers = self.network.layers
        self.weight_class = [None if x.moves else number[x.weight_source] for x in layers]
        self.input_class = [None if x.moves else number[f"tensor:{x.input}"] for x in layers]
        known: dict[tuple[object, ...], StageOptions] = {}
        self.options: list[StageOptions | None] = []
        for layer in layers:
            key = layer_shape(layer), self._given(layer)
            if not layer.moves and key not in known:
                known[key] = self._options(layer)
            self.options.append(None if layer.moves else known[key])
        every = enumerate(self.options)
        self.unfolded = [i for i, x in every if x is not None and not len(x.rows)]
        if self.unfolded and not shared:
            raise self.no_stage()

    @property
    def hardware_metrics(self) -> tuple[str, ...]:
        """What an array and memories take."""
        return self.problem.technology.hardware_metrics

    @cached_property
    def class_noise(self) -> list[Floats]:
        """Of each class at each of its widths."""
        noise_of = self.problem.noise_of
        return [
            np.array([math.fsum(noise_of(x, b) for x in members) for b in bits])
            for members, bits in zip(self.classes, self.bits, strict=True)
        ]

    @cached_property
    def least_lags(self) -> list[float]:
        """Of each layer, in intervals."""
        return [
            self._fixed_lag(i) if not _has_any(found) else float(found.table.lag.min())
            for i, found in enumerate(self.options)
        ]

    @cached_property
    def most_lags(self) -> list[float]:
        """Of each layer, in intervals."""
        return [
            self._fixed_lag(i) if not _has_any(found) else float(found.table.lag.max())
            for i, found in enumerate(self.options)
        ]

    def _fixed_lag(self, layer: int) -> float:
        if self.segment_with(layer) is not None:
            return 0.0
        return float(lag_of(self.network.layers[layer], 1))

    def segment_with(self, layer: int) -> range | None:
        """The segment that a layer is in; None: none."""
        return segment_with(self.segments, layer)

    @property
    def chosen_layers(self) -> list[int]:
        """Numbers of the layers with MACs of which an option is chosen."""
        return [i for i, x in enumerate(self.options) if x is not None]

    def segment_choices(self, options: Mapping[int, int], widths: Ints) -> list[SegmentChoice]:
        """How layers of each segment share an array, by the number of each one's option."""
        return []

    @cached_property
    def moved(self) -> tuple[list[float], float]:
        """Elements of each class, and of results, moved from and to DRAM whatever the options."""
        of_classes, of_results = [0.0] * len(self.classes), 0.0
        for name, elements in self._moved_elements().items():
            c = self.class_of_tensor.get(name)
            if c is None:
                of_results += elements
            else:
                of_classes[c] += elements
        return of_classes, of_results

    def _moved_elements(self) -> dict[str, float]:
        """The same by tensor."""
        return edge_elements(self.network, self.segments)

    def array_counts(self, rows: Ints, cols: Ints) -> list[Ints]:
        """What an array costs no less with more of, whatever the widths.

        Where the PEs of a column share an accumulator, an array of as many PEs takes more LUTs or
        fewer with more columns, by whether it is wider than what it saves of adders.
        """
        technology = self.problem.technology
        if not isinstance(technology, Fpga) or technology.accumulators == "pe":
            return [rows * cols]
        widest = 2 * max(max(bits) for bits in self.bits)
        narrower = technology.accumulator_bits < widest
        return [rows * cols, cols, *[-cols] * narrower]

    def choice(self, layer: int, option: int, weight_bits: int, start: float) -> StageChoice:
        """An option of a layer, as `codesign.costs.pipeline` takes it."""
        found = self.options[layer]
        if found is None:
            of = self.network.layers[layer]
            own = None if of.moves else weight_bits  # None of its array's, if it has one
            return StageChoice(own, None, None, None, None, of.P, start)
        return StageChoice(
            weight_bits,
            self.choices.mapping[int(found.mapping[option])],
            int(found.rows[option]),
            int(found.cols[option]),
            "stream" if found.streams[option] else "chip",
            int(found.band_rows[option]),
            start,
        )

    def _given(self, layer: Layer) -> GivenStage:
        """What is given of a layer's stage."""
        return self.choices.stages.get(layer.name, ANY_STAGE)

    def _options(self, layer: Layer) -> StageOptions:
        """All that may be best of a layer; none where no array divides its channels."""
        every = [
            self._of_mapping(layer, number, mapping)
            for number, mapping in enumerate(self.choices.mapping)
            if self._given(layer).mapping in (None, mapping)
        ]
        found = [x for x in every if x is not None]
        if not found and self._given(layer).told:
            raise SpecError(self._given_fault(layer))
        if not found:
            return NO_OPTIONS
        table: list[Any] = [np.concatenate(x) for x in zip(*(y.table for y in found), strict=True)]
        each: list[Any] = [np.concatenate(x) for x in zip(*(y[:-1] for y in found), strict=True)]
        return StageOptions(*[*each, StageTable(*table)])

    def no_stage(self) -> SpecError:
        """What to say of a layer that has no stage, where it must have one."""
        layer = self.network.layers[self.unfolded[0]]
        return SpecError(
            f"layer {layer.name!r}: on an FPGA rows and columns divide the layer's channels, and "
            f"none on offer do; {self._what_folds(layer)}{self._left_out()}"
        )

    def _left_out(self) -> str:
        """Which architectures need no stage of every layer, where such are on offer beside it."""
        others = [x for x in self.choices.architecture if x != "dataflow"]
        if len(others) == len(self.choices.architecture) or not others:
            return ""
        return f"; or leave the pipeline out: architecture {','.join(others)!r}"

    def _given_fault(self, layer: Layer) -> str:
        """Why a layer has no stage as given."""
        given = self._given(layer)
        mappings = (given.mapping,) if given.mapping else self.choices.mapping
        arrays = {x: self._arrays(layer, x) for x in mappings}
        fold = {x: rows for x, (rows, _) in arrays.items() if len(rows)}
        if not fold:
            sides = f"{given.rows or 'any'} rows × {given.cols or 'any'} columns"
            return (
                f"layer {layer.name!r}: {sides} in mapping {' or '.join(mappings)} do not divide "
                f"its {layer.C} input and {layer.K} output channels and "
                f"{layer.R} × {layer.S} kernel without remainder"
            )
        each = ((x, int(r)) for x, rows in fold.items() for r in rows)
        heights = sorted({p for x, r in each for p in band_heights(layer, x, r)})
        nearby = sorted(sorted(heights, key=lambda p: abs(p - (given.band_rows or 0)))[:4])
        return (
            f"layer {layer.name!r}: bands of {given.band_rows} rows are as many as bands of fewer, "
            f"or leave rows of PEs idle; take one of {', '.join(map(str, nearby))}"
        )

    def _what_folds(self, layer: Layer) -> str:
        """What to offer so that a layer folds on an FPGA."""
        engine, one = self.problem.technology.engine, np.ones(1, dtype=np.int64)
        zero_skipping = self.platform.machine.zero_skipping
        for mapping in self.choices.mapping:
            if folds_evenly(layer, mapping, engine, one, one, zero_skipping).any():
                return "offer rows and cols of 1 too"
        return (
            f"a PE of {self.problem.technology.name!r} takes {engine} products at once, which fold "
            "no part of it evenly; offer mapping 'output' too, or take a technology whose engine "
            "is 1, such as 'finn-mvau'"
        )

    def _of_mapping(self, layer: Layer, number: int, mapping: ArrayMapping) -> StageOptions | None:
        rows, cols = self._arrays(layer, mapping)
        if not len(rows):
            return None
        given, blocks = self._given(layer), []
        for row in sorted({*rows.tolist()}) if mapping == "output" else [None]:
            mine = np.ones(len(rows), bool) if row is None else rows == row
            heights = np.array(band_heights(layer, mapping, row or 1), dtype=np.int64)
            streams = np.array([False, True] if layer.uses_weights else [False])
            if given.band_rows is not None:
                heights = heights[heights == given.band_rows]
            if given.weights is not None:
                streams = streams[streams == (given.weights == "stream")]
            grid = np.meshgrid(np.flatnonzero(mine), heights, streams, indexing="ij")
            blocks.append([x.ravel() for x in grid])
        array, heights, streams = (np.concatenate(x) for x in zip(*blocks, strict=True))
        if not len(array):
            return None
        on = rows[array], cols[array], heights
        engine = self.problem.technology.engine
        table = stage_table(layer, self.platform.machine, engine, mapping, *on, streams)
        return StageOptions(np.full(len(array), number), *on, streams, table)

    def _arrays(self, layer: Layer, mapping: ArrayMapping) -> tuple[Ints, Ints]:
        """Rows and columns on offer; of one mapping, those that no other equal or beat in all."""
        given = self._given(layer)
        on_offer = [given.rows or self.choices.rows, given.cols or self.choices.cols]
        sides = np.meshgrid(*on_offer, indexing="ij")
        rows, cols = (np.ravel(x) for x in sides)
        if self.choices.square:
            rows, cols = rows[rows == cols], cols[rows == cols]
        engine = self.problem.technology.engine
        machine = self.platform.machine
        if isinstance(self.problem.technology, Fpga):
            even = folds_evenly(layer, mapping, engine, rows, cols, machine.zero_skipping)
            rows, cols = rows[even], cols[even]
        if not len(rows):
            return rows, cols
        turns = folds(layer, rows, cols, engine, mapping, machine.zero_skipping)
        costs = [cycles(layer, rows, cols, engine, mapping, machine)]
        costs += self.array_counts(rows, cols)
        costs += [x for _, t in turns for x in (t.reduction, t.outputs, t.groups)]
        costs += [cols, *[rows, -rows] * (mapping == "output")]
        kept = undominated(np.stack(costs, axis=1).astype(np.float64))
        return rows[kept], cols[kept]


NONE: Any = np.zeros(0, dtype=np.int64)
NO_OPTIONS = StageOptions(
    NONE, NONE, NONE, NONE, NONE.astype(np.bool_), StageTable(*[NONE] * len(StageTable._fields))
)


def _has_any(options: StageOptions | None) -> TypeGuard[StageOptions]:
    return options is not None and len(options.rows) > 0


def undominated(costs: Floats) -> Ints:
    """Rows of (n, k) costs that no other row equals or beats in all, in their order."""
    order = np.argsort(costs.sum(axis=1), kind="stable")
    left, kept = costs[order], []
    while len(order):
        kept.append(int(order[0]))
        better = (left < left[0]).any(axis=1)
        order, left = order[better], left[better]
    return np.array(sorted(kept), dtype=np.int64)
