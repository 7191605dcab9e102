"""PE and SIMD of the units that FINN folds layers to: from an array, and back.

Columns are the processing elements of FINN (``PE``, which divides a layer's output channels), rows
times the engine its SIMD lanes (``SIMD``, which divides the products of an output). A depthwise
layer is a vector-vector unit, whose processing elements are channels.

Source: documentation of the FINN compiler (folding factors of its layers).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from codesign.costs.compute import PEArray, ceil_div, channels_per_pe, fold, folds
from codesign.costs.stages import folds_evenly
from codesign.errors import SpecError
from codesign.specs.layer import Layer
from codesign.specs.machine import Mapping

BY_KIND: dict[str, tuple[Mapping, ...]] = {  # mappings that do as a unit does, nearest first
    "matrix": ("im2col", "window", "output"),
    "vector": ("output", "im2col", "window"),
}


class Unit(NamedTuple):
    """A unit's folding, by the names of FINN's attributes."""

    PE: int
    SIMD: int


def check_has_unit(layer: Layer) -> None:
    """Refuse what FINN has no unit for.

    Raises
    ------
    SpecError
    """
    where = f"layer {layer.name!r}: FINN has no unit for "
    if layer.moves:
        raise SpecError(f"{where}data that only move")
    if layer.weight_tensor is not None:
        raise SpecError(f"{where}a product of two activations")
    if layer.G > 1 and layer.C * layer.K > 1:
        raise SpecError(f"{where}groups of several channels")


def sizes_of(layer: Layer) -> Unit:
    """What PE and SIMD divide: outputs, of a depthwise layer channels, and products of each."""
    return Unit(layer.G if layer.G > 1 else layer.K, layer.C * layer.window)


def unit_of(layer: Layer, array: PEArray | None) -> Unit:
    """PE and SIMD of a layer on an array; None where it has none.

    Raises
    ------
    SpecError
        FINN has no unit for it, or could not have this folding.
    """
    check_has_unit(layer)
    assert array is not None
    found = _unit(layer, array)
    if found is None:
        outputs, products = sizes_of(layer)
        pixels = array.mapping == "output" and array.engine == 1
        instead = "--mapping window,im2col" if pixels else "--technology finn-mvau"
        raise SpecError(
            f"layer {layer.name!r}: FINN cannot fold {products} products of {outputs} outputs as "
            f"{array.rows} × {array.cols} PEs of {array.engine} in mapping {array.mapping} do; "
            f"solve with {instead}"
        )
    return found


def array_of(
    layer: Layer, unit: Unit, engine: int, mappings: Iterable[Mapping] = ()
) -> PEArray | None:
    """The array that folds a layer as a unit does; None where none of PEs of the engine does.

    Parameters
    ----------
    mappings : iterable of str
        Those that it may have, by default all: the first that can is taken, in an order in which
        what FINN keeps in a processing element is in no memory.
    """
    for mapping in BY_KIND["vector" if layer.G > 1 else "matrix"]:
        if mapping not in (tuple(mappings) or BY_KIND["matrix"]):
            continue
        for rows in _rows_of(layer, unit, engine, mapping):
            array = PEArray(rows, unit.PE, engine, mapping)
            sides = np.array([rows]), np.array([unit.PE])
            even = folds_evenly(layer, mapping, engine, *sides).all()
            if even and _unit(layer, array) == unit:
                return array
    return None


def _rows_of(layer: Layer, unit: Unit, engine: int, mapping: Mapping) -> list[int]:
    """Rows that may fold as a unit, few first."""
    if mapping == "output":
        return [1]
    groups, packed = unit.PE if layer.G > 1 else 1, channels_per_pe(layer.window, engine)
    if mapping == "window" and groups > 1:
        return sorted({1, ceil_div(groups * layer.C, packed)})  # rows take channels
    each = packed * layer.window if mapping == "window" and layer.window < engine else engine
    products = max(unit.SIMD, groups * layer.C * layer.window) if groups > 1 else unit.SIMD
    return sorted({1, ceil_div(products, each)})


def _unit(layer: Layer, array: PEArray) -> Unit | None:
    """PE and SIMD that take as many turns as an array."""
    outputs, products = sizes_of(layer)
    if layer.G > 1:
        units, lanes = fold(layer, array).side_by_side, min(array.engine, layer.window)
    else:
        units, lanes = min(array.cols, layer.K), array.rows * array.engine
        if array.mapping == "window" and layer.window < array.engine:
            lanes = array.rows * channels_per_pe(layer.window, array.engine) * layer.window
        lanes = min(lanes, products)
    (_, turns), *_ = folds(layer, array.rows, array.cols, array.engine, array.mapping)
    takes = int(turns.groups * turns.reduction * turns.outputs)
    if outputs % units or products % lanes or takes != outputs // units * (products // lanes):
        return None
    return Unit(units, lanes)
