"""Spells out the attentions of ``com.microsoft`` to tokens without padding, and what packs these.

The tokens of all sequences lie one after the other. How many are whose is data, unless they fill
all sequences or their lengths are given; without lengths nothing is taken to be padding, as in
every other operator.

Source: the descriptions of PackedAttention and PackedMultiHeadAttention in ONNX Runtime's
``docs/ContribOperators.md``; RemovePadding and RestorePadding as its pull request 13701 has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codesign.specs.onnx.graph.writer import Writer
from codesign.specs.onnx.spelling.attention import Heads, attend
from codesign.specs.onnx.spelling.microsoft_attention import ROLES


def spell_packed_projecting(write: Writer) -> None:
    """PackedAttention: the projections of queries, keys and values are one product."""
    count, (_, across) = int(write.attribute("num_heads")), write.shape(1)
    sizes = [int(size) for size in write.attribute("qkv_hidden_sizes", ())] or [across // 3] * 3
    if sum(sizes) != across or any(size % count for size in sizes):
        raise write.refused(f"{across} columns of weights are not {count} heads of {sizes}")
    lengths = _lengths(write, 3)
    projected = write.add("MatMul", [write.input(0), write.input(1)], "qkv")
    parts = write.split(projected, 1, sizes, [f"{role}.part" for role in ROLES])
    _attend_each(write, parts, count, lengths, bias=5)


def spell_packed_multi_head(write: Writer) -> None:
    """PackedMultiHeadAttention: queries, keys and values apart, or packed head by head."""
    tokens, *packed = write.shape(0)
    lengths = _lengths(write, 4)
    parts = [write.input(position) for position in range(3)]
    if len(packed) > 1:  # heads, 3, features
        alone = write.split(parts[0], 2, (1, 1, 1), [f"{role}.part" for role in ROLES])
        parts = [
            write.reshaped(part, (tokens, -1), f"{role}.rows")
            for part, role in zip(alone, ROLES, strict=True)
        ]
    _attend_each(write, parts, int(write.attribute("num_heads")), lengths, bias=6)


def _lengths(write: Writer, position: int) -> list[int]:
    """Tokens of each sequence, of which there are some.

    Parameters
    ----------
    position : int
        Of the places of tokens, as sequences × tokens; the lengths, summed up, stand behind them.
    """
    (tokens, *_), (count, longest) = write.shape(0), write.shape(position)
    summed = write.values.get(write.input(position + 1))
    if summed is not None:
        found = [int(length) for length in np.diff(summed.reshape(-1))]
        if (
            len(found) != count
            or sum(found) != tokens
            or not 0 <= min(found) <= max(found) <= longest
        ):
            raise write.refused(
                f"{tokens} tokens are not {count} sequences of {found}, at most {longest} each"
            )
        return [length for length in found if length]
    if tokens != count * longest:
        raise write.refused(
            f"how many of its {tokens} tokens belong to which of {count} sequences is data: "
            f"{write.input(position + 1)!r}; give its value, as in --input "
            f"{write.input(position + 1)}=0,…,{tokens}"
        )
    return [longest] * count


def _attend_each(
    write: Writer, parts: Sequence[str], count: int, lengths: Sequence[int], bias: int
) -> None:
    """Every sequence to itself; those that are all of one length together."""
    tokens = sum(lengths)
    if len({*lengths}) == 1:
        mask = _bias(write, bias, lengths)[0] if write.input(bias) else ""
        result = _attended(write, parts, count, (len(lengths), lengths[0]), mask)
        write.reshaped(result, (tokens, -1), "result", write.output(0))
        return
    each = [
        write.split(part, 0, lengths, [f"{role}.{n}" for n in range(len(lengths))])
        for part, role in zip(parts, ROLES, strict=True)
    ]
    masks = _bias(write, bias, lengths) if write.input(bias) else [""] * len(lengths)
    found = []
    for length, mask, *mine in zip(lengths, masks, *each, strict=True):
        result = _attended(write, mine, count, (1, length), mask)
        found.append(write.reshaped(result, (length, -1), "sequence"))
    write.add("Concat", found, "result", write.output(0), axis=0)


def _attended(
    write: Writer, parts: Sequence[str], count: int, sizes: tuple[int, int], mask: str
) -> str:
    """The weighted values, as sequences × tokens × heads × features."""
    rows = [
        write.reshaped(part, (*sizes, count, -1), f"{role}.split")
        for part, role in zip(parts, ROLES, strict=True)
    ]
    q, k, v = (
        write.transposed(row, (0, 2, 1, 3), role) for row, role in zip(rows, ROLES, strict=True)
    )
    heads = Heads(q, k, v, count, count, masks=(mask,) if mask else ())
    return write.transposed(attend(write, heads), (0, 2, 1, 3), "tokens")


def _bias(write: Writer, position: int, lengths: Sequence[int]) -> list[str]:
    """What is added to the products of each sequence, or of all where they are of one length."""
    bias, (images, _, rows, columns) = write.input(position), write.shape(position)
    alike = len({*lengths}) == 1
    if alike or images == 1:
        each = [bias] * (1 if alike else len(lengths))
    else:
        each = write.split(bias, 0, [1] * images, [f"bias.{n}" for n in range(images)])
        each = each[: len(lengths)]
    found = []
    for part, length in zip(each, lengths, strict=False):
        part = write.first(part, 2, length, rows, "bias.rows")
        found.append(write.first(part, 3, length, columns, "bias.columns"))
    return found


def spell_remove_padding(write: Writer) -> None:
    """RemovePadding: the tokens of all sequences, their places, their lengths summed up."""
    count, longest, features = write.shape(0)
    given = write.values.get(write.input(1))
    lengths = np.full(count, longest) if given is None else given.reshape(-1).astype(np.int64)
    if len(lengths) != count or lengths.min() < 0 or lengths.max() > longest:
        raise write.refused(f"{count} sequences of up to {longest} tokens are not of {lengths}")
    held = np.arange(longest) < lengths[:, None]
    at = np.concatenate([np.flatnonzero(held), np.flatnonzero(~held)])
    rows = write.reshaped(write.input(0), (count * longest, features), "rows")
    if held.all():
        write.add("Identity", [rows], "tokens", write.output(0))
    else:
        kept = write.constant(np.flatnonzero(held), "kept")
        write.add("Gather", [rows, kept], "tokens", write.output(0), axis=0)
    found = (
        at.reshape(count, longest),
        np.append(0, np.cumsum(lengths)),
        lengths.max(keepdims=True),
    )
    for position, array in enumerate(found, start=1):
        if write.output(position):
            made = write.constant(array.astype(np.int32), f"places{position}")
            write.add("Identity", [made], f"place{position}", write.output(position))


def spell_restore_padding(write: Writer) -> None:
    """RestorePadding: tokens where they were among the padding."""
    (tokens, features), (count, longest) = write.shape(0), write.shape(1)
    if tokens == count * longest:
        write.reshaped(write.input(0), (count, longest, features), "padded", write.output(0))
        return
    at = write.values.get(write.input(1))
    if at is None or at.size < tokens:
        raise write.refused(f"where its {tokens} tokens belong is data: {write.input(1)!r}")
    shape = write.constant(np.array([count * longest, features]), "shape")
    empty = write.add("ConstantOfShape", [shape], "empty")
    places = write.constant(at.reshape(-1)[:tokens, None].astype(np.int64), "places")
    kind = write.type_of(write.input(0))
    empty = write.add("Cast", [empty], "padding", to=kind) if kind else empty
    rows = write.add("ScatterND", [empty, places, write.input(0)], "rows")
    write.reshaped(rows, (count, longest, features), "padded", write.output(0))
