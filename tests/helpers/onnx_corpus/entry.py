"""What is known of a graph of the corpus before it is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, TypeProto, helper

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Entry:
    """A graph and what its import must give.

    Attributes
    ----------
    name : str
        Its trait in a word or two, one of its own: it names the test.
    build : callable
        Makes the graph.
    macs, weights : int
        Products, and stored weights that products use: from the sizes by a formula of this entry,
        never from what the importer says.
    how : mapping of str to Any
        Options of `import_onnx`: ``batch``, ``dims``, ``ignore_unknown``.
    pins : mapping of str to int, optional
        Widths the file declares, all of them; None: not compared.
    layers : int, optional
        How many the network has; None: not compared.
    legal : bool
        Whether ONNX's own checker takes it. Operators of other domains, and operators in a
        version of ONNX that does not have them, are illegal or beyond its inference.
    runs : bool
        Whether ONNX Runtime takes it, with random inputs or with ``feeds``.
    feeds : mapping of str to array
        Inputs that may not be random, such as lengths and indices.
    solved : bool
        Whether the network is also solved and its design checked; one of a group of traits.
    """

    name: str
    build: Callable[[], ModelProto]
    macs: int
    weights: int
    how: Mapping[str, Any] = field(default_factory=dict)
    pins: Mapping[str, int] | None = None
    layers: int | None = None
    legal: bool = True
    runs: bool = True
    feeds: Mapping[str, Array] = field(default_factory=dict)
    solved: bool = False

    def inputs(self, model: ModelProto) -> dict[str, Array]:
        """Random inputs of the sizes that the import is given, those of ``feeds`` as they are."""
        stored = {tensor.name for tensor in model.graph.initializer}
        generator = np.random.default_rng(0)
        return {
            value.name: self.feeds[value.name]
            if value.name in self.feeds
            else self._drawn(value.name, value.type, generator)
            for value in model.graph.input
            if value.name not in stored
        }

    def _drawn(self, name: str, kind: TypeProto, generator: np.random.Generator) -> Array:
        sizes = {**self.how.get("dims", {})}
        shape = []
        for axis, dim in enumerate(kind.tensor_type.shape.dim):
            named = sizes.get(f"{name}.{axis}", sizes.get(dim.dim_param))
            shape.append(dim.dim_value or named or self.how.get("batch", 1))
        dtype = helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)
        if dtype.kind == "f":
            return generator.standard_normal(shape).astype(dtype)
        return generator.integers(0, 2, shape).astype(dtype)
