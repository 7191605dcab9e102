"""Spells out the attentions of ``com.microsoft``: projections, products by keys, and of values.

Biases, lengths, positions and rotations by constant tables are a few numbers and element-wise work
on the way; they are not read here. Products that a mask or a window hides are counted, as a dense
array computes them.

Source: the operators' descriptions in ONNX Runtime's ``docs/ContribOperators.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

from codesign.specs.onnx.graph.writer import Writer
from codesign.specs.onnx.spelling.attention import Heads, attend, in_heads, in_tokens

DOMAIN = "com.microsoft"
ROLES = ("queries", "keys", "values")
BEFORE_SOFTMAX, AFTER_SOFTMAX = 1, 2  # what the fourth result of a GroupQueryAttention holds


def spell_projecting(write: Writer) -> None:
    """Attention: the projections of queries, keys and values are one product by its weights."""
    if write.input(6):
        raise write.refused(
            "the earlier tokens lie in a buffer for the most tokens, and their number is data; "
            "export it with past and present of their own sizes"
        )
    projected = write.add("MatMul", [write.input(0), write.input(1)], "qkv")
    _attend_projected(write, projected, mask=3, past=4, addend=5)


def spell_quantised_projecting(write: Writer) -> None:
    """QAttention: the same of integers, with scales and zero points."""
    given = [write.input(position) for position in (0, 1, 3, 4, 6, 7)]
    projected = write.add("MatMulIntegerToFloat", given, "qkv", domain=DOMAIN)
    _attend_projected(write, projected, mask=5, past=8)


def _attend_projected(
    write: Writer, projected: str, *, mask: int, past: int, addend: int | None = None
) -> None:
    """Attention to projections that lie side by side, with earlier keys and values in one tensor.

    That is of 2 × images × heads × tokens × features, and so is the second result.
    """
    images, tokens, _ = write.shape(0)
    count, (_, across) = int(write.attribute("num_heads")), write.shape(1)
    sizes = [int(size) for size in write.attribute("qkv_hidden_sizes", ())] or [across // 3] * 3
    if sum(sizes) != across or any(size % count for size in sizes):
        raise write.refused(f"{across} columns of weights are not {count} heads of {sizes}")
    parts = write.split(projected, 2, sizes, [f"{role}.part" for role in ROLES])
    q, k, v = (in_heads(write, part, count, role) for part, role in zip(parts, ROLES, strict=True))
    both = [k, v]
    total = tokens
    if write.input(past):
        _, *shape = write.shape(past)
        total += shape[2]
        earlier = write.split(write.input(past), 0, (1, 1), ("past_keys", "past_values"))
        for number, role in enumerate(("keys", "values")):
            one = write.reshaped(earlier[number], shape, f"earlier_{role}")
            both[number] = write.add("Concat", [one, both[number]], f"all_{role}", axis=2)
    if write.output(1):
        shape = [1, images, count, total, -1]
        alone = [write.reshaped(both[n], shape, f"{ROLES[n + 1]}.present") for n in (0, 1)]
        write.add("Concat", alone, "present", write.output(1), axis=0)
    masks = [_mask(write, mask, tokens, total)]
    masks += [write.input(addend)] if addend is not None else []
    heads = Heads(q, both[0], both[1], count, count, masks=tuple(filter(None, masks)))
    in_tokens(write, attend(write, heads), write.output(0))


def _mask(write: Writer, position: int, tokens: int, total: int) -> str:
    """A mask as images × heads × tokens × all tokens; empty where it is a few lengths."""
    mask = write.input(position)
    shape = write.shape(position) if mask else ()
    if len(shape) == 2:
        return write.reshaped(mask, (shape[0], 1, 1, shape[1]), "mask.rows")
    if len(shape) == 3:
        return write.reshaped(mask, (shape[0], 1, *shape[1:]), "mask.rows")
    if len(shape) == 4:
        mask = write.first(mask, 2, tokens, shape[2], "mask.rows")
        return write.first(mask, 3, total, shape[3], "mask.columns")
    return ""


@dataclass(frozen=True)
class _Given:
    """Queries, and keys or values with their earlier ones, as images × heads × tokens × features.

    Attributes
    ----------
    new : tuple of str
        Queries, keys, values.
    added : int
        New tokens of the keys and values.
    past : tuple of int
        Positions of the earlier keys and values.
    total : int or None
        Tokens in all, where the earlier ones may be a buffer for more.
    """

    new: tuple[str, str, str]
    added: int
    past: tuple[int, int]
    total: int | None = None


def spell_multi_head(write: Writer) -> None:
    """MultiHeadAttention: queries, keys and values apart, or packed head by head."""
    count = int(write.attribute("num_heads"))
    _, tokens, *packed = write.shape(0)
    buffer = write.input(8)
    if buffer and write.number(8) is None:
        raise write.refused(
            "the earlier tokens lie in a buffer for the most tokens, and their number is data; "
            "export it with past and present of their own sizes"
        )
    if len(packed) > 1:  # heads, 3, features
        parts = _unpacked(write, 0, 3)
        added = tokens
    else:
        parts, added = _apart(write, count)
    found = _Given(parts, added, (6, 7), None if not buffer else (write.number(8) or 0) + added)
    keys, values, total = _with_earlier(write, found)
    masks = (_mask(write, 4, tokens, total), write.input(5))
    heads = Heads(
        *(parts[0], keys, values, count, count),
        masks=tuple(filter(None, masks)),
        weights=write.output(3),
    )
    in_tokens(write, attend(write, heads), write.output(0))


def _apart(write: Writer, count: int) -> tuple[tuple[str, str, str], int]:
    """Queries, keys and values that are operands, and the tokens of the last two."""
    queries = in_heads(write, write.input(0), count, "queries")
    shape = write.shape(1)
    if len(shape) == 5:  # images × tokens × heads × 2 × features
        keys, values = _unpacked(write, 1, 2)[-2:]
        return (queries, keys, values), shape[1]
    if len(shape) == 4:  # those of an encoder, in heads
        return (queries, write.input(1), write.input(2)), shape[2]
    keys, values = (in_heads(write, write.input(n), count, ROLES[n]) for n in (1, 2))
    return (queries, keys, values), shape[1]


def _unpacked(write: Writer, position: int, several: int) -> tuple[str, str, str]:
    """Each of several parts that lie side by side in every head of every token."""
    images, tokens, count, _, features = write.shape(position)
    roles = ROLES[3 - several :]
    parts = write.split(write.input(position), 3, [1] * several, [f"{role}.part" for role in roles])
    found = []
    for part, role in zip(parts, roles, strict=True):
        alone = write.reshaped(part, (images, tokens, count, features), f"{role}.split")
        found.append(write.transposed(alone, (0, 2, 1, 3), role))
    first, second, third = ["", *found][-3:]
    return first, second, third


def _with_earlier(write: Writer, given: _Given) -> tuple[str, str, int]:
    """All keys, all values, and how many tokens these are; what holds them are results asked for.

    In a buffer for more tokens the new ones take the place of others, wherever it is.
    """
    found, total = [], given.added
    for number, role in enumerate(("keys", "values")):
        new, past = given.new[number + 1], write.input(given.past[number])
        output = write.output(number + 1)
        if not past:
            found.append(write.add("Identity", [new], f"all_{role}", output) if output else new)
            continue
        stored = write.shape(given.past[number])[2]
        total = min(given.total or stored + given.added, stored + given.added)
        total = max(total, given.added)
        both, kind = write.type_of(past), write.type_of(write.input(0))
        new = write.add("Cast", [new], f"stored_{role}", to=both) if both != kind else new
        held = max(total, stored)
        if held == given.added:
            buffer = write.add("Identity", [new], f"all_{role}", output)
        else:
            kept = write.first(past, 2, held - given.added, stored, f"earlier_{role}")
            buffer = write.add("Concat", [kept, new], f"all_{role}", output, axis=2)
        read = write.first(buffer, 2, total, held, f"filled_{role}")
        found.append(write.add("Cast", [read], f"read_{role}", to=kind) if both != kind else read)
    keys, values = found
    return keys, values, total


def spell_group_query(write: Writer) -> None:
    """GroupQueryAttention: several heads of queries read the same keys and values, once."""
    count, shared = int(write.attribute("num_heads")), int(write.attribute("kv_num_heads"))
    if write.attribute("sliding_window_cache", 0):
        raise write.refused("a cache of a window of tokens; export it with a cache of all tokens")
    _, tokens, across = write.shape(0)
    if write.input(1):
        parts = [write.input(n) for n in range(3)]
        added = write.shape(1)[1]
    else:
        features, rest = divmod(across, count + 2 * shared)
        if rest:
            raise write.refused(f"{across} features are not {count} + 2·{shared} heads")
        sizes = [heads * features for heads in (count, shared, shared)]
        parts = write.split(write.input(0), 2, sizes, [f"{role}.part" for role in ROLES])
        added = tokens
    q, k, v = (
        in_heads(write, part, heads, role)
        for part, heads, role in zip(parts, (count, shared, shared), ROLES, strict=True)
    )
    keys, values, _ = _with_earlier(write, _Given((q, k, v), added, (3, 4), write.number(6)))
    asked = int(write.attribute("qk_output", 0))
    heads = Heads(
        *(q, keys, values, count, shared),
        masks=tuple(filter(None, [write.input(10)])),
        scores=write.output(3) if asked == BEFORE_SOFTMAX else "",
        weights=write.output(3) if asked == AFTER_SOFTMAX else "",
    )
    in_tokens(write, attend(write, heads), write.output(0))
