"""Spells out mixtures of experts: each token goes to some of many feed-forward networks.

Which token goes where is data. The experts are taken to have equal shares of the tokens, one more
for the first ones where these do not divide, which is what a balanced router comes to; the number
of products is the same however they are shared out. Experts that get none are not read.

Source: the description of MoE in ONNX Runtime's ``docs/ContribOperators.md``, and of its earlier
form, whose weights have inputs before outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from codesign.specs.onnx.graph.writer import Writer

FIRST, SECOND, GATE = 2, 4, 6  # where the weights of the products stand


@dataclass(frozen=True)
class _Share:
    """Experts next to each other that have as many tokens each.

    Attributes
    ----------
    first, count : int
        Experts.
    rows : int
        Tokens of each.
    """

    first: int
    count: int
    rows: int


def spell_experts(write: Writer) -> None:
    """MoE: of every token's own experts two or three products, and the sum of what they say."""
    *_, features = shape = write.shape(0)
    tokens, (experts, *_) = math.prod(shape[:-1]), write.shape(FIRST)
    chosen = int(write.attribute("k", 1))
    if not 1 <= chosen <= experts:
        raise write.refused(f"k = {chosen}; of {experts} experts a token has 1 to {experts}")
    shares = _shares(tokens * chosen, experts)
    used = sum(share.count for share in shares)
    write.remarks.append(
        f"experts of {write.node.name!r}: every token has {chosen} of {experts}, which are taken "
        "to have equal shares of the tokens"
        + (f"; {experts - used} have none and are in no figure" if used < experts else "")
    )
    rows = _rows(write, tokens, chosen)
    routed = _routed(write, tokens, chosen)
    sizes = [share.count * share.rows for share in shares]
    if len(shares) > 1:
        data = write.split(rows, 0, sizes, [f"rows{n}" for n in range(len(shares))])
        routes = write.split(routed, 0, sizes, [f"routes{n}" for n in range(len(shares))])
    else:
        data, routes = [rows], [routed]
    found = []
    for share, mine, route in zip(shares, data, routes, strict=True):
        result = _feed_forward(write, share, mine)
        flat = write.reshaped(result, (share.count * share.rows, features), "expert_rows")
        found.append(write.add("Mul", [flat, route], "weighted"))
    whole = found[0] if len(found) == 1 else write.add("Concat", found, "all_rows", axis=0)
    if chosen > 1:
        each = write.reshaped(whole, (chosen, tokens, features), "each")
        whole = write.summed(each, (0,), "sum")
    write.reshaped(whole, shape, "result", write.output(0))


def _shares(rows: int, experts: int) -> list[_Share]:
    each, more = divmod(rows, experts)
    found = [_Share(0, more, each + 1), _Share(more, experts - more, each)]
    return [share for share in found if share.count and share.rows]


def _rows(write: Writer, tokens: int, chosen: int) -> str:
    """Every token as often as it has experts, which is a view of it and no copy."""
    features = write.shape(0)[-1]
    rows = write.reshaped(write.input(0), (1, tokens, features), "tokens")
    if chosen == 1:
        return write.reshaped(rows, (tokens, features), "rows")
    shape = write.constant(np.array([chosen, tokens, features]), "shape")
    again = write.add("Expand", [rows, shape], "again")
    return write.reshaped(again, (chosen * tokens, features), "rows")


def _routed(write: Writer, tokens: int, chosen: int) -> str:
    """The weight of each expert of each token: the largest of those of all experts."""
    most = write.constant(np.array([chosen]), "most")
    best, _ = write.several("TopK", [write.input(1), most], ["best", "best.indices"], axis=1)
    turned = write.transposed(best, (1, 0), "by_expert")
    return write.reshaped(turned, (chosen * tokens, 1), "routes")


def _feed_forward(write: Writer, share: _Share, rows: str) -> str:
    """What some experts make of their tokens, as experts × tokens × features."""
    features, inner = write.shape(0)[-1], _inner(write)
    data = write.reshaped(rows, (share.count, share.rows, features), "experts")
    hidden = write.add("MatMul", [data, _weights(write, FIRST, share, features)], "first")
    if write.input(GATE):
        gate = write.add("MatMul", [data, _weights(write, GATE, share, features)], "gate")
    elif _across(write, FIRST, features) == 2 * inner:
        hidden, gate = write.split(hidden, 2, (inner, inner), ("left", "right"))
    else:
        gate = ""
    hidden = write.add("Sigmoid", [hidden], "activated")
    hidden = write.add("Mul", [hidden, gate], "gated") if gate else hidden
    return write.add("MatMul", [hidden, _weights(write, SECOND, share, inner)], "second")


def _inner(write: Writer) -> int:
    """Features between the products."""
    features = write.shape(0)[-1]
    _, one, other = write.shape(SECOND)
    inner = other if one == features else one
    given = {_across(write, at, features) for at in (FIRST, GATE) if write.input(at)}
    if features not in (one, other) or not given <= (
        {inner} if write.input(GATE) else {inner, 2 * inner}
    ):
        raise write.refused(
            f"weights of {write.shape(FIRST)} and {write.shape(SECOND)} do not fit {features} "
            "features"
        )
    return inner


def _across(write: Writer, position: int, features: int) -> int:
    """Outputs of a product by weights of so many inputs."""
    _, one, other = write.shape(position)
    return one if other == features else other


def _weights(write: Writer, position: int, share: _Share, inputs: int) -> str:
    """The weights of some experts, as experts × inputs × outputs."""
    (experts, _, last), value = write.shape(position), write.input(position)
    role = f"weights{position}"
    if share.count < experts:
        before, after = share.first, experts - share.first - share.count
        sizes = [size for size in (before, share.count, after) if size]
        parts = write.split(value, 0, sizes, [f"{role}.{n}" for n in range(len(sizes))])
        value = parts[1 if before else 0]
    return write.transposed(value, (0, 2, 1), role) if last == inputs else value
