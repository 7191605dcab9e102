"""Images that are enlarged to their nearest neighbours: not stored where windows read them."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator
from onnx_graphs import imported, integers, loops, model, network, story

from codesign.costs.pixel_tiles import Axis, horizontal, vertical

IMAGE = {"x": (1, 3, 4, 6)}
SCALES = {
    "twice": np.array([1, 1, 2, 2], np.float32),
    "tall": np.array([1, 1, 3, 1], np.float32),
    "w": (5, 3, 3, 3),
    "v": (5, 3, 1, 1),
}
PAD = "<pads=[1,1,1,1]>"
AS_THEY_ARE = {
    f"e = Resize (x, , twice)\na: y = Conv {PAD} (e, w)": {"R": 3, "S": 3, "input_repetition": 2},
    f"e = Resize (x, , tall)\na: y = Conv {PAD} (e, w)": {"input_repetition": (3, 1)},
    "e = Resize (x, , twice)\na: y = Conv (e, v)": {"input_repetition": 2},
    f"e = Resize (x, , twice)\nr = Relu (e)\na: y = Conv {PAD} (r, w)": {"input_repetition": 2},
    'e = Resize (x, , twice)\na: y = Conv <auto_pad="SAME_UPPER"> (e, w)': {"P": 8, "Q": 12},
    # 4 × 1 by 6 × 1 by 2 × 2, as nets without a Resize are written
    f"u = Reshape (x, apart)\nt = Tile (u, both)\ne = Reshape (t, large)\n"
    f"a: y = Conv {PAD} (e, w)": {"input_repetition": 2},
}
OTHERWISE = {
    "e = Resize (x, , twice)\nb = Resize (e, , tall)\na: y = Conv (b, v)": (6, 2),
    "e = Resize (x, , twice)\nb = BatchNormalization (e, g, g, g, g)\na: y = Conv (b, v)": 2,
    "e = Resize (x, , twice)\ns = Sigmoid (e)\nb = Mul (e, s)\na: y = Conv (b, v)": 2,
    "t = Transpose <perm=[0,1,3,2]> (x)\ne = Resize (t, , tall)\na: y = Conv (e, v)": (3, 1),
    "e = Resize (x, , tall)\nt = Transpose <perm=[0,1,3,2]> (e)\na: y = Conv (t, v)": (1, 3),
}
SHAPES = {
    "g": (3,),
    "apart": integers(1, 3, 4, 1, 6, 1),
    "both": integers(1, 1, 1, 2, 1, 2),
    "large": integers(1, 3, 8, 12),
}


@pytest.mark.parametrize("lines", AS_THEY_ARE)
def test_windows_read_what_is_stored(lines: str, tmp_path: Path) -> None:
    found = network(tmp_path, lines, IMAGE, {**SCALES, **SHAPES})
    assert story(found) == ["a: x -> y"]
    assert found.tensors["x"] == 3 * 4 * 6
    sizes = loops(found.layers[0])
    assert (sizes["H"], sizes["W"]) == (4, 6)
    assert AS_THEY_ARE[lines].items() <= sizes.items()


@pytest.mark.parametrize("lines", OTHERWISE)
def test_what_is_between_is_computed_as_it_is_read(lines: str, tmp_path: Path) -> None:
    found = network(tmp_path, lines, IMAGE, {**SCALES, **SHAPES})
    assert story(found) == ["a: x -> y"]
    assert found.layers[0].input_repetition == OTHERWISE[lines]


def test_halves_of_pixels_as_tensorflow_counts_them(tmp_path: Path) -> None:
    how = 'coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor"'
    lines = f"e = Resize <{how}> (x, none, twice)\na: y = Conv (e, v)"
    none = np.zeros(0, np.float32)
    found = network(tmp_path, lines, IMAGE, {**SCALES, "none": none}, opset=11)
    assert found.layers[0].input_repetition == 2
    # Halves cut off at the edges: the first row three times, the last once.
    lines = lines.replace("tf_half_pixel_for_nn", "half_pixel")
    found = network(tmp_path, lines, IMAGE, {**SCALES, "none": none}, opset=11)
    assert story(found) == ["~Resize_0: x -> e", "a: e -> y"]


def test_signals_are_rows(tmp_path: Path) -> None:
    lines = 'e = Upsample <mode="nearest"> (x, twice)\na: y = Conv <pads=[1,1]> (e, w)'
    constants = {"twice": np.array([1, 1, 2], np.float32), "w": (5, 3, 3)}
    found = network(tmp_path, lines, {"x": (2, 3, 8)}, constants, opset=9)
    expected = {"N": 2, "K": 5, "C": 3, "P": 16, "R": 3, "H": 8, "input_repetition": (2, 1)}
    assert story(found) == ["a: x -> y"]
    assert loops(found.layers[0]) == expected


COPIED = {
    "windows that begin elsewhere": "a: y = Conv <pads=[0,0,2,2]> (e, w)",
    "padding of its own": "p = Pad (e, zeros)\na: y = Conv (p, w)",
    "another image beside it": "c = Concat <axis=1> (e, z)\na: y = Conv (c, u)",
    "transposed windows": "a: y = ConvTranspose <strides=[2,2]> (e, t)",
    "channels of each as its constants say": "b = Add (e, table)\na: y = Conv (b, v)",
    "one line of pixels": "f = Reshape (e, flat)\na: y = Conv (f, r)",
}


@pytest.mark.parametrize("way", COPIED)
def test_what_is_read_otherwise_is_stored(way: str, tmp_path: Path) -> None:
    constants = {
        **SCALES,
        "zeros": integers(0, 0, 0, 1, 0, 0, 1, 0),
        "u": (5, 4, 3, 3),
        "t": (3, 5, 2, 2),
        "r": (5, 3, 7),
        "flat": integers(1, 3, 96),
        "table": np.arange(12, dtype=np.float32),
    }
    lines = f"m: e = Resize (x, , twice)\n{COPIED[way]}"
    inputs = {**IMAGE, "z": (1, 1, 8, 12)} if "z)" in lines else IMAGE
    found = network(tmp_path, lines, inputs, constants)
    assert story(found)[0].startswith("~m: x -> ")
    assert all(x.input_repetition == 1 for x in found.layers)


def test_others_read_the_original_or_a_copy(tmp_path: Path) -> None:
    """Each as it can; what is a result is stored, and then read by all."""
    lines = f"""
        m: e = Resize (x, , twice)
        a: y = Conv {PAD} (e, w)
        b: z = Conv {PAD} (x, w)
    """
    made = model(lines, IMAGE, SCALES, outputs=("y", "z"))
    assert story(imported(tmp_path, made).network) == ["a: x -> y", "b: x -> z"]
    made = model(lines, IMAGE, SCALES, outputs=("y", "z", "e"))
    assert story(imported(tmp_path, made).network) == ["~m: x -> e", "a: e -> y", "b: x -> z"]


def random_model(chance: random.Random) -> tuple[ModelProto, dict[str, Any]]:
    """An enlarged image under any windows, and its sizes."""
    rows, cols = chance.randint(1, 6), chance.randint(1, 6)
    again = chance.choice([1, 2, 2, 3, 4]), chance.choice([1, 2, 2, 3])
    steps = {name: [chance.choice([1, 1, 2]) for _ in again] for name in ("strides", "dilations")}
    kernel = [chance.choice([1, 2, 3, 5]) for _ in again]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, steps["dilations"], strict=True)]
    pads = [chance.randint(0, min(n - 1, 3)) for n in reach + reach]
    words = ", ".join(f"{name}={value}" for name, value in {**steps, "pads": pads}.items())
    lines = f"e = Resize (x, , scale)\na: y = Conv <{words}> (e, w)"
    constants = {
        "scale": np.array([1, 1, *again], np.float32),
        "w": np.ones((1, 1, *kernel), np.float32),
    }
    enlarged = [n * r for n, r in zip((rows, cols), again, strict=True)]
    fits = all(n + pads[i] + pads[i + 2] >= reach[i] for i, n in enumerate(enlarged))
    if not fits:
        return random_model(chance)
    return model(lines, {"x": (1, 1, rows, cols)}, constants), {"x": (rows, cols)}


def seen(made: ModelProto, rows: int, cols: int) -> list[list[set[int]]]:
    """Stored rows that each output row is computed from, and columns of each output column."""
    run, found = ReferenceEvaluator(made), []
    for axis, size in enumerate((rows, cols)):
        of_outputs: list[set[int]] = []
        for at in range(size):
            image = np.zeros((1, 1, rows, cols), np.float32)
            image[(slice(None), slice(None), *(slice(None),) * axis, at)] = 1
            touched = run.run(None, {"x": image})[0][0, 0].any(axis=1 - axis)
            of_outputs = of_outputs or [set() for _ in touched]
            for output in np.flatnonzero(touched).tolist():
                of_outputs[output].add(at)
        found.append(of_outputs)
    return found


def check_axis(axis: Axis, of_outputs: list[set[int]], dense: bool) -> int:
    """Hold what tiles read to the rows that outputs are computed from; tiles that were exact.

    ``dense``: windows see all rows between their first and last.
    """
    exact = 0
    for tile in range(1, axis.outputs):
        tiles = [
            set[int]().union(*of_outputs[first : first + tile])
            for first in range(0, axis.outputs, tile)
        ]
        spans = [{*range(min(rows), max(rows) + 1)} if rows else set() for rows in tiles]
        assert max(map(len, spans)) <= axis.held(tile)
        if set().union(*spans) != {*range(axis.stored)}:
            continue
        assert sum(map(len, spans)) <= axis.read(tile)
        # Where none but neighbours share rows, and none at the edge, no padding is counted.
        apart = not any(one & other for one, other in zip(spans, spans[2:], strict=False))
        edge = any({0, axis.stored - 1} & one & other for one, other in pairwise(spans))
        if dense and apart and not edge and axis.kernel >= axis.stride:
            assert sum(map(len, spans)) == axis.read(tile)
            exact += 1
    return exact


def check(seed: int, folder: Path) -> tuple[int, int]:
    """Whether one is read as it is, and tiles of rows and columns that were exact."""
    made, sizes = random_model(random.Random(seed))
    rows, cols = sizes["x"]
    found = imported(folder, made).network
    (layer,) = [x for x in found.layers if not x.moves]
    weights = math.prod(made.graph.initializer[-1].dims)
    outputs = ReferenceEvaluator(made).run(None, {"x": np.zeros((1, 1, rows, cols), np.float32)})
    assert layer.macs == weights * outputs[0].size
    if layer.input != "x" or layer.input_repetition == 1:
        return 0, 0
    of_rows, of_cols = seen(made, rows, cols)
    assert (len(of_rows), len(of_cols)) == (layer.P, layer.Q)
    dense = layer.dilation == 1
    rows_exact = check_axis(vertical(layer), of_rows, dense)
    return 1, rows_exact + check_axis(horizontal(layer), of_cols, dense)


def test_tiles_read_what_their_outputs_are_computed_from(tmp_path: Path) -> None:
    found = np.array([check(seed, tmp_path) for seed in range(40)]).sum(axis=0)
    assert (found > (10, 20)).all()


@pytest.mark.long
def test_many_tiles_read_what_their_outputs_are_computed_from(tmp_path: Path) -> None:
    found = np.array([check(seed, tmp_path) for seed in range(40, 1500)]).sum(axis=0)
    assert (found > (500, 1000)).all()
