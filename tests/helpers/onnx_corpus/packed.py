"""What lies packed: tokens of sequences without padding, experts of tokens, caches of 4 bits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from onnx import ModelProto

from onnx_corpus.contributed import INT32, UINT8, contributed, whole
from onnx_corpus.entry import Array, Entry

LENGTHS = (1, 4, 2)  # of 3 sequences of up to 4 tokens


def starts(lengths: Sequence[int]) -> Array:
    """Where each sequence begins, and the last one ends."""
    return np.cumsum([0, *lengths]).astype(np.int32)


def packed_projecting(lengths: Sequence[int] | None) -> ModelProto:
    """4 heads over the tokens of 3 sequences; lengths that are not given are 4."""
    line = "a: y = .PackedAttention <num_heads=4, qkv_hidden_sizes=[16,16,8]> (x, w, b, o, s)"
    tokens = 12 if lengths is None else sum(lengths)
    inputs = {"x": (tokens, 12), "o": (3, 4)}
    constants = {"w": (12, 40), "b": (40,)}
    if lengths is None:
        return contributed(line, {**inputs, "s": (4,)}, constants, kinds={"o": INT32, "s": INT32})
    return contributed(line, inputs, {**constants, "s": starts(lengths)}, kinds={"o": INT32})


def packed_heads(together: bool) -> ModelProto:
    """The same without projections: queries, keys and values apart, or side by side in heads."""
    given, inputs = "q, k, v", {"q": (7, 16), "k": (7, 16), "v": (7, 16)}
    if together:
        given, inputs = "q, , ", {"q": (7, 4, 3, 4)}
    line = f"a: y = .PackedMultiHeadAttention <num_heads=4> ({given}, , o, s, m)"
    inputs |= {"o": (3, 4), "m": (3, 1, 4, 4)}
    return contributed(line, inputs, {"s": starts(LENGTHS)}, kinds={"o": INT32})


def padding_removed(known: bool) -> ModelProto:
    """Padding taken out before an attention and put back behind a product."""
    lines = """
        r: h, o, s, m = .RemovePadding (x, n)
        a: g = .PackedAttention <num_heads=2> (h, w, b, o, s)
        p: f = MatMul (g, v)
        t: y = .RestorePadding (f, o)
    """
    inputs = {"x": (3, 4, 8), "n": (3,)}
    constants = {"w": (8, 24), "b": (24,), "v": (8, 8)}
    if known:
        constants["n"] = np.array(LENGTHS, np.int32)
        del inputs["n"]
    return contributed(lines, inputs, constants, kinds={"n": INT32})


def experts(
    tokens: int, experts: int, chosen: int, *, gated: str = "", earlier: bool = False
) -> ModelProto:
    """A router, and feed-forward networks of 12 features inside for tokens of 8."""
    across = 24 if gated == "fused" else 12
    how = f"k={chosen}, " + ('activation_type="swiglu", swiglu_fusion=1' if across == 24 else "")
    given = "x, r, w, , v" + (", , u" if gated == "apart" else "")
    lines = f"g: r = MatMul (x, q)\na: y = .MoE <{how.rstrip(', ')}> ({given})"
    constants = {"q": (8, experts)}
    shapes = {"w": (across, 8), "v": (8, 12), "u": (12, 8)}
    for name, shape in shapes.items():
        if name in given:
            constants[name] = (experts, *(shape[::-1] if earlier else shape))
    return contributed(lines, {"x": (tokens, 8)}, constants)


def four_bit_cache(tokens: int, held: int) -> ModelProto:
    """New tokens behind a cache of 4 bits, two numbers of which lie in a byte."""
    line = "a: y, nk, nv = .GroupQueryAttention <num_heads=8, kv_num_heads=2, "
    line += 'k_quant_type="PER_TENSOR", v_quant_type="PER_TENSOR", kv_cache_bit_width=4> '
    line += "(q, k, v, pk, pv, n, t, , , , , , s, s)"
    inputs = {"q": (1, tokens, 64), "k": (1, tokens, 16), "v": (1, tokens, 16), "n": (1,)}
    inputs |= {"pk": (1, 2, held, 4), "pv": (1, 2, held, 4)}
    constants = {"t": whole(held + tokens, np.int32), "s": (1,)}
    kinds = {"n": INT32} | dict.fromkeys(("pk", "pv", "nk", "nv"), UINT8)
    return contributed(line, inputs, constants, ("y", "nk", "nv"), kinds=kinds)


def attended(lengths: Sequence[int], features: int) -> int:
    """Products of queries by keys and of weighted values, by the features of both."""
    return sum(length * length * features for length in lengths)


PARTS = {"no expert to spare": (8, 4, 2), "shares of two sizes": (5, 4, 2)}
PARTS |= {"fewer tokens than experts": (1, 4, 2), "one expert each": (8, 4, 1)}
PARTS |= {"all experts": (3, 4, 4), "shares that cut across": (6, 4, 3)}

ENTRIES = (
    *(
        Entry(
            name=f"tokens without padding, {name}",
            build=partial(packed_projecting, lengths),
            macs=sum(lengths or (4, 4, 4)) * 12 * 40 + attended(lengths or (4, 4, 4), 16 + 8),
            weights=12 * 40,
            legal=False,
            runs=False,  # not on a CPU
            solved=lengths == LENGTHS,
        )
        for name, lengths in (("known", LENGTHS), ("alike", (3, 3, 3)), ("full", None))
    ),
    *(
        Entry(
            name=f"tokens without padding in heads, {name}",
            build=partial(packed_heads, together),
            macs=attended(LENGTHS, 2 * 16),
            weights=0,
            legal=False,
            runs=False,
        )
        for name, together in (("apart", False), ("together", True))
    ),
    *(
        Entry(
            name=f"padding removed, {name}",
            build=partial(padding_removed, known),
            macs=sum(lengths) * 8 * (24 + 8) + attended(lengths, 2 * 8),
            weights=8 * 24 + 8 * 8,
            legal=False,
            runs=False,
        )
        for name, known, lengths in (("known", True, LENGTHS), ("as full", False, (4, 4, 4)))
    ),
    *(
        Entry(
            name=f"experts, {name}",
            build=partial(experts, *sizes),
            macs=sizes[0] * (8 * sizes[1] + sizes[2] * 2 * 8 * 12),
            weights=8 * sizes[1] + min(sizes[1], sizes[0] * sizes[2]) * 2 * 8 * 12,
            legal=False,
            solved=name == "shares of two sizes",
        )
        for name, sizes in PARTS.items()
    ),
    *(
        Entry(
            name=f"experts, gated {how}",
            build=partial(experts, 8, 4, 2, gated=gated, earlier=earlier),
            macs=8 * (8 * 4 + 2 * 3 * 8 * 12),
            weights=8 * 4 + 4 * 3 * 8 * 12,
            legal=False,
            runs=gated == "fused",  # on a CPU
        )
        for how, gated, earlier in (
            ("in one product", "fused", False),
            ("by another", "apart", False),
            ("in an earlier form", "apart", True),
        )
    ),
    Entry(
        name="a cache of 4 bits",
        build=partial(four_bit_cache, 1, 5),
        macs=2 * (8 * 6 * 8),
        weights=0,
        pins={"tensor:nk": 4, "tensor:nv": 4},
        feeds={"n": np.array([5], np.int32)},
        legal=False,
        solved=True,
    ),
)
