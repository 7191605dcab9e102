"""Gives the symbolic dimensions of a model's inputs their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codesign.errors import SpecError
from codesign.specs.onnx.graph.file import Model

MAX_DIM = 10**9
# What exporters write where they know no name: each such axis is a dimension of its own.
NAMELESS = ("", "?", "*", "-1", "None", "unknown")


@dataclass(frozen=True)
class _Symbols:
    """The dimensions without a size: by name and, where they have none, by input and axis.

    Attributes
    ----------
    of_axis : dict of str to str
        ``<input>.<axis>`` to the dimension's name, which is the same where it has no other.
    nameless : dict of str to list of str
        The axes that a file calls by a name that is none.
    """

    of_axis: dict[str, str] = field(default_factory=dict)
    nameless: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Each dimension once, in the order of the inputs."""
        return tuple(dict.fromkeys(self.of_axis.values()))

    def meant(self, given: str) -> str:
        """The dimension that somebody calls by its name, its input and axis, or a lone ``?``."""
        names, axes = self.names, self.nameless.get(given, [])
        if given in names or given in self.of_axis:
            return given if given in names else self.of_axis[given]
        if len(axes) == 1:
            return axes[0]
        if axes:
            flags = " ".join(f"--dim {axis}=N" for axis in axes)
            raise SpecError(f"{given!r} are {len(axes)} dimensions: give {flags}")
        known = f"it has {', '.join(names)}" if names else "all its dimensions have sizes"
        raise SpecError(f"no symbolic dimension {given!r}; {known}")


def bind(model: Model, dims: Mapping[str, int], batch: int | None) -> int:
    """Give every symbolic dimension its size, in place; return the images still to multiply by.

    A dimension without a name is called ``<input>.<axis>``, which one with a name may be, too.

    Raises
    ------
    SpecError
        A dimension without a size, a size without a dimension, or two sizes for one.
    """
    symbols = _symbols(model)
    sizes = _sizes(symbols, dims, batch)
    first = _first_dim(model, symbols)
    if batch is not None and first is not None:
        if sizes.setdefault(first, batch) != batch:
            raise SpecError(f"batch {batch}, but dimension {first!r} {sizes[first]}")
        batch = None
    missing = [name for name in symbols.names if name not in sizes]
    if missing:
        flags = " ".join(f"--dim {name}=N" for name in missing)
        hint = " (or --batch N)" if first in missing else ""
        raise SpecError(
            f"symbolic dimension{'s' if len(missing) > 1 else ''} "
            f"{', '.join(map(repr, missing))} without a size: give {flags}{hint}"
        )
    graph = model.proto.graph
    for value in (*graph.input, *graph.value_info):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if _is_open(dim):
                name = symbols.of_axis.get(f"{value.name}.{axis}", dim.dim_param)
                dim.dim_value = sizes.get(name, 0)
    return batch or 1


def _sizes(symbols: _Symbols, dims: Mapping[str, int], batch: int | None) -> dict[str, int]:
    for name, size in {**dims, **({} if batch is None else {"batch": batch})}.items():
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_DIM:
            raise SpecError(f"{name} = {size!r}: give a whole number from 1 to {MAX_DIM}")
    sizes: dict[str, int] = {}
    called: dict[str, str] = {}
    for given, size in dims.items():
        name = symbols.meant(given)
        other = called.setdefault(name, given)
        if sizes.setdefault(name, size) != size:
            raise SpecError(f"{other!r} and {given!r} are one dimension: {sizes[name]} or {size}?")
    return sizes


def _is_open(dim: Any) -> bool:
    """Whether a dimension has no size: exporters also write 0 or −1."""
    return not (dim.HasField("dim_value") and dim.dim_value > 0)


def _symbols(model: Model) -> _Symbols:
    """The symbolic dimensions of all inputs."""
    found = _Symbols()
    for value in model.proto.graph.input:
        if value.name not in model.inputs:
            continue
        if not value.type.HasField("tensor_type"):
            raise SpecError(f"input {value.name!r} is not a tensor")
        if not value.type.tensor_type.HasField("shape"):
            raise SpecError(f"input {value.name!r} has no declared shape")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not _is_open(dim):
                continue
            here, name = f"{value.name}.{axis}", dim.dim_param.strip()
            if name in NAMELESS:
                found.nameless.setdefault(name, []).append(here)
            found.of_axis[here] = here if name in NAMELESS else dim.dim_param
    return found


def _first_dim(model: Model, symbols: _Symbols) -> str | None:
    """The symbol that is the first dimension of the first input: the batch."""
    for value in model.proto.graph.input:
        if value.name in model.inputs:
            return symbols.of_axis.get(f"{value.name}.0")
    return None
