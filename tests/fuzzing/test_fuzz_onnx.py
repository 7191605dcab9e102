"""ONNX files with something wrong: refused in one line, or a network that holds together."""

from __future__ import annotations

from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from fuzzing import NAMES, REAL, answered, cases, check_whole, damaged, told, tried
from hypothesis import strategies as st
from onnx import ModelProto, helper
from onnx_corpus import contributed, low_widths
from onnx_corpus.quantised import dynamic
from onnx_flow import YES, body, flow_model, loop
from onnx_graphs import integers, model, symbolic_rows

from codesign.quality import weight_sensitivity
from codesign.specs.load import load_network
from codesign.specs.onnx import import_onnx
from codesign.specs.onnx.graph.scopes import bodies
from codesign.specs.write_network import to_toml

SIZES = (0, -1, 1, 2, 3, 4, 7, 8, 10**9, 10**9 + 1, 2**31, 2**62, 2**63 - 1, -(2**63))
OPERATORS = ("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum", "Reshape", "Concat", "Split")
OPERATORS += ("Slice", "Pad", "Expand", "Tile", "Resize", "Add", "MaxPool", "Transpose", "Where")
OPERATORS += ("Attention", "QLinearConv", "Shape", "Gather", "Constant", "ConstantOfShape", "Range")
OPERATORS += ("ReduceMean", "Softmax", "Identity", "Flatten", "Unsqueeze", "Loop", "Unknown", "")
OPERATORS += ("QuantizeLinear", "DequantizeLinear", "Clip", "Quant", "BipolarQuant", "MatMulNBits")
OPERATORS += ("If", "Scan", "SequenceConstruct", "SequenceAt", "SequenceMap", "Optional")


@cache
def models() -> tuple[bytes, ...]:
    """Convolutions, products, shapes computed on the way, open sizes."""
    image: dict[str, Any] = {"x": (1, 4, 8, 8)}
    lines = """
    a: h = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w)
    r: k = Relu (h)
    p: m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (k)
    t: u = ConvTranspose <kernel_shape = [2, 2], strides = [2, 2], group = 2> (m, v)
    c: z = Concat <axis = 1> (u, k)
    b: y = Conv <dilations = [2, 2]> (z, q)
    """
    convolutions = model(lines, image, {"w": (4, 4, 3, 3), "v": (4, 2, 2, 2), "q": (3, 8, 3, 3)})
    lines = """
    a: q = MatMul (x, w)
    t: k = Transpose <perm = [0, 2, 1]> (x)
    s: m = MatMul (q, k)
    f: n = Softmax <axis = -1> (m)
    v: o = MatMul (n, x)
    d: y = Add (o, x)
    """
    attention = model(lines, {"x": (1, 6, 8)}, {"w": (8, 8)})
    lines = """
    s: h = Shape (x)
    g: n = Gather (h, zero)
    u: m = Unsqueeze (n, zero1)
    c: d = Concat <axis = 0> (m, rest)
    r: z = Reshape (x, d)
    l: o, p = Split <axis = 1> (z, halves)
    e: k = Expand (o, wide)
    a: y = Gemm <transB = 1> (p, w, b)
    """
    constants = {
        "zero": np.array(0),
        "zero1": integers(0),
        "rest": integers(-1),
        "halves": integers(8, 8),
        "wide": integers(2, 8),
        "w": (5, 8),
        "b": (5,),
    }
    shapes = model(lines, {"x": (2, 4, 4)}, constants)
    parts = (convolutions, attention, shapes, symbolic_rows("rows", 3), *flows(), *quantised())
    return tuple(made.SerializeToString() for made in parts)


def quantised() -> tuple[ModelProto, ...]:
    """Codes that are clipped, quantisers of QONNX, scales found on the way, packed weights."""
    return low_widths.clipped_codes(), low_widths.quantisers(), dynamic(), contributed.four_bits()


def flows() -> tuple[ModelProto, ...]:
    """Control flow that a given input decides, within other control flow; lists."""
    row = {"w": (4, 4), "n": np.array(2), **YES}
    choice = helper.make_node(
        *("If", ["c"], ["r"]),
        then_branch=body("u = MatMul (h, w)", outputs=["u"]),
        else_branch=body("u = Neg (h)", outputs=["u"]),
    )
    step = body("ck = Identity (cc)", ["i2", "cc", "h"], ["ck", "r"], nodes=[choice])
    lines = ["c = Less (i, n)", loop(["i", "yes", "x"], ["y", "z"], step)]
    step.output.add().CopyFrom(step.output[1])
    counted = flow_model(lines, {"x": (2, 4), "i": ()}, row, {"y": 2, "z": 3})
    scan = helper.make_node(
        *("Scan", ["x", "z"], ["a", "t"]),
        body=body("r = MatMul (s, w)\nv = Add (r, e)", ["s", "e"], ["r", "v"]),
        num_scan_inputs=1,
    )
    lists = ["l = SplitToSequence (t)", "m = SequenceAt (l, i)", "y = Add (m, a)"]
    listed = flow_model([scan, *lists], {"x": (2, 4), "z": (3, 2, 4), "i": ()}, row, {"y": 3})
    return counted, listed


def wrong_model(data: Any) -> bytes:
    """A model with some parts altered, or with damage to its bytes."""
    whole = data.draw(st.sampled_from(models()), "model")
    if data.draw(st.integers(0, 2), "of the bytes") == 0:
        return damaged(data, whole)
    made = ModelProto.FromString(whole)
    for _ in range(data.draw(st.integers(1, 3), "alterations")):
        _alter(data, made)
    return made.SerializeToString()


def _alter(data: Any, made: ModelProto) -> None:
    graph = made.graph
    names = [x for x in NAMES if "\ud800" not in x][:-2]
    ways = [
        "size",
        "size",
        "operator",
        "attribute",
        "attribute",
        "link",
        "drop",
        "name",
        "constant",
    ]
    nodes = [*graph.node, *(x for node in graph.node for inner in bodies(node) for x in inner.node)]
    node = data.draw(st.sampled_from(nodes), "node") if nodes else None
    values = [*graph.input, *graph.output, *graph.value_info]
    way = data.draw(st.sampled_from([*ways, "version"]), "way")
    if way == "size" and values:
        dims = data.draw(st.sampled_from(values), "value").type.tensor_type.shape.dim
        for dim in [*dims][: data.draw(st.integers(0, 4), "sizes")]:
            dim.dim_value = data.draw(st.sampled_from(SIZES), "size")
    elif way == "operator" and node is not None:
        node.op_type = data.draw(st.sampled_from(OPERATORS), "operator")
        node.domain = data.draw(
            st.sampled_from(["", "", "com.microsoft", low_widths.QONNX, "odd"]), "domain"
        )
    elif way == "attribute" and node is not None:
        keys = [x.name for x in node.attribute]
        keys += ["axis", "group", "perm", "kernel_shape", "pads", "strides", "equation", "value"]
        key = data.draw(st.sampled_from(keys), "key")
        sizes = st.sampled_from(SIZES)
        given = st.one_of(
            sizes,
            st.lists(sizes, min_size=1, max_size=4),
            st.sampled_from(REAL),
            st.text(max_size=4),
        )
        for old in [x for x in node.attribute if x.name == key]:
            node.attribute.remove(old)
        node.attribute.append(helper.make_attribute(key, data.draw(given, "given")))
    elif way == "link" and node is not None and node.input:
        known = [name for x in nodes for name in (*x.input, *x.output)]
        place = data.draw(st.integers(0, len(node.input) - 1), "input")
        node.input[place] = data.draw(st.sampled_from([*known, "", *names]), "link")
    elif way == "drop" and node is not None:
        owners = [graph, *(inner for x in graph.node for inner in bodies(x))]
        next(owner.node for owner in owners if node in owner.node).remove(node)
    elif way == "name" and node is not None:
        node.name = data.draw(st.sampled_from(names), "name")
        graph.name = data.draw(st.sampled_from(names), "graph")
    elif way == "constant" and graph.initializer:
        tensor = data.draw(st.sampled_from([*graph.initializer]), "constant")
        match data.draw(st.integers(0, 3), "of a constant"):
            case 0:
                tensor.dims[:] = data.draw(st.lists(st.sampled_from(SIZES), max_size=4), "dims")
            case 1:
                tensor.data_type = data.draw(st.integers(0, 40), "kind")
            case 2:
                tensor.raw_data = data.draw(st.binary(max_size=200), "data")
            case _:
                _store_elsewhere(data, tensor)
    elif way == "version":
        version = data.draw(st.sampled_from([0, 6, 7, 13, 18, 20, 99, 2**62]), "version")
        made.opset_import[0].version = version


def _store_elsewhere(data: Any, tensor: onnx.TensorProto) -> None:
    """Data in a file beside the model, or not beside it."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    places = ["weights.bin", "../weights.bin", "/etc/passwd", "..", "", "~/x", "no/such"]
    for key, value in (
        ("location", data.draw(st.sampled_from(places), "location")),
        ("offset", data.draw(st.sampled_from(["0", "-1", str(2**62), "x"]), "offset")),
        ("length", data.draw(st.sampled_from(["8", "-1", str(2**62), "x"]), "length")),
    ):
        tensor.external_data.add(key=key, value=value)


@cases(150, 3000)
def test_imported(number: int, tmp_path: Path) -> None:
    path, again = tmp_path / "given.onnx", tmp_path / "again.toml"
    (tmp_path / "weights.bin").write_bytes(bytes(4096))

    def judge(data: Any) -> None:
        path.write_bytes(wrong_model(data))
        how = {"ignore_unknown": data.draw(st.booleans(), "ignore")}
        batch = data.draw(st.sampled_from([None, 1, 3]), "batch")
        inputs = data.draw(st.sampled_from([{}, {"i": 1}, {"i": 3}, {"i": 10**9}]), "inputs")
        found = answered(lambda: import_onnx(path, batch=batch, inputs=inputs, **how))
        if found is not None:
            again.write_text(to_toml(found.network, found.notes), "utf-8")
            assert load_network(again) == found.network
            answered(lambda: weight_sensitivity(found.network, found.weights, [4, 8]))

    tried(number, judge)


@cases(30, 800)
def test_commands(number: int, tmp_path: Path) -> None:
    path, out = tmp_path / "given.onnx", tmp_path / "out.toml"

    def judge(data: Any) -> None:
        path.write_bytes(wrong_model(data))
        out.unlink(missing_ok=True)
        given = data.draw(st.lists(st.sampled_from(FLAGS), max_size=3), "flags")
        told("import", str(path), *chain(*given), "--out", str(out))
        check_whole(tmp_path, "out.toml")
        told("evaluate", str(path), "--accelerator", "eyeriss", *chain(*given), "--quiet")

    tried(number, judge)


FLAGS = [["--batch", "2"], ["--dim", "rows=3"], ["--ignore-unknown"], ["--keep-widths"]]
FLAGS += [["--dim", "x.0=1000000000"], ["--input", "i=2"], ["--input", "i=-1"]]
