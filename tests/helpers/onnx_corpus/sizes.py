"""Sizes that a file leaves open, or states wrongly where a runtime does not look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx_graphs import integers, model

from onnx_corpus.entry import Entry

STALE: dict[str, Any] = {
    "-1": [-1, 3],
    "0": [0, 3],
    "a size": [7, 3],
    "a rank": [2, 3, 1],
    "a scalar": [],
}


def stale_output(shape: list[Any]) -> Callable[[], ModelProto]:
    """A product of 2 × 8 by 8 × 3 whose result is declared to be of another shape."""

    def build() -> ModelProto:
        made = model("a: y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)})
        made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
        return made

    return build


def named_like_the_input() -> ModelProto:
    """One row of the n that go in comes out, and the file calls both n."""
    made = model(
        "a: h = MatMul (x, w)\ny = Slice (h, zero, one, zero)",
        {"x": ("n", 8)},
        {"w": (8, 3), "zero": integers(0), "one": integers(1)},
    )
    made.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    return made


def stale_between() -> ModelProto:
    """Shapes beside inner values that are of another size, another rank, or of nothing there is."""
    made = model("a: h = MatMul (x, w)\nr = Relu (h)\ny = MatMul (r, v)", {"x": (2, 8)}, MATRICES)
    shapes: dict[str, Any] = {"h": [9, 9], "r": [4, 2, 3], "gone": [1]}
    made.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    return made


def nameless() -> ModelProto:
    """Two axes of an input called ``?``, and they are of two sizes."""
    return model("a: y = MatMul (x, w)", {"x": ("?", "?", 8)}, {"w": (8, 3)})


def partly_named() -> ModelProto:
    """An axis with a name, told by input and axis; the other input's of that name is the same."""
    made = model("s = Add (x, z)\na: y = MatMul (s, w)", {"x": (1, 1, 8), "z": (1, 1, 8)}, MATRICES)
    for value in made.graph.input:
        value.type.tensor_type.shape.dim[1].dim_param = "tokens"
    return made


MATRICES = {"w": np.zeros((8, 4), np.float32), "v": np.zeros((4, 3), np.float32)}
ENTRIES = (
    *(
        Entry(f"output declared as {name}", stale_output(shape), 2 * 8 * 3, 8 * 3, legal=False)
        for name, shape in STALE.items()
    ),
    Entry(
        *("output named like the input", named_like_the_input, 5 * 8 * 3, 8 * 3),
        how={"dims": {"n": 5}},
    ),
    Entry(
        *("stale shapes inside", stale_between, 2 * (8 * 4 + 4 * 3), 8 * 4 + 4 * 3),
        legal=False,
    ),
    Entry(
        *("nameless axes", nameless, 2 * 3 * 8 * 3, 8 * 3),
        how={"dims": {"x.0": 2, "x.1": 3}},
        solved=True,
    ),
    Entry(
        *("a named axis by its place", partly_named, 6 * 8 * 4, 8 * 4),
        how={"dims": {"x.1": 6}},
        runs=False,
    ),
)
