"""A decoder's phase has the products of the same decoder as an ONNX graph."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto
from onnx_graphs import imported, model

from codesign import Network
from codesign.specs.decoder import Decoder, DecoderSizes

HIDDEN, HEADS, KV_HEADS, SIZE, FFN, WORDS = 12, 6, 2, 4, 10, 17
ROWS = HEADS // KV_HEADS  # queries of a KV head
TINY = Decoder(
    name="tiny",
    decoder=DecoderSizes(
        blocks=1,
        hidden=HIDDEN,
        heads=HEADS,
        kv_heads=KV_HEADS,
        head_size=SIZE,
        ffn=FFN,
        gated=True,
        vocabulary=WORDS,
        max_context=32,
    ),
)
WEIGHTS = {
    "wq": (HIDDEN, HEADS * SIZE),
    "wk": (HIDDEN, KV_HEADS * SIZE),
    "wv": (HIDDEN, KV_HEADS * SIZE),
    "wo": (HEADS * SIZE, HIDDEN),
    "wg": (HIDDEN, FFN),
    "wu": (HIDDEN, FFN),
    "wd": (FFN, HIDDEN),
    "wh": (HIDDEN, WORDS),
}


def shape(*sizes: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(sizes, np.int64)


def exported(new: int, held: int) -> ModelProto:
    """Grouped-query attention, SwiGLU and the head on the last token, as an exporter writes them.

    Where less than ``held`` tokens are new, the keys and values of the others come from outside.
    """
    joined = (
        "{0} = Concat <axis=1> (past_{0}, new_{0})" if new < held else "{0} = Identity (new_{0})"
    )
    lines = f"""
        q: q = MatMul (x, wq)
        k: kk = MatMul (x, wk)
        v: vv = MatMul (x, wv)
        q1 = Reshape (q, s_queries)
        q2 = Transpose <perm=[1,2,0,3]> (q1)
        q3 = Reshape (q2, s_rows)
        k1 = Reshape (kk, s_new)
        new_keys = Transpose <perm=[1,0,2]> (k1)
        v1 = Reshape (vv, s_new)
        new_values = Transpose <perm=[1,0,2]> (v1)
        {joined.format("keys")}
        {joined.format("values")}
        k3 = Transpose <perm=[0,2,1]> (keys)
        qk: s = MatMul (q3, k3)
        p = Softmax <axis=-1> (s)
        av: c = MatMul (p, values)
        c1 = Reshape (c, s_context)
        c2 = Transpose <perm=[2,0,1,3]> (c1)
        c3 = Reshape (c2, s_flat)
        o: o1 = MatMul (c3, wo)
        a = Add (o1, x)
        gate: g = MatMul (a, wg)
        g1 = Sigmoid (g)
        g2 = Mul (g, g1)
        up: u = MatMul (a, wu)
        h = Mul (u, g2)
        down: d = MatMul (h, wd)
        t = Add (d, a)
        last = Slice (t, s_start, s_end)
        head: y = MatMul (last, wh)
    """
    shapes = {
        "s_queries": shape(new, KV_HEADS, ROWS, SIZE),
        "s_rows": shape(KV_HEADS, ROWS * new, SIZE),
        "s_new": shape(new, KV_HEADS, SIZE),
        "s_context": shape(KV_HEADS, ROWS, new, SIZE),
        "s_flat": shape(new, HEADS * SIZE),
        "s_start": shape(new - 1),
        "s_end": shape(new),
    }
    past = (KV_HEADS, held - new, SIZE)
    inputs = {"x": (new, HIDDEN)}
    inputs |= {"past_keys": past, "past_values": past} if new < held else {}
    return model(lines, inputs, WEIGHTS | shapes)


def products(network: Network) -> Counter[tuple[str, int, int]]:
    """Name, MACs and weight operand of every layer that multiplies."""
    ends = ((x.name.rpartition(".")[2], x.macs, x.weights) for x in network.layers if not x.moves)
    return Counter(ends)


@pytest.mark.parametrize(("new", "held"), [(1, 1), (5, 5), (1, 9)])
def test_a_phase_has_the_products_of_its_onnx_graph(tmp_path: Path, new: int, held: int) -> None:
    found = imported(tmp_path, exported(new, held)).network
    phase = TINY.network("prefill", new) if new == held else TINY.network("decode", None, held)
    assert products(found) == products(phase)
    assert found.weights == phase.weights == TINY.decoder.weights
