"""ONNX files: what is refused, in one line; sizes given; weights left where they are."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_graphs import imported, integers, loops, model, network, node, story, symbolic_rows
from seeds import mostly_long

from codesign.errors import SpecError
from codesign.specs.load import load_network
from codesign.specs.onnx import import_onnx

pytestmark = pytest.mark.smoke

IMAGE = {"x": (1, 4, 8, 8)}
KERNEL = {"w": (4, 4, 3, 3)}


def convolution() -> ModelProto:
    """One convolution."""
    return model("a: y = Conv (x, w)", IMAGE, KERNEL)


def refusal(path: Path, **how: Any) -> str:
    """The one line a file is refused with."""
    with pytest.raises(SpecError) as refused:
        import_onnx(path, **how)
    text = str(refused.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def saved(folder: Path, made: ModelProto | bytes) -> Path:
    """A model, or any bytes, as a file."""
    path = folder / "tiny.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


# --- damaged and foreign files ------------------------------------------------------------------

DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "not an ONNX file"),
    "text": (
        lambda _: b"name = 'tiny'\nlayers = []\n",
        "this is a network (TOML); wanted is an ONNX",
    ),
    "half": (lambda whole: whole[: len(whole) // 2], "not an ONNX file, or a damaged one"),
    "cut": (lambda whole: whole[:-1], "not an ONNX file, or a damaged one"),
    "no UTF-8": (lambda whole: whole.replace(b"Conv", b"\xff\xfe\xfd\xfc"), "a name in it"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files(case: str, tmp_path: Path) -> None:
    change, reason = DAMAGED[case]
    assert reason in refusal(saved(tmp_path, change(convolution().SerializeToString())))


@pytest.mark.parametrize("seed", mostly_long(range(100), 30))
def test_files_with_random_damage_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(seed)
    whole = bytearray(convolution().SerializeToString())
    for position in chance.integers(0, 120, 2):  # nodes and names, in front of the weights
        whole[position] = chance.integers(0, 256)
    with contextlib.suppress(SpecError):
        import_onnx(saved(tmp_path, bytes(whole)), batch=2)


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.onnx") == "cannot be read: No such file or directory"


def test_a_file_beyond_the_format(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    assert "larger than the 2 GiB" in refusal(path)


def changed(what: Callable[[ModelProto], object]) -> ModelProto:
    """The convolution after a change."""
    made = convolution()
    what(made)
    return made


INVALID: dict[str, tuple[Callable[[ModelProto], object], str]] = {
    "operator": (lambda m: setattr(m.graph.node[0], "op_type", "Convv"), "No Op registered"),
    "input": (
        lambda m: m.graph.node[0].input.__setitem__(1, "v"),
        "node 'a' (Conv) reads 'v', which nothing writes",
    ),
    "short": (lambda m: setattr(m.graph.initializer[0], "raw_data", b"123"), "'w'|name: w"),
    "no data": (
        lambda m: m.graph.initializer[0].ClearField("raw_data"),
        "should contain one and only one value field",
    ),
    "shape": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 5),
        "node 'a' (Conv): an image of 5 channels, but weights for 4",
    ),
    "no shape": (
        lambda m: m.graph.input[0].type.tensor_type.ClearField("shape"),
        "Field 'shape' of 'type' is required but missing",
    ),
    "old": (
        lambda m: setattr(m.opset_import[0], "version", 6),
        f"opset 6; supported are 7 to {onnx.defs.onnx_opset_version()}",
    ),
    "new": (
        lambda m: setattr(m.opset_import[0], "version", 999),
        f"opset 999; supported are 7 to {onnx.defs.onnx_opset_version()}",
    ),
    "format": (lambda m: setattr(m, "ir_version", 999), "ONNX format 999; the installed onnx"),
    "no opset": (lambda m: m.ClearField("opset_import"), "names 0 versions of the ONNX operators"),
}


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    made = model("y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)})
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    assert refusal(saved(tmp_path, made)).startswith("shapes do not fit")


def test_a_runtimes_product_that_does_not_fit(tmp_path: Path) -> None:
    line = "a: y = com.microsoft.FusedMatMul (x, w)"
    made = model(line, {"x": (2, 7)}, {"w": (8, 3)}, domains=["com.microsoft"])
    told = refusal(saved(tmp_path, made))
    assert told == "node 'a' (com.microsoft.FusedMatMul): rows of 7 do not fit columns of 8"


@pytest.mark.parametrize("case", INVALID)
def test_invalid_models(case: str, tmp_path: Path) -> None:
    change, reason = INVALID[case]
    told = refusal(saved(tmp_path, changed(change)))
    assert any(part in told for part in reason.split("|"))


def plain(nodes: str, outputs: tuple[str, ...] = ("y",), inputs: Any = IMAGE) -> ModelProto:
    """A model that ONNX need not be able to check."""
    graph = helper.make_graph(
        [node(line) for line in nodes.splitlines()],
        "plain",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in outputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)


def test_a_cycle(tmp_path: Path) -> None:
    made = plain("one: a = Relu (x)\ntwo: y = Add (a, c)\nthree: b = Neg (y)\nfour: c = Neg (b)")
    assert refusal(saved(tmp_path, made)) == "a cycle of nodes: 'two', 'four', 'three'"


def test_a_long_chain_is_no_cycle(tmp_path: Path) -> None:
    chain = "\n".join(f"v{i + 1} = Relu (v{i})" for i in range(3000))
    made = network(tmp_path, f"{chain}\ny = MatMul (v3000, w)", {"v0": (2, 3)}, {"w": (3, 4)})
    assert len(made.layers) == 1


def test_nothing_that_multiplies(tmp_path: Path) -> None:
    made = model("y = Relu (x)", IMAGE)
    assert "no layer that multiplies" in refusal(saved(tmp_path, made))


def test_a_layer_beyond_what_is_exact(tmp_path: Path) -> None:
    made = model("a: y = MatMul (x, w)", {"x": (10**9, 1000)}, {"w": (1000, 1000)})
    assert "layer 'a': 1e+15 MACs" in refusal(saved(tmp_path, made))


def test_a_shape_that_depends_on_data(tmp_path: Path) -> None:
    lines = "find: i = NonZero (x)\nf = Cast <to=1> (i)\na: y = MatMul (f, w)"
    made = model(lines, {"x": (4, 8)}, {"w": (8, 3)})
    told = refusal(saved(tmp_path, made))
    assert told.startswith("node 'find' (NonZero): the shape of 'i' depends on data")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, convolution())
    monkeypatch.setitem(sys.modules, "onnx", None)
    told = refusal(path)
    assert told == "reading ONNX needs 'onnx': pip install 'codesign[onnx]'"


# --- sizes --------------------------------------------------------------------------------------


def test_symbolic_sizes_must_be_given(tmp_path: Path) -> None:
    path = saved(tmp_path, symbolic_rows("images", "tokens"))
    assert refusal(path) == (
        "symbolic dimensions 'images', 'tokens' without a size: give --dim images=N --dim tokens=N "
        "(or --batch N)"
    )
    assert refusal(path, batch=2) == (
        "symbolic dimension 'tokens' without a size: give --dim tokens=N"
    )
    with pytest.raises(SpecError, match="'images', 'tokens' without a size"):
        load_network(path)


def test_symbolic_sizes(tmp_path: Path) -> None:
    path = saved(tmp_path, symbolic_rows("images", "tokens"))
    expected = {"N": 2, "K": 3, "C": 8, "P": 5, "H": 5}
    for how in (
        {"batch": 2, "dims": {"tokens": 5}},
        {"dims": {"images": 2, "tokens": 5}},
        {"batch": 2, "dims": {"images": 2, "tokens": 5}},
    ):
        (layer,) = import_onnx(path, **how).network.layers  # type: ignore[arg-type]
        assert loops(layer) == expected


def test_a_size_without_a_name(tmp_path: Path) -> None:
    path = saved(tmp_path, symbolic_rows(2, None))
    assert "'x.1' without a size: give --dim x.1=N" in refusal(path)
    (layer,) = import_onnx(path, dims={"x.1": 5}).network.layers
    assert (layer.N, layer.P) == (2, 5)


def test_a_batch_of_fixed_size_is_multiplied(tmp_path: Path) -> None:
    path = saved(tmp_path, symbolic_rows(2, 5))
    one, three = (import_onnx(path, batch=batch).network for batch in (None, 3))
    assert three == one.batched(3)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"dims": {"image": 2}}, "no symbolic dimension 'image'; it has images"),
        ({"batch": 2, "dims": {"images": 3}}, "batch 2, but dimension 'images' 3"),
        ({"dims": {"images": 0}}, "images = 0: give a whole number from 1 to 1000000000"),
        ({"batch": True}, "batch = True: give a whole number"),
    ],
)
def test_wrong_sizes(how: Any, reason: str, tmp_path: Path) -> None:
    assert refusal(saved(tmp_path, symbolic_rows("images", 5)), **how).startswith(reason)


def test_sizes_that_are_not_asked_for(tmp_path: Path) -> None:
    told = refusal(saved(tmp_path, convolution()), dims={"images": 3})
    assert told == "no symbolic dimension 'images'; all its dimensions have sizes"


def test_shapes_computed_by_nodes(tmp_path: Path) -> None:
    lines = """
        s = Shape (x)
        n = Gather (s, first)
        r = Unsqueeze (n, zero)
        m = Sub (r, zero)
        k = Div (size, two)
        shape = Concat <axis=0> (m, k, two)
        t = Reshape (x, shape)
        o = ConstantOfShape (shape)
        p = Add (t, o)
        f = Where (flag, two, one)
        e = Tile (p, reps)
        a: y = MatMul (e, w)
    """
    constants = {
        "w": (2, 3),
        "first": np.array(0),
        "flag": np.array([True]),
        "reps": integers(1, 1, 1),
        **{name: integers(i) for name, i in (("zero", 0), ("one", 1), ("two", 2), ("size", 32))},
    }
    found = network(tmp_path, lines, {"x": (5, 4, 8)}, constants)
    assert story(found) == ["a: x -> y"]
    assert loops(found.layers[0]) == {"N": 5, "K": 3, "C": 2, "P": 16, "H": 16}


# --- names --------------------------------------------------------------------------------------


def test_names_are_unique_and_not_too_long(tmp_path: Path) -> None:
    long = "n" * 500
    lines = f"{long}: a = Conv (x, w)\n{long}: {long} = Conv (a, w)\ny = Conv ({long}, w)"
    found = network(tmp_path, lines, IMAGE, {"w": (4, 4, 1, 1)})
    names = [layer.name for layer in found.layers]
    assert names[2] == "Conv_2"
    assert len(set(names)) == 3
    assert max(map(len, (*names, *found.tensors))) <= 200
    assert found == network(tmp_path, lines, IMAGE, {"w": (4, 4, 1, 1)})


def test_what_no_result_depends_on_is_left_out(tmp_path: Path) -> None:
    lines = "a: y = Conv (x, w)\nb: z = Conv (x, w)\nc = NonZero (z)"
    found = network(tmp_path, lines, {**IMAGE, "unused": (3,)}, {"w": (4, 4, 1, 1)})
    assert story(found) == ["a: x -> y"]
    assert set(found.tensors) == {"x", "y"}


def test_functions_of_a_file_are_inlined(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    body = [node("h = Conv (a, k)"), node("b = Relu (h)")]
    made = model("y = own.Layer (x, w)", IMAGE, {"w": (4, 4, 1, 1)}, domains=["own"])
    made.functions.append(helper.make_function("own", "Layer", ["a", "k"], ["b"], body, opsets))
    made.ir_version = 10
    (layer,) = imported(tmp_path, made).network.layers
    assert (layer.input, layer.K) == ("x", 4)


# --- weights beside the file --------------------------------------------------------------------


def test_weights_over_two_gib(tmp_path: Path) -> None:
    """Three gigabytes of weights, most of them a hole in a file; only what is asked for is read."""
    made = plain("a: h = MatMul (x, w)\nb: y = MatMul (h, v)", inputs={"x": (1, 30000)})
    made.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    made.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 4
    sizes = {"w": (30000, 25000), "v": (25000, 4)}
    first = 4 * 30000 * 25000
    for name, shape, offset in (("w", sizes["w"], 0), ("v", sizes["v"], first)):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", offset)):
            tensor.external_data.add(key=key, value=str(value))
        tensor.external_data.add(key="length", value=str(4 * shape[0] * shape[1]))
        made.graph.initializer.append(tensor)
    found = import_onnx(saved(tmp_path, made))
    assert found.network.weights == 30000 * 25000 + 25000 * 4
    with pytest.raises(SpecError, match="weights of layer 'b' cannot be read"):
        found.weights["b"]
    last = np.arange(100000, dtype=np.float32)
    with (tmp_path / "weights.bin").open("wb") as file:
        file.seek(first)
        file.write(last.tobytes())
    assert (found.weights["b"][..., 0, 0] == last.reshape(25000, 4).T).all()


def test_no_warnings_of_others(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert imported(tmp_path, convolution()).warnings == ()
