"""Recurrent operators: kinds, directions, states, lengths, layouts, quantised weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from onnx import ModelProto, TensorProto
from onnx_graphs import integers, model

from onnx_corpus.entry import Array, Entry

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, IMAGES, INPUTS, STATE = 3, 2, 5, 4
LENGTHS = np.array([3, 2], np.int32)


def recurrent(
    kind: str,
    given: str = "x, w, r",
    results: str = "y",
    *,
    directions: int = 1,
    how: str = "",
    opset: int = 20,
    fed: tuple[str, ...] = (),
    after: str = "",
) -> ModelProto:
    """One recurrent node, and what comes after it; all operands by their names.

    Parameters
    ----------
    fed : tuple of str
        Of the operands, those that are inputs of the network beside ``x``.
    """
    gates, images_first = GATES[kind], "layout=1" in how
    data = (IMAGES, STEPS, INPUTS) if images_first else (STEPS, IMAGES, INPUTS)
    state = (IMAGES, directions, STATE) if images_first else (directions, IMAGES, STATE)
    shapes = {
        "w": (directions, gates * STATE, INPUTS),
        "r": (directions, gates * STATE, STATE),
        "b": (directions, 2 * gates * STATE),
        "h0": state,
        "c0": state,
        "p": (directions, 3 * STATE),
        "v": (directions * STATE, 3),
        "rows": integers(IMAGES, directions * STATE),
    }
    line = f"cell: {results} = {kind} <hidden_size={STATE}{how}> ({given})"
    lines = f"{line}\n{after}"
    lengths = {"n": LENGTHS} if " n" in given and "n" not in fed else {}
    names = {name for name in shapes if name not in fed and f", {name}" in f"{given}{after}"}
    return model(
        lines,
        {"x": data, **{name: shapes.get(name, (IMAGES,)) for name in fed}},
        {**{name: shapes[name] for name in shapes if name in names}, **lengths},
        outputs=[name for name in results.split(", ") if name] if not after else ["z"],
        kinds={"n": TensorProto.INT32},
        opset=opset,
    )


def counted(kind: str, directions: int = 1) -> tuple[int, int]:
    """MACs and weights: the shapes of W and R, for each step of each image."""
    weights = directions * GATES[kind] * STATE * (INPUTS + STATE)
    return STEPS * IMAGES * weights, weights


def dynamic_lstm(directions: int, by_column: bool, opset: int = 20) -> ModelProto:
    """Weights of 8 bit, stored with their inputs along the rows, by one scale or one a column."""
    columns = 4 * STATE
    scale = (directions, columns) if by_column else (directions,)
    operands: dict[str, Array] = {}
    for name, rows in (("w", INPUTS), ("r", STATE)):
        operands[name] = np.ones((directions, rows, columns), np.int8)
        operands[f"{name}s"] = np.full(scale, 0.25, np.float32)
        operands[f"{name}z"] = np.zeros(scale, np.int8)
    way = "bidirectional" if directions == 2 else "forward"
    line = (
        f'cell: y = com.microsoft.DynamicQuantizeLSTM <hidden_size={STATE}, direction="{way}"> '
        "(x, w, r, , , , , , ws, wz, rs, rz)"
    )
    return model(
        *(line, {"x": (STEPS, IMAGES, INPUTS)}, operands),
        domains=("com.microsoft",),
        opset=opset,
    )


def dequantised() -> ModelProto:
    """Weights stored as integers before a plain operator."""
    lines = f"""
        wd = DequantizeLinear (w, s)
        rd = DequantizeLinear (r, s)
        cell: y = GRU <hidden_size={STATE}> (x, wd, rd)
    """
    weights = {
        name: np.ones((1, 3 * STATE, size), np.int8) for name, size in (("w", INPUTS), ("r", STATE))
    }
    scale = {"s": np.array(0.5, np.float32)}
    return model(lines, {"x": (STEPS, IMAGES, INPUTS)}, {**weights, **scale})


def open_sizes() -> ModelProto:
    """Steps and images left open."""
    made = recurrent("GRU", results="y, yh")
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "steps" if value.name in "xy" else "one"
    return made


def entry(
    name: str, kind: str, build: Callable[[], ModelProto], directions: int = 1, **more: object
) -> Entry:
    """An entry of the corpus whose counts are those of W and R."""
    return Entry(name, build, *counted(kind, directions), **more)  # type: ignore[arg-type]


BOTH = ', direction="bidirectional"'
BACK = ', direction="reverse"'
CLASSIFIER = (
    "rows_ = Transpose <perm=[1,0,2]> (yh)\nf = Reshape (rows_, rows)\na: z = MatMul (f, v)"
)
PINS = {"weight:cell.inputs": 8, "weight:cell.step_0": 8}

ENTRIES = (
    entry("lstm", "LSTM", partial(recurrent, "LSTM"), layers=1 + STEPS),
    entry("lstm before opset 14", "LSTM", partial(recurrent, "LSTM", opset=7), layers=1 + STEPS),
    entry(
        *("lstm with all operands", "LSTM"),
        partial(
            *(recurrent, "LSTM", "x, w, r, b, n, h0, c0, p", "y, yh, yc"),
            directions=2,
            how=f"{BOTH}, input_forget=0",
            fed=("n", "h0", "c0"),
        ),
        directions=2,
        layers=2 * (1 + STEPS) + 1,  # and the last state of the cells
        feeds={"n": LENGTHS},
    ),
    entry("lstm in reverse", "LSTM", partial(recurrent, "LSTM", how=BACK), layers=1 + STEPS),
    entry(
        *("gru by images", "GRU"),
        partial(recurrent, "GRU", "x, w, r, , , h0", "y, yh", how=", layout=1", fed=("h0",)),
        layers=1 + STEPS,
        runs=False,  # the runtime has no such layout
    ),
    entry(
        *("gru in both directions", "GRU"),
        partial(
            *(recurrent, "GRU", "x, w, r, b", "y"),
            directions=2,
            how=f"{BOTH}, linear_before_reset=1",
        ),
        directions=2,
        layers=2 * (1 + STEPS),
    ),
    entry(
        *("gru of open sizes", "GRU", open_sizes),
        how={"dims": {"steps": STEPS}},
        layers=1 + STEPS,
    ),
    entry(
        *("rnn with constant states and lengths", "RNN"),
        partial(recurrent, "RNN", "x, w, r, , n, h0", ", yh"),
        layers=1 + STEPS,
    ),
    Entry(
        "lstm that classifies",
        partial(recurrent, "LSTM", results=", yh", directions=2, how=BOTH, after=CLASSIFIER),
        counted("LSTM", 2)[0] + IMAGES * 2 * STATE * 3,
        counted("LSTM", 2)[1] + 2 * STATE * 3,
        layers=2 * (1 + STEPS) + 1,
        solved=True,
    ),
    entry(
        *("lstm of dynamically quantised inputs", "LSTM", partial(dynamic_lstm, 1, False)),
        pins=PINS,
        layers=1 + STEPS,
        legal=False,
    ),
    entry(
        *("quantised lstm before opset 10", "LSTM", partial(dynamic_lstm, 1, True, 7)),
        pins=PINS,
        layers=1 + STEPS,
        legal=False,
    ),
    entry(
        *("lstm of weights with a scale a column", "LSTM", partial(dynamic_lstm, 2, True)),
        directions=2,
        pins={**PINS, "weight:cell.inputs.reverse": 8, "weight:cell.step_2.reverse": 8},
        layers=2 * (1 + STEPS),
        legal=False,
    ),
    entry("gru of dequantised weights", "GRU", dequantised, pins=PINS, layers=1 + STEPS),
)
