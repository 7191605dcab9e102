"""Operators of ``com.microsoft``: what they read and write, by hand, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_corpus import contributed
from onnx_corpus.contributed import whole
from onnx_graphs import imported, loops, story

from codesign.errors import SpecError


def test_heads_that_share_keys_read_them_once(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.grouped_queries()).network
    # of 96 features 64 are queries, 16 keys and 16 values; 2 images of 6 tokens
    assert story(found) == [
        "p: x -> h",
        "a.qk: h[768] × h[768] -> a.qk",
        "a.av: a.qk × h[192] -> a.av",
        "o: a.av -> y",
    ]
    products = found.layers[1]
    assert loops(products) == {"G": 4, "K": 6, "C": 8, "P": 24, "H": 24}
    assert products.weights == 2 * 6 * 16


def test_a_mask_is_read_once_and_earlier_keys_are_part_of_the_result(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.projecting_past()).network
    assert found.tensors["kv"] == 2 * 2 * 4 * 9 * 4
    assert story(found)[-2:] == [
        "a.qk: a.qkv[192] + m × kv[288] -> a.masked",
        "a.av: a.masked × kv[288] -> y",
    ]


def test_a_buffer_is_read_as_far_as_it_is_filled(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.cached_queries(1, 12)).network
    assert found.tensors["nk"] == 2 * 12 * 8
    assert found.cache == ("nk", "nv")
    assert story(found)[-2:] == ["a.qk: q × nk[96] -> a.qk", "a.av: a.qk × nv[96] -> y"]


def test_a_prompt_fills_a_buffer_as_far_as_it_goes(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.cached_queries(6, 12)).network
    assert found.cache == ("nk", "nv")
    assert story(found) == [
        "~a.all_keys.copy1: k -> nk[96]",
        "~a.all_values.copy1: v -> nv[96]",
        "a.qk: q × nk[96] -> a.qk",
        "a.av: a.qk × nv[96] -> y",
    ]


def test_the_sum_of_a_normalisation_is_what_the_next_one_adds(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.residual_stream()).network
    assert story(found) == ["a: x + x -> s", "b: s + s -> y"]


def test_rows_of_tables_are_looked_up(tmp_path: Path) -> None:
    found = imported(tmp_path, contributed.embedding()).network
    assert story(found) == [
        "~e.words: i -> e.words",
        "~e.segments: j + e.words -> e.segments.sum",
        "a: e.segments.sum -> y",
    ]


@pytest.mark.parametrize("where", ["branch", "function"])
def test_early_normalisations_stand_anywhere(where: str, tmp_path: Path) -> None:
    made = contributed.early("LayerNormalization")
    norm = made.graph.node.pop()
    if where == "branch":
        value = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        both = [helper.make_graph([norm], name, [], [value]) for name in ("one", "other")]
        made.graph.initializer.append(contributed.stored(whole(1, np.bool_), "c"))
        branches = {"then_branch": both[0], "else_branch": both[1]}
        made.graph.node.append(helper.make_node("If", ["c"], ["y"], name="f", **branches))
    else:
        opset = helper.make_opsetid("", 12)
        function = helper.make_function("mine", "Norm", ["h", "g"], ["y"], [norm], [opset])
        made.functions.append(function)
        made.opset_import.append(helper.make_opsetid("mine", 1))
        made.graph.node.append(helper.make_node("Norm", ["h", "g"], ["y"], domain="mine"))
    found = imported(tmp_path, made).network
    assert story(found) == ["a: x -> y"]


@pytest.mark.parametrize("zeros", ["none", "packed", "numbers"])
def test_packed_weights(zeros: str, tmp_path: Path) -> None:
    """3 blocks of 16 codes in 8 bytes, low half first: 12, 2, 12, 2 …; the last block is cut."""
    made = contributed.four_bits()
    scales = np.arange(1, 19, dtype=np.float32).reshape(6, 3)
    made.graph.initializer[1].raw_data = scales.tobytes()
    if zeros != "none":
        packed = np.full((6, 2), 0x15, np.uint8)  # 5, 1 and 5 of each row
        array = packed if zeros == "packed" else np.full((6, 3), 2.5, np.float32)
        made.graph.initializer.append(contributed.stored(array, "z"))
        made.graph.node[0].input.append("z")
    codes = np.tile([12.0, 2.0], 24)
    subtracted = {"none": [8, 8, 8], "packed": [5, 1, 5], "numbers": [2.5] * 3}[zeros]
    expected = (codes - np.repeat(subtracted, 16)) * np.repeat(scales, 16, axis=1)
    weights = imported(tmp_path, made).weights["a"]
    np.testing.assert_array_equal(weights[..., 0, 0], expected[:, :40])


REFUSED = {
    "of one processor": (".MatMulNBits <K=16, N=2, bits=4, block_size=16, weight_prepacked=1>"),
}


@pytest.mark.parametrize("expected", REFUSED)
def test_weights_that_cannot_be_read(expected: str, tmp_path: Path) -> None:
    constants = {"w": np.ones((2, 1, 8), np.uint8), "s": (2, 1)}
    line = f"a: y = {REFUSED[expected]} (x, w, s)"
    found = imported(tmp_path, contributed.contributed(line, {"x": (5, 16)}, constants))
    assert found.network.weights == 16 * 2
    with pytest.raises(SpecError, match=expected):
        found.weights["a"]


HEADS = {"q": (1, 1, 16), "k": (1, 1, 16), "v": (1, 1, 16), "n": (1,)}
BUFFERS = {"pk": (1, 2, 5, 8), "pv": (1, 2, 5, 8)}
UNREADABLE = {
    "4 heads of": ("a: y = .Attention <num_heads=4> (x, w)", {"x": (1, 6, 8)}, {"w": (8, 18)}),
    "their number is data": (
        "a: y = .MultiHeadAttention <num_heads=2> (q, k, v, , , , pk, pv, n)",
        {**HEADS, **BUFFERS},
        {},
    ),
    "a window of tokens": (
        "a: y = .GroupQueryAttention <num_heads=2, kv_num_heads=2, sliding_window_cache=1> "
        "(q, k, v, pk, pv, n, t)",
        {**HEADS, **BUFFERS},
        {"t": whole(6, np.int32)},
    ),
    "features are not 4": (
        "a: y = .GroupQueryAttention <num_heads=4, kv_num_heads=1> (q, , , , , n, t)",
        {"q": (1, 6, 16), "n": (1,)},
        {"t": whole(6, np.int32)},
    ),
    "of its 7 tokens belong to which of 3 sequences is data: 's'": (
        "a: y = .PackedMultiHeadAttention <num_heads=4> (q, k, v, , o, s)",
        {**dict.fromkeys("qkv", (7, 16)), "o": (3, 4), "s": (4,)},
        {},
    ),
    "7 tokens are not 3 sequences of": (
        "a: y = .PackedMultiHeadAttention <num_heads=4> (q, k, v, , o, s)",
        {**dict.fromkeys("qkv", (7, 16)), "o": (3, 4)},
        {"s": np.array([0, 1, 6, 7], np.int32)},
    ),
    "k = 5; of 4 experts": (
        "a: y = .MoE <k=5> (x, r, u, , v)",
        {"x": (6, 8), "r": (6, 4)},
        {"u": (4, 12, 8), "v": (4, 8, 12)},
    ),
    "do not fit 8 features": (
        "a: y = .MoE <k=2> (x, r, u, , v)",
        {"x": (6, 8), "r": (6, 4)},
        {"u": (4, 11, 8), "v": (4, 8, 12)},
    ),
    "'x2' holds two numbers in a byte": (
        "x2 = Relu (pk)\n"
        "a: y = .GroupQueryAttention <num_heads=2, kv_num_heads=2, kv_cache_bit_width=4> "
        "(q, k, v, x2, pv, n, t)",
        {**HEADS, **BUFFERS},
        {"t": whole(6, np.int32)},
    ),
    "packed weights are constant": (
        "a: y = .MatMulNBits <K=16, N=2, bits=4, block_size=16> (x, w, s)",
        {"x": (5, 16), "w": (2, 1, 8)},
        {"s": (2, 1)},
    ),
}


@pytest.mark.parametrize("expected", UNREADABLE)
def test_refused(expected: str, tmp_path: Path) -> None:
    line, inputs, constants = UNREADABLE[expected]
    kinds = dict.fromkeys("nos", contributed.INT32) | {"w": contributed.UINT8}
    made = contributed.contributed(line, inputs, constants, kinds=kinds)
    with pytest.raises(SpecError, match=f"node 'a' .*{expected}"):
        imported(tmp_path, made)
