"""Values that repeat the elements of others: never stored, where a layer can read them so."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_graphs import imported, integers, loops, model, network, story

from codesign.specs.onnx.graph.dimensions import bind
from codesign.specs.onnx.graph.file import read_model
from codesign.specs.onnx.shapes.shape_inference import infer_shapes
from codesign.specs.onnx.storage.groups import Grouping, group_values
from codesign.specs.onnx.views.repetition import Axes, positions

# --- attention whose keys several heads of queries share ------------------------------------------

QUERIES, KEYS, TOKENS, WIDTH = 32, 8, 64, 16
SHARED = {"q": (1, QUERIES, 4, WIDTH), "k": (1, KEYS, TOKENS, WIDTH)}
SIZES = {
    "two": integers(2),
    "one": integers(1),
    "big": integers(1, KEYS, 4, TOKENS, WIDTH),
    "front": integers(1, 4, KEYS, TOKENS, WIDTH),
    "times": integers(1, 1, 4, 1, 1),
    "copies": integers(1, 4, 1, 1),
    "heads": integers(1, QUERIES, TOKENS, WIDTH),
    "each": np.repeat(np.arange(KEYS), 4),
    "rows": np.repeat(np.arange(KEYS), 4)[:, None],
    "twice": np.array([1, 1, 4, 1, 1], np.float32),
    "grown": np.array([1, 4, 1, 1], np.float32),
    "ones": np.ones((1, 1, 4, 1, 1), np.float32),
}
LAST = "t = Transpose <perm=[0,1,3,2]> (r)\nqk: y = MatMul (q, t)"
WAYS = {
    "Expand": "u = Unsqueeze (k, two)\ne = Expand (u, big)\nr = Reshape (e, heads)",
    "Expand in front": "u = Unsqueeze (k, one)\ne = Expand (u, front)\nr = Reshape (e, heads)",
    "Tile": "u = Unsqueeze (k, two)\ne = Tile (u, times)\nr = Reshape (e, heads)",
    "Tile of heads": "r = Tile (k, copies)",
    "Gather": "r = Gather <axis=1> (k, each)",
    "GatherND": "u = Transpose <perm=[1,0,2,3]> (k)\ng = GatherND (u, rows)\n"
    "r = Transpose <perm=[1,0,2,3]> (g)",
    "Resize": 'r = Resize <coordinate_transformation_mode="asymmetric", nearest_mode="floor"> '
    "(k, , grown)",
    "Concat": "u = Unsqueeze (k, two)\ni = Identity (u)\ne = Concat <axis=2> (u, i, u, i)\n"
    "r = Reshape (e, heads)",
    "Mul by ones": "u = Unsqueeze (k, two)\ne = Mul (u, ones)\nr = Reshape (e, heads)",
    "scaled between": "u = Unsqueeze (k, two)\ne = Expand (u, big)\nf = Relu (e)\n"
    "s = Softmax (f)\nr = Reshape (s, heads)",
}


@pytest.mark.parametrize("way", WAYS)
def test_shared_keys_are_read_once(way: str, tmp_path: Path) -> None:
    found = network(tmp_path, f"{WAYS[way]}\n{LAST}", SHARED, SIZES)
    assert story(found) == ["qk: q × k -> y"]
    rows = 4 * QUERIES // KEYS
    sizes = {"G": KEYS, "K": TOKENS, "C": WIDTH, "P": rows, "H": rows}
    assert loops(found.layers[0]) == sizes
    assert found.macs == QUERIES * 4 * TOKENS * WIDTH


def test_values_are_read_once_too(tmp_path: Path) -> None:
    lines = f"{WAYS['Expand']}\nqk: y = MatMul (w, r)"
    found = network(tmp_path, lines, {**SHARED, "w": (1, QUERIES, 4, TOKENS)}, SIZES)
    assert story(found) == ["qk: w × k -> y"]
    assert loops(found.layers[0]) == {"G": 8, "K": WIDTH, "C": TOKENS, "P": 16, "H": 16}


def test_repeated_data_are_more_columns(tmp_path: Path) -> None:
    """The operand on the left is repeated: what varies along the heads is the right one alone."""
    lines = f"{WAYS['Expand']}\nqk: y = MatMul (r, c)"
    found = network(tmp_path, lines, {**SHARED, "c": (1, QUERIES, WIDTH, 5)}, SIZES)
    assert story(found) == ["qk: k × c -> y"]
    assert loops(found.layers[0]) == {"G": 8, "K": 4 * 5, "C": WIDTH, "P": TOKENS, "H": TOKENS}


def test_einsum_of_repeated_keys(tmp_path: Path) -> None:
    lines = f'{WAYS["Expand"]}\nqk: y = Einsum <equation="bhqd,bhkd->bhqk"> (q, r)'
    found = network(tmp_path, lines, SHARED, SIZES)
    assert story(found) == ["qk: q × k -> y"]
    assert loops(found.layers[0]) == {"G": 8, "K": TOKENS, "C": WIDTH, "P": 16, "H": 16}


# --- what no layer expresses is copied ------------------------------------------------------------


def test_both_operands_repeated_copies_the_smaller(tmp_path: Path) -> None:
    lines = """
        e = Expand (q, two)
        f = Expand (k, big)
        qk: y = MatMul (e, f)
    """
    shapes = {"two": integers(4, 3, 8), "big": integers(4, 8, 9)}
    found = network(tmp_path, lines, {"q": (1, 3, 8), "k": (1, 8, 9)}, shapes)
    assert story(found) == ["~Expand_0: q -> e", "qk: e × k -> y"]
    assert loops(found.layers[1]) == {"K": 9, "C": 8, "P": 12, "H": 12}


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("qk: y = MatMul (q, e)", (1, 8, 5)),  # contracted
        ("a: y = Conv (r, w)", (1, 8, 5)),  # channels of a window
    ],
)
def test_a_contraction_of_repeated_data_copies(
    line: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    lines = f"e = Expand (k, big)\nr = Identity (e)\n{line}"
    constants = {"big": integers(*shape), "w": (4, 8, 1)}
    found = network(tmp_path, lines, {"q": (1, 3, 8), "k": (1, 1, 5)}, constants)
    assert story(found)[0] == "~Expand_0: k -> e"
    assert len(found.layers) == 2


def test_it_is_copied_once_and_read_in_place_by_who_can(tmp_path: Path) -> None:
    lines = f"{WAYS['Expand']}\n{LAST}\na: z = Conv (r, w)\nn = Neg (r)\nb: o = Conv (n, w)"
    made = model(lines, SHARED, {**SIZES, "w": (2, QUERIES, 1, 1)}, outputs=("y", "z", "o"))
    assert story(imported(tmp_path, made).network) == [
        *("qk: q × k -> y", "~Expand_1: k -> e", "a: e -> z", "b: e -> o"),
    ]


def test_a_result_that_repeats_is_stored(tmp_path: Path) -> None:
    lines = "a: h = Conv (x, w)\ny = Expand (h, big)"
    constants = {"w": (4, 3, 5, 5), "big": integers(1, 4, 6, 6)}
    found = network(tmp_path, lines, {"x": (1, 3, 5, 5)}, constants)
    assert story(found) == ["a: x -> h", "~Expand_1: h -> y"]


# --- element by element ---------------------------------------------------------------------------


def test_repeated_data_are_added_as_they_are(tmp_path: Path) -> None:
    """Position-dependent or not, what is added is read once; a copy would be eight times that."""
    lines = "e = Expand (z, big)\nc = Cast <to=1> (e)\na: h = Conv (x, w)\ny = Add (h, c)"
    constants = {"w": (4, 3, 1, 1), "big": integers(1, 4, 8, 6)}
    found = network(tmp_path, lines, {"x": (1, 3, 8, 6), "z": (1, 4, 1, 6)}, constants)
    assert story(found) == ["a: x + z -> y"]
    assert found.tensors["z"] == 24


def test_an_enlarged_map_is_added_to_a_larger_one(tmp_path: Path) -> None:
    """Feature pyramids: the nearest neighbour of a coarse map, added to what a layer writes."""
    lines = "d: z = Conv (x, v)\ne = Resize (z, , twice)\na: h = Conv (f, w)\ny = Add (h, e)"
    constants = {"v": (4, 3, 1, 1), "w": (4, 3, 1, 1), "twice": np.array([1, 1, 2, 2], np.float32)}
    found = network(tmp_path, lines, {"x": (1, 3, 4, 4), "f": (1, 3, 8, 8)}, constants)
    assert story(found) == ["d: x -> z", "a: f + z -> y"]


def test_a_constant_that_differs_makes_new_data(tmp_path: Path) -> None:
    lines = "e = Expand (x, big)\nn = Add (e, table)\na: y = MatMul (n, w)"
    constants = {"big": integers(1, 6, 4), "table": np.arange(24, dtype=np.float32).reshape(6, 4)}
    found = network(tmp_path, lines, {"x": (1, 1, 4)}, {**constants, "w": (4, 5)})
    assert story(found) == ["~Add_1: x -> n", "a: n -> y"]


# --- against the reference ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "atoms"),
    [
        ([0], ()),
        ([0, 0, 1, 1, 2, 2], ((3, 1), (2, 0))),
        ([0, 1, 2, 0, 1, 2], ((2, 0), (3, 1))),
        ([0, 2, 1, 3], ((2, 1), (2, 2))),
        ([0, 0, 1, 1, 0, 0, 1, 1], ((2, 0), (2, 1), (2, 0))),
        ([1, 0], None),
        ([0, 1, 1], None),
        ([0, 1, 3, 2], None),
    ],
)
def test_positions_as_atoms(given: list[int], atoms: Any) -> None:
    assert positions(np.array(given)) == atoms


def grouped(path: Path) -> Grouping:
    """The groups of a file's values."""
    read = read_model(path)
    bind(read, {}, None)
    return group_values(infer_shapes(read))


def sources(axes: Axes) -> np.ndarray[Any, Any]:
    """Which element of its source each element of a value is."""
    atoms = [atom for axis in axes for atom in axis]
    at: np.ndarray[Any, Any] = np.zeros([size for size, _ in atoms], np.int64)
    for n, (size, step) in enumerate(atoms):
        at = at + np.expand_dims(np.arange(size) * step, [*range(1, len(atoms) - n)])
    return at.reshape([math.prod(size for size, _ in axis) for axis in axes])


class Chain:
    """Nodes at random, each of a value before it, with its shape by the reference."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.constants: dict[str, Any] = {}
        self.lines: list[str] = []
        for name in ("x", "z"):
            rank = self.chance.choice([2, 3])
            self.shapes[name] = tuple(self.chance.choice([1, 1, 2, 3, 4]) for _ in range(rank))
        self.inputs = dict(self.shapes)

    def grow(self) -> None:
        """One node more, if a rule suits the value chosen."""
        value, name = self.chance.choice([*self.shapes][-5:]), f"v{len(self.lines)}"
        line, constant, shape = self.rule(value, self.shapes[value])
        if math.prod(shape) <= 600 and len(shape) <= 6:
            self.constants[name + "c"] = constant
            self.lines.append(f"{name}: {name} = {line.format(value, name + 'c')}")
            self.shapes[name] = shape

    def rule(self, value: str, shape: tuple[int, ...]) -> tuple[str, Any, tuple[int, ...]]:
        chance, at = self.chance, self.chance.randrange(len(shape))
        size, kind = shape[at], self.chance.randrange(11)
        if kind == 0:
            new = tuple(chance.choice([2, 3]) if n == 1 else n for n in shape)
            return "Expand ({}, {})", integers(*new), new
        if kind == 1:
            times = [chance.choice([1, 1, 2, 3]) for _ in shape]
            new = tuple(n * t for n, t in zip(shape, times, strict=True))
            return "Tile ({}, {})", integers(*times), new
        if kind in (2, 3):
            new = self.regrouped(shape)
            return "Reshape ({}, {})", integers(*new), new
        if kind == 4:
            order = chance.sample(range(len(shape)), len(shape))
            return f"Transpose <perm={order}> ({{}})", integers(0), tuple(shape[n] for n in order)
        if kind == 5:
            indices = chance.choice(
                [np.repeat(np.arange(size), 2), np.tile(np.arange(size), 2), np.arange(size)[::-1]]
            )
            return (
                f"Gather <axis={at}> ({{}}, {{}})",
                indices,
                (*shape[:at], len(indices), *shape[at + 1 :]),
            )
        if kind == 6:
            new = (*shape[:at], 2 * size, *shape[at + 1 :])
            return f"Concat <axis={at}> ({{0}}, {{0}})", integers(0), new
        if kind == 7:
            scales = [chance.choice([1, 2, 3]) for _ in shape]
            where = chance.choice(
                ["asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners"]
            )
            mode = chance.choice(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
            how = f'coordinate_transformation_mode="{where}", nearest_mode="{mode}"'
            new = tuple(n * s for n, s in zip(shape, scales, strict=True))
            return f"Resize <{how}> ({{}}, , {{}})", np.array(scales, np.float32), new
        if kind == 8:
            other = chance.choice([*self.shapes])
            try:
                new = np.broadcast_shapes(shape, self.shapes[other])
            except ValueError:
                new = (1000,)
            return f"Add ({{}}, {other})", integers(0), new
        if kind == 9:
            sizes = tuple(chance.choice([1, n]) for n in shape)
            table = np.arange(math.prod(sizes), dtype=np.float32).reshape(sizes)
            return "Mul ({}, {})", table + 1, shape
        return chance.choice(["Relu ({})", "Softmax ({})", "Identity ({})"]), integers(0), shape

    def regrouped(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The same elements, two axes joined or one cut in two."""
        if len(shape) > 1 and self.chance.random() < 0.5:
            at = self.chance.randrange(len(shape) - 1)
            return (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
        at = self.chance.randrange(len(shape))
        cut = self.chance.choice([n for n in range(1, shape[at] + 1) if shape[at] % n == 0])
        return (*shape[:at], cut, shape[at] // cut, *shape[at + 1 :])

    def finished(self) -> onnx.ModelProto:
        """With a product of the last value's maximum, which may be read as it is."""
        last = [*self.shapes][-1]
        self.constants["w"] = (1, 3)
        ends = [f"r = ReduceMax ({last})", "m: y = MatMul (r, w)"]
        lines = "\n".join([*self.lines, *ends])
        used = "".join(lines.split("=", 1))
        inputs = {name: shape for name, shape in self.inputs.items() if name in used}
        return model(lines, inputs, self.constants)


def repeats_as_it_says(seed: int, folder: Path) -> int:
    """Hold every value that is said to repeat another to the reference; how many there were."""
    chain = Chain(seed)
    for _ in range(chain.chance.randrange(2, 9)):
        chain.grow()
    made = chain.finished()
    onnx.save(made, folder / "chain.onnx")
    found = grouped(folder / "chain.onnx")
    names = [*found.views]
    del made.graph.output[:]
    made.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    numbers = np.random.default_rng(seed)
    feeds = {
        value.name: numbers.standard_normal(chain.shapes[value.name]).astype(np.float32)
        for value in made.graph.input
    }
    arrays = ReferenceEvaluator(made).run(None, feeds)
    for name, array in zip(names, arrays, strict=True):
        view = found.views[name]
        at = sources(view.axes)
        assert at.shape == array.shape
        assert np.unique(at).size == found.graph.size(view.source)
        first = np.unique(at, return_index=True)[1]
        assert np.array_equal(array.reshape(-1)[first][at], array)
    imported(folder, chain.finished())
    return len(names)


def test_what_is_said_to_repeat_does(tmp_path: Path) -> None:
    found = [repeats_as_it_says(seed, tmp_path) for seed in range(60)]
    assert sum(count > 0 for count in found) > 20


@pytest.mark.long
def test_what_is_said_to_repeat_does_in_many(tmp_path: Path) -> None:
    assert sum(repeats_as_it_says(seed, tmp_path) for seed in range(60, 6000)) > 3000
