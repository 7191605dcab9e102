"""Spells attention out: two products, of queries by keys and of the weighted values.

ONNX defines the operator by some sixty plain nodes that also repeat the keys for each group of
heads and guard against rows that are masked entirely; a reader needs neither. Here the heads that
share keys and values are more rows of one product.
"""

from __future__ import annotations

from dataclasses import dataclass

from onnx import TensorProto

from codesign.specs.onnx.graph.writer import Writer

AFTER_SOFTMAX = 3  # mode in which the fourth result holds the weights


@dataclass(frozen=True)
class Heads:
    """Operands of one attention, as images × heads × tokens × features.

    Attributes
    ----------
    queries, keys, values : str
    count : int
        Heads of the queries.
    shared : int
        Heads of the keys and values, each for ``count / shared`` heads of the queries.
    masks : tuple of str
        Added to the products or selecting among them; each is read once for each product.
    scores, weights : str
        What the products before and after the softmax are called where they are asked for.
    """

    queries: str
    keys: str
    values: str
    count: int
    shared: int
    masks: tuple[str, ...] = ()
    scores: str = ""
    weights: str = ""


def attend(write: Writer, heads: Heads) -> str:
    """The weighted values, as images × heads × tokens × features."""
    keys = write.transposed(heads.keys, (0, 1, 3, 2), "columns")
    rows = write.reshaped(heads.queries, (0, heads.shared, -1, 0), "rows")
    scores = write.add("MatMul", [rows, keys], "qk")
    scores = write.reshaped(scores, (0, heads.count, -1, 0), "scores", heads.scores)
    for given in heads.masks:
        mask = write.add("Cast", [given], "mask", to=TensorProto.BOOL)
        scores = write.add("Where", [mask, scores, scores], "masked")
    scores = write.add("Softmax", [scores], "softmax", heads.weights, axis=3)
    scores = write.reshaped(scores, (0, heads.shared, -1, 0), "weights")
    result = write.add("MatMul", [scores, heads.values], "av")
    return write.reshaped(result, (0, heads.count, -1, 0), "heads")


def in_heads(write: Writer, value: str, heads: int, role: str) -> str:
    """Images × tokens × features as images × heads × tokens × features."""
    split = write.reshaped(value, (0, 0, heads, -1), f"{role}.split")
    return write.transposed(split, (0, 2, 1, 3), role)


def in_tokens(write: Writer, value: str, output: str) -> None:
    """The reverse, of the result."""
    value = write.transposed(value, (0, 2, 1, 3), "tokens")
    write.reshaped(value, (0, 0, -1), "result", output)


def with_past(write: Writer, past: str, value: str, output: str, role: str) -> str:
    """Earlier tokens in front of the new ones."""
    if past:
        return write.add("Concat", [past, value], role, output, axis=2)
    return write.add("Identity", [value], role, output) if output else value


def spell_attention(write: Writer) -> None:
    """ONNX's own operator.

    Inputs are queries, keys, values, mask, past keys, past values and the lengths of padded keys,
    which hide results but spare none; outputs the result, keys and values with the past ones, and
    the products. Source: ONNX, operator Attention, versions 23 and 24.
    """
    given = [write.shape(position) for position in range(3)]
    flat = len(given[0]) == 3
    count = int(write.attribute("q_num_heads", given[0][1]))
    shared = int(write.attribute("kv_num_heads", given[1][1]))
    q, k, v = (
        in_heads(write, write.input(position), heads, role)
        if len(given[position]) == 3
        else write.input(position)
        for position, (heads, role) in enumerate(
            ((count, "queries"), (shared, "keys"), (shared, "values"))
        )
    )
    k = with_past(write, write.input(4), k, write.output(1), "all_keys")
    v = with_past(write, write.input(5), v, write.output(2), "all_values")
    after = write.attribute("qk_matmul_output_mode", 0) == AFTER_SOFTMAX
    products = write.output(3)
    result = attend(
        write,
        Heads(
            *(q, k, v, count, shared),
            masks=tuple(filter(None, [write.input(3)])),
            scores="" if after else products,
            weights=products if after else "",
        ),
    )
    if flat:
        in_tokens(write, result, write.output(0))
    else:
        write.add("Identity", [result], "result", write.output(0))


def spell_cache_update(write: Writer) -> None:
    """TensorScatter: new tokens take the place of others in a buffer, wherever it is.

    Source: ONNX, operator TensorScatter, version 24.
    """
    shape, update = write.shape(0), write.input(1)
    axis = int(write.attribute("axis", -2)) % len(shape)
    others = shape[axis] - write.shape(1)[axis]
    if not others:
        write.add("Identity", [update], "present", write.output(0))
        return
    kept = write.first(write.input(0), axis, others, shape[axis], "others")
    write.add("Concat", [kept, update], "present", write.output(0), axis=axis)
