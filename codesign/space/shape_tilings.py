"""Tilings of a problem's layers on its array shapes, and of these the best."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.compute import Folding, PEArray, fold, fold_on_each
from codesign.costs.residency import without_resident
from codesign.costs.stored import stored_tilings
from codesign.costs.tiling import Tilings, operand_bits, tilings
from codesign.space.array_cycles import ArrayCycles, Options
from codesign.space.capacities import Capacities
from codesign.space.energy import EnergyCosts
from codesign.space.staircase import Staircase, build_staircase, chosen_by, rounded_to_sizes


class PlacedOptions(Options, Protocol):
    """Options of a space that says which tensors may stay on chip."""

    placed: tuple[str, ...]


class ShapeTilings:
    """Pareto-best tilings of each geometry of a space on its array shapes, built on first use."""

    def __init__(
        self,
        space: PlacedOptions,
        pace: ArrayCycles,
        energy: EnergyCosts | None,
        declared: Capacities,
    ) -> None:
        self.space, self._pace, self._energy, self._declared = space, pace, energy, declared
        self._staircases: dict[tuple[object, ...], Staircase] = {}
        self._folds: dict[tuple[object, ...], dict[tuple[int, int], Folding]] = {}
        self._bits: dict[int, Ints] = {}  # by those that sums add
        self._asked: dict[tuple[int, int, int, int, bool], Staircase] = {}  # by what is asked

    def staircase(
        self, shape: int, geometry: int, variant: int = 0, mode: int = 0, energy: bool = False
    ) -> Staircase:
        """Pareto-best tilings of a geometry on an array shape, built on first use.

        ``variant`` tells which operands are resident, as `WidthSpace.variants`; ``mode``, which of
        the mappings that a layer may take on its own; ``energy``, that its traffic is not in bits,
        but in J: those of DRAM and of the SRAM accesses that go with it.
        """
        key = shape, geometry, variant, mode, energy
        if key not in self._asked:
            if self.space.widens:
                self._asked[key] = self._split_staircase(*key)
            else:
                array = self._array_at(shape, mode)
                self._asked[key] = self._staircase_on(array, geometry, variant, energy)
        return self._asked[key]

    def _array_at(self, shape: int, mode: int) -> PEArray:
        array, mapping = self.space.shapes[shape], self.space.modes[mode]
        return array if mapping is None else replace(array, mapping=mapping)

    def split_arrays(self, shape: int, mode: int) -> tuple[Ints, dict[int, PEArray]]:
        """(w, w) multipliers of a shape's PEs at each pair of widths, and its array by these."""
        engines, array = self._pace.engines(np.array([shape]))[0], self._array_at(shape, mode)
        each = sorted({*engines.ravel().tolist()})
        return engines, {engine: replace(array, engine=engine) for engine in each}

    def _split_staircase(
        self, shape: int, geometry: int, variant: int, mode: int, energy: bool
    ) -> Staircase:
        """The same where PEs split: at each pair of widths of the array that it makes."""
        engines, arrays = self.split_arrays(shape, mode)
        stairs = (self._staircase_on(x, geometry, variant, energy) for x in arrays.values())
        return chosen_by(engines, dict(zip(arrays, stairs, strict=True)))

    def tilings_on(self, array: PEArray, geometry: int, variant: int) -> Tilings:
        """All tilings of a geometry on an array that are worth considering."""
        return self._staircase_on(array, geometry, variant).tilings

    def largest_needs(self, shape: int, mode: int, variants: int) -> Floats:
        """(variants × geometries, 1, 1): SRAM bits that no tiling exceeds at any width."""
        widest, most = int(self.space.widths[-1]), []
        for variant in range(variants):
            for geometry, layer in enumerate(self.space.geometries):
                need = self.staircase(shape, geometry, variant, mode).tilings.need.max(axis=0)
                most.append(float(need @ operand_bits(widest, widest, layer.accumulation_bits)))
        return np.array(most)[:, None, None]

    def needed(self, bits: Floats) -> Floats:
        """What tilings need, SRAM bits; the size on offer that holds them where that says all."""
        if self._declared.stepped and not self.space.placed:
            return self._declared.holding(bits)
        return bits

    def _staircase_on(
        self, array: PEArray, geometry: int, variant: int, energy: bool = False
    ) -> Staircase:
        layer = self.space.geometries[geometry]
        # Arrays that a layer folds onto with the same granules share their tilings.
        folding = self._fold(array, geometry)
        key = (geometry, folding, variant, array.mapping if energy else None)
        if key not in self._staircases:
            if energy:
                assert self._energy is not None
                tiles = self._staircase_on(array, geometry, variant).tilings
                tiles = self._energy.priced(tiles, array.mapping, geometry)
            elif variant:
                tiles = of_variant(self._staircase_on(array, geometry, 0).tilings, variant)
            else:
                problem = self.space.problem
                multiple = problem.choices.stored_channels
                tiles = stored_tilings(
                    tilings(layer, array, folding), problem.network, layer, multiple
                )
            buffers = self.space.problem.choices.buffers
            stairs = build_staircase(tiles, self._operand_bits(layer.accumulation_bits), buffers)
            if self._declared.stepped and not self.space.placed:
                stairs = rounded_to_sizes(stairs, self._declared)
            self._staircases[key] = stairs
        return self._staircases[key]

    def _operand_bits(self, accumulation_bits: int) -> Ints:
        """(w, w, 3): see `operand_bits`."""
        if accumulation_bits not in self._bits:
            widths = self.space.widths
            found = operand_bits(widths[:, None], widths[None, :], accumulation_bits)
            self._bits[accumulation_bits] = found
        return self._bits[accumulation_bits]

    def _fold(self, array: PEArray, geometry: int) -> Folding:
        """How a geometry folds onto an array; onto all of its sort on offer at once."""
        of, sides = self.space, (array.rows, array.cols)
        key = geometry, array.engine, array.mapping
        if key not in self._folds:
            every = np.array([(x.rows, x.cols) for x in of.shapes]).T
            each = fold_on_each(of.geometries[geometry], array, *every)
            offered = zip(*every.tolist(), strict=True)
            self._folds[key] = dict(zip(offered, each, strict=True))
        known = self._folds[key]
        if sides not in known:
            known[sides] = fold(of.geometries[geometry], array)
        return known[sides]


def of_variant(tiles: Tilings, variant: int) -> Tilings:
    """Tilings with the operands of a variant resident."""
    return without_resident(tiles, variant >= 2, variant % 2 == 1) if variant else tiles
