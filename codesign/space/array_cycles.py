"""Compute cycles of a problem's layers on all of its hardware options."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from codesign.arrays import Bools, Ints
from codesign.costs.compute import PEArray, cycles, movement_cycles, widened
from codesign.costs.residency import moved_elements
from codesign.problem.problem import Problem
from codesign.specs.machine import Mapping
from codesign.specs.network import Layer


class Options(Protocol):
    """What of a space of hardware options decides cycles; see `HardwareSpace`."""

    problem: Problem
    widths: Ints
    geometries: tuple[Layer, ...]
    geometry_of: Ints
    shapes: tuple[PEArray, ...]
    shape_rows: Ints
    shape_cols: Ints
    shape_of: Ints
    pair_of: Ints
    pe_weight_bits: Ints
    pe_activation_bits: Ints
    modes: tuple[Mapping | None, ...]
    widens: bool


class ArrayCycles:
    """Cycles of each geometry of a space on its array shapes, and at widths on its options."""

    def __init__(self, space: Options) -> None:
        self.space, self.problem = space, space.problem
        self._split: dict[tuple[int, int], Ints] = {}  # of each mode and engine

    @cached_property
    def of_shapes(self) -> Ints:
        """(shapes, geometries): at widths the PE holds natively, in the best mode.

        Where PEs split, at most so many.
        """
        return np.asarray(np.min(self._of_modes, axis=0))

    def of_options(self, options: Ints, mode: int | None = None) -> Ints:
        """(options, geometries, w, w), or of width 1: in a mode, or the best of all."""
        space = self.space
        if space.widens:
            modes = range(len(space.modes)) if mode is None else [mode]
            return np.asarray(np.min([self._of_split(options, m) for m in modes], axis=0))
        table = self.of_shapes if mode is None else self._of_modes[mode]
        made = table[space.shape_of[options]][:, :, None, None]
        factor = self.precision_factor(options)
        if (factor > 1).any():
            made = made * np.where(self._moves, 1, factor[:, None])
        return made

    def precision_factor(self, options: Ints) -> Ints:
        """(options, widths, widths): ``⌈bw/Bw⌉·⌈ba/Ba⌉`` where operands take several passes."""
        widths, space = self.space.widths, self.space
        if self.problem.choices.precision != "multi-pass":
            return np.ones((len(options), len(widths), len(widths)), dtype=np.int64)
        weights = -(-widths // space.pe_weight_bits[options, None])
        ifmaps = -(-widths // space.pe_activation_bits[options, None])
        return np.asarray(weights[:, :, None] * ifmaps[:, None, :])

    def engines(self, options: Ints) -> Ints:
        """(options, widths, widths): multipliers of a PE; where it does not run, as if unsplit."""
        return np.asarray(self._of_pairs[self.space.pair_of[options]])

    def _on_shapes(self, mode: int, engine: int) -> Ints:
        """(shapes, geometries): in a mode, with PEs of so many multipliers."""
        space, choices = self.space, self.problem.choices
        made = np.zeros((len(space.shapes), len(space.geometries)), dtype=np.int64)
        plain = self.problem.technology.engine
        mapping_of = np.array([space.modes[mode] or array.mapping for array in space.shapes])
        for n, layer in enumerate(space.geometries):
            if layer.moves:
                made[:, n] = movement_cycles(self._moved_elements[n], space.shape_rows, plain)
                continue
            for mapping in choices.mapping:
                mine = mapping_of == mapping
                sides = space.shape_rows[mine], space.shape_cols[mine]
                made[mine, n] = cycles(layer, *sides, engine, mapping, choices)
        return made

    @cached_property
    def _of_modes(self) -> list[Ints]:
        """(shapes, geometries) of each mode, at widths the PE holds natively."""
        engine = self.problem.technology.engine
        return [self._on_shapes(mode, engine) for mode in range(len(self.space.modes))]

    def _of_split(self, options: Ints, mode: int) -> Ints:
        """(options, geometries, w, w): where PEs split into narrower ones."""
        space, engines = self.space, self.engines(options)[:, None]
        made = np.zeros((len(options), len(space.geometries), *engines.shape[2:]), dtype=np.int64)
        for engine in np.unique(engines).tolist():
            if (mode, engine) not in self._split:
                self._split[mode, engine] = self._on_shapes(mode, engine)
            table = self._split[mode, engine][space.shape_of[options]]
            made = np.where(engines == engine, table[:, :, None, None], made)
        return made

    @cached_property
    def _of_pairs(self) -> Ints:
        """(pairs of PE widths, widths, widths): `engines`."""
        space, engine = self.space, self.problem.technology.engine
        widths, pairs = space.widths.tolist(), int(space.pair_of.max()) + 1
        made = np.full((pairs, len(widths), len(widths)), engine, dtype=np.int64)
        if not space.widens:
            return made
        for n in range(pairs):
            pe = int(space.pe_weight_bits[n]), int(space.pe_activation_bits[n])
            for w, bw in enumerate(widths):
                for a, ba in enumerate(widths):
                    if bw <= pe[0] and ba <= pe[1]:
                        made[n, w, a] = widened(engine, bw, ba, *pe)
        return made

    @cached_property
    def _moves(self) -> Bools:
        """(geometries, 1, 1): layers that only move data, at any width."""
        return np.array([layer.moves for layer in self.space.geometries])[:, None, None]

    @cached_property
    def _moved_elements(self) -> dict[int, int]:
        """Of each geometry that only moves data, where that takes time: elements moved."""
        if self.problem.choices.on_chip == "none":
            return dict.fromkeys(range(len(self.space.geometries)), 0)
        layers = zip(self.space.geometry_of, self.problem.network.layers, strict=True)
        return {int(g): moved_elements(self.problem.network, layer) for g, layer in layers}
