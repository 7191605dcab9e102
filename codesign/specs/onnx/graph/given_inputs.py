"""Inputs whose values are given: a sampling rate that decides a branch, a shape to reshape to.

They are constants of the model from then on, and no inputs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from codesign.errors import SpecError
from codesign.specs.onnx.graph.file import MAX_SMALL, Model

MOST_SHOWN = 8  # values of an input, in a note
MOST_PROPOSED = 16  # whole numbers of an input whose value may be asked for

Array = np.ndarray[Any, Any]


def fix_inputs(
    model: Model, inputs: Mapping[str, Any], dims: Mapping[str, int]
) -> tuple[Model, dict[str, int]]:
    """Make constants of the inputs whose values are given, in place.

    Returns
    -------
    tuple of Model and dict of str to int
        The model with the inputs that are left, and ``dims`` with the sizes that the values imply
        for dimensions that other inputs have, too.

    Raises
    ------
    SpecError
        An input that is not there, or a value that does not fit it.
    """
    graph, sizes = model.proto.graph, dict(dims)
    declared = {value.name: value for value in graph.input if value.name in model.inputs}
    preset = {
        tensor.name: helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in graph.initializer
        if tensor.name in model.preset
    }
    fixed: list[TensorProto] = []
    for name, given in inputs.items():
        value = declared.get(name, preset.get(name))
        if value is None:
            raise SpecError(f"no input {name!r}; it has {', '.join(declared) or 'none'}")
        array = _fitted(value, given, dims)
        for axis, size in enumerate(array.shape):
            symbol = value.type.tensor_type.shape.dim[axis].dim_param
            left = [v for n, v in declared.items() if n not in inputs and _has(v, symbol)]
            sizes.pop(f"{name}.{axis}", None)
            if not left:
                sizes.pop(symbol, None)
            elif symbol and sizes.setdefault(symbol, size) != size:
                raise SpecError(
                    f"input {name!r} has {size} values along {symbol!r}, which is {sizes[symbol]}"
                )
        fixed.append(numpy_helper.from_array(array, name))
    for entries in (graph.input, graph.initializer):
        for position in reversed(range(len(entries))):
            if entries[position].name in inputs:
                del entries[position]
    graph.initializer.extend(fixed)
    return replace(model, inputs=tuple(n for n in model.inputs if n not in inputs)), sizes


def given_notes(inputs: Mapping[str, Any], known: Mapping[str, Array]) -> tuple[str, ...]:
    """What the inputs that are constants hold."""
    shown = []
    for name in inputs:
        values = known[name].reshape(-1)
        first = ", ".join(map(str, values[:MOST_SHOWN].tolist()))
        shown.append(f"{name} = {first}" + (", …" if values.size > MOST_SHOWN else ""))
    return (f"inputs that are constants: {'; '.join(shown)}",) if shown else ()


def _has(value: ValueInfoProto, symbol: str) -> bool:
    return any(dim.dim_param == symbol for dim in value.type.tensor_type.shape.dim)


def _fitted(declared: ValueInfoProto, given: Any, dims: Mapping[str, int]) -> Array:
    """A value in the type and the shape that an input has."""
    kind, where = declared.type.tensor_type, f"input {declared.name!r}"
    if not declared.type.HasField("tensor_type") or kind.elem_type == TensorProto.STRING:
        raise SpecError(f"{where}: numbers can be given, and it takes none")
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    try:
        array = np.asarray(given)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise SpecError(f"{where} = {given!r}: give numbers, true or false")
    if not 0 < array.size <= MAX_SMALL:
        raise SpecError(f"{where}: {array.size} values; from 1 to {MAX_SMALL} can be given")
    array = _shaped(array, declared, dims)
    with np.errstate(all="ignore"):
        found = array.astype(dtype)
    if dtype.kind in "biu" and not (found == array).all():
        raise SpecError(f"{where} = {given!r}: it takes {dtype.name}")
    return found


def _shaped(array: Array, declared: ValueInfoProto, dims: Mapping[str, int]) -> Array:
    """Values in the input's shape: a list fills it; an axis without a size takes what is left."""
    name, axes = declared.name, declared.type.tensor_type.shape.dim
    shape = [
        dim.dim_value if dim.dim_value > 0 else dims.get(dim.dim_param, dims.get(f"{name}.{n}", -1))
        for n, dim in enumerate(axes)
    ]
    fixed = math.prod(size for size in shape if size > 0)
    fits = array.size % fixed == 0 if shape.count(-1) else array.size == fixed
    if array.ndim > 1:
        fits &= array.ndim == len(shape)
        fits = fits and all(s in (-1, n) for s, n in zip(shape, array.shape, strict=True))
        shape = [*array.shape] if fits else shape
    if not fits or shape.count(-1) > 1:
        shown = " × ".join(str(size) if size > 0 else "?" for size in shape) or "one value"
        raise SpecError(f"input {name!r}: {array.size} values given, and its shape is {shown}")
    return array.reshape(shape)


def small_inputs(proto: ModelProto, inputs: Collection[str]) -> frozenset[str]:
    """Inputs that may decide something: a number each, or a few whole numbers."""
    return frozenset(
        value.name for value in proto.graph.input if value.name in inputs and _is_small(value)
    )


def _is_small(declared: ValueInfoProto) -> bool:
    kind = declared.type.tensor_type
    elements = math.prod(int(dim.dim_value) for dim in kind.shape.dim)
    if kind.elem_type in (TensorProto.STRING, TensorProto.UNDEFINED):
        return False
    whole = helper.tensor_dtype_to_np_dtype(kind.elem_type).kind in "biu"
    return elements <= (MOST_PROPOSED if whole else 1)
