"""Gives the symbolic dimensions of a model's inputs their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codesign.errors import SpecError
from codesign.specs.onnx.file import Model

MAX_DIM = 10**9


def bind(model: Model, dims: Mapping[str, int], batch: int | None) -> int:
    """Give every symbolic dimension its size, in place; return the images still to multiply by.

    A dimension without a name is called ``<input>.<axis>``.

    Raises
    ------
    SpecError
        A dimension without a size, a size without a dimension, or two sizes for one.
    """
    sizes = _checked(dims, batch)
    first = _first_dim(model)
    if batch is not None and first is not None:
        if sizes.setdefault(first, batch) != batch:
            raise SpecError(f"batch {batch}, but dimension {first!r} {sizes[first]}")
        batch = None
    symbols = _symbols(model)
    for name in sizes:
        if name not in symbols:
            known = f"it has {', '.join(symbols)}" if symbols else "all its dimensions have sizes"
            raise SpecError(f"no symbolic dimension {name!r}; {known}")
    missing = [name for name in symbols if name not in sizes]
    if missing:
        flags = " ".join(f"--dim {name}=N" for name in missing)
        hint = " (or --batch N)" if first in missing else ""
        raise SpecError(
            f"symbolic dimension{'s' if len(missing) > 1 else ''} "
            f"{', '.join(map(repr, missing))} without a size: give {flags}{hint}"
        )
    graph = model.proto.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            size = sizes.get(_symbol(value.name, axis, dim) or "")
            if size is not None:
                dim.dim_value = size
    return batch or 1


def _checked(dims: Mapping[str, int], batch: int | None) -> dict[str, int]:
    for name, size in {**dims, **({} if batch is None else {"batch": batch})}.items():
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_DIM:
            raise SpecError(f"{name} = {size!r}: give a whole number from 1 to {MAX_DIM}")
    return dict(dims)


def _symbol(value: str, axis: int, dim: Any) -> str | None:
    """The name of a dimension without a size; None if it has one."""
    if dim.HasField("dim_value") and dim.dim_value > 0:
        return None
    return dim.dim_param or f"{value}.{axis}"


def _symbols(model: Model) -> tuple[str, ...]:
    """The symbolic dimensions of all inputs, each once."""
    found: dict[str, None] = {}
    for value in model.proto.graph.input:
        if value.name not in model.inputs:
            continue
        if not value.type.HasField("tensor_type"):
            raise SpecError(f"input {value.name!r} is not a tensor")
        if not value.type.tensor_type.HasField("shape"):
            raise SpecError(f"input {value.name!r} has no declared shape")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            symbol = _symbol(value.name, axis, dim)
            if symbol is not None:
                found[symbol] = None
    return tuple(found)


def _first_dim(model: Model) -> str | None:
    """The symbol that is the first dimension of the first input: the batch."""
    for value in model.proto.graph.input:
        if value.name in model.inputs:
            dims = value.type.tensor_type.shape.dim
            return _symbol(value.name, 0, dims[0]) if dims else None
    return None
