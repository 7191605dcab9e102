"""Choices of a pipeline → the exact design, with every metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.pipeline import pipeline_metrics, segment_of, stages_of
from codesign.costs.segment import SegmentDesign
from codesign.costs.stage_row import StageDesign
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.starts import good_starts
from codesign.space.dataflow import PipelineSpace


@dataclass(frozen=True)
class Pipeline:
    """A design: widths of tensors, stages, its metrics, and of a hybrid what shares arrays."""

    tensor_bits: Mapping[str, int]
    stages: tuple[StageDesign, ...]
    metrics: Mapping[str, float]
    segments: tuple[SegmentDesign, ...] = ()


def tensor_bits(space: PipelineSpace, widths: Ints) -> dict[str, int]:
    """Width of every tensor, from the index of each class's width."""
    found = dict.fromkeys(space.network.tensors, space.choices.output_bits)
    for name, c in space.class_of_tensor.items():
        found[name] = space.bits[c][int(widths[c])]
    return found


def price(
    space: PipelineSpace, options: Mapping[int, int], widths: Ints, starts: Floats
) -> Pipeline:
    """The design of options, by layer, of the index of each class's width, and of starts."""
    bits, choices = tensor_bits(space, widths), []
    for i, c in enumerate(space.weight_class):
        w = 0 if c is None else space.bits[c][int(widths[c])]
        start = starts[(space.segment_with(i) or (i,))[-1]]
        choices.append(space.choice(i, options.get(i, 0), w, float(start)))
    on = space.network, space.platform
    every = space.segment_choices(options, widths)
    shared = tuple(segment_of(*on, choices, bits, x) for x in every)
    stages = stages_of(*on, choices, bits, shared)
    metrics, _ = pipeline_metrics(*on, stages, bits, space.problem.noise_of, shared)
    return Pipeline(bits, stages, metrics, shared)


def lags_of(space: PipelineSpace, options: Mapping[int, int]) -> Floats:
    """(L,): of each layer, by its option."""
    lags = np.array(space.least_lags)
    for i, found in enumerate(space.options):
        if found is not None:
            lags[i] = found.table.lag[options[i]]
    return lags


def with_good_starts(
    space: PipelineSpace, fifos: Fifos, options: Mapping[int, int], widths: Ints
) -> Pipeline:
    """The same with starts where little waits."""
    bits = np.array([space.bits[c][int(widths[c])] for c in fifos.width_class])
    lags, costs = lags_of(space, options), np.where(fifos.through_dram, 0.0, fifos.elements * bits)
    return price(space, options, widths, good_starts(fifos, lags, costs))


def chosen_options(layers: Ints, columns: Ints, option: Ints) -> dict[int, int]:
    """By layer."""
    return {int(i): int(option[o]) for i, o in zip(layers, columns, strict=True)}
