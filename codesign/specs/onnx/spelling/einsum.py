"""Spells an einsum out: sums over one operand alone, and products of two operands at a time.

A term has a letter for each axis; an ellipsis stands for axes that are aligned from the last one
back. Sizes of 1 are repeated where another operand has more. Source: ONNX, operator Einsum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from string import ascii_letters

from codesign.specs.onnx.graph.writer import NotSpeltError, Writer

MOST_OPERANDS = 6  # of which every order is tried


@dataclass(frozen=True)
class _Operand:
    """A value and the label of each of its axes."""

    value: str
    labels: str


def spell_einsum(write: Writer) -> None:
    """Products of two operands, in the order of fewest; one that is such a product stays."""
    operands, result, sizes = _read(write)
    equation = ",".join(x.labels for x in operands) + f"->{result}"
    written = str(write.attribute("equation")).replace(" ", "")
    operands = [_cut(write, n, x, result, operands, sizes) for n, x in enumerate(operands)]
    same = all(x.value == name for x, name in zip(operands, write.node.input, strict=True))
    if len(operands) == 2 and equation == written and same and all(x.labels for x in operands):
        raise NotSpeltError
    scalars = [x.value for x in operands if not x.labels]
    rest = [x for x in operands if x.labels]
    last = write.output(0) if not scalars else ""
    found = _multiplied(write, rest, result, sizes, last) if rest else scalars.pop()
    for number, scalar in enumerate(scalars, start=1):
        output = write.output(0) if number == len(scalars) else ""
        found = write.add("Mul", [found, scalar], f"scaled{number}", output)
    if not rest and not scalars:
        write.add("Identity", [found], "sum", write.output(0))


def _read(write: Writer) -> tuple[list[_Operand], str, dict[str, int]]:
    """Operands and result with a letter for each axis, and the size of each letter."""
    equation = str(write.attribute("equation")).replace(" ", "")
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    shapes = [write.shape(n) for n in range(len(write.node.input))]
    if len(terms) != len(shapes) or len(terms) > MOST_OPERANDS:
        raise write.refused(
            f"{equation!r} of {len(shapes)} operands; give one term for each of at most "
            f"{MOST_OPERANDS}"
        )
    free = [letter for letter in ascii_letters if letter not in equation]
    hidden = [len(s) - len(t.replace("...", "")) for s, t in zip(shapes, terms, strict=True)]
    fill = "".join(
        free[: max(0, *(h for h, t in zip(hidden, terms, strict=True) if "..." in t), 0)]
    )
    full = [
        term.replace("...", fill[len(fill) - max(count, 0) :])
        for term, count in zip(terms, hidden, strict=True)
    ]
    if not arrow:
        once = sorted(x for x in {*left} if x.isalpha() and left.count(x) == 1)
        result = "..." * bool(fill) + "".join(once)
    result = result.replace("...", fill)
    sizes: dict[str, int] = {}
    for term, shape in zip(full, shapes, strict=True):
        if len(term) != len(shape) or not all(x.isalpha() for x in term):
            raise write.refused(f"{equation!r} does not fit an operand of {len(shape)} axes")
        if len({*term}) < len(term):
            raise write.refused(f"{equation!r} takes a diagonal; only whole axes are supported")
        for label, size in zip(term, shape, strict=True):
            if size != 1 and sizes.get(label, 1) not in (1, size):
                raise write.refused(f"{equation!r}: axis {label!r} of {sizes[label]} and {size}")
            sizes[label] = max(size, sizes.get(label, 1))
    if len({*result}) < len(result) or not {*result} <= {*sizes}:
        raise write.refused(f"{equation!r}: each axis of the result is one of an operand, once")
    values = write.node.input
    return [_Operand(v, t) for v, t in zip(values, full, strict=True)], result, sizes


def _cut(
    write: Writer,
    number: int,
    operand: _Operand,
    result: str,
    operands: Sequence[_Operand],
    sizes: Mapping[str, int],
) -> _Operand:
    """An operand without axes that are only repeated, and summed over those that it alone has."""
    value, labels = operand.value, operand.labels
    shape = dict(zip(labels, write.shape(number), strict=True))
    kept = "".join(x for x in labels if shape[x] == sizes[x])
    if kept != labels:
        value = write.reshaped(value, [shape[x] for x in kept], f"operand{number}")
    others = {*result}.union(*(x.labels for n, x in enumerate(operands) if n != number))
    alone = [axis for axis, label in enumerate(kept) if label not in others]
    if alone:
        value = write.summed(value, alone, f"sum{number}")
    return _Operand(value, "".join(x for x in kept if x in others))


def _multiplied(
    write: Writer,
    operands: Sequence[_Operand],
    result: str,
    sizes: Mapping[str, int],
    output: str,
) -> str:
    """The product of all operands, two at a time, in the cheapest order."""
    waiting = dict(enumerate(operands))
    steps = _cheapest(tuple(x.labels for x in operands), result, sizes)[1]
    if len(operands) > 2:
        write.remarks.append(
            f"einsum {write.node.name!r} multiplies {len(operands)} operands two at a time, in the "
            "order of fewest products"
        )
    if not steps:
        (only,) = waiting.values()
        order = [only.labels.index(label) for label in result]
        return write.transposed(only.value, order, "ordered", output)
    for number, (one, other) in enumerate(steps):
        left, right = waiting.pop(one), waiting.pop(other)
        final = not waiting
        labels = (
            result if final else _left_over(left.labels, right.labels, waiting.values(), result)
        )
        value = write.add(
            "Einsum",
            [left.value, right.value],
            "" if final else f"product{number + 1}",
            output if final else "",
            equation=f"{left.labels},{right.labels}->{labels}",
        )
        waiting[len(operands) + number] = _Operand(value, labels)
    return value


def _left_over(left: str, right: str, others: Iterable[_Operand], result: str) -> str:
    """Labels of a product: those that the result or another operand has."""
    wanted = {*result}.union(*(x.labels for x in others))
    return "".join(dict.fromkeys(x for x in left + right if x in wanted))


def _cheapest(
    terms: tuple[str, ...], result: str, sizes: Mapping[str, int]
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The fewest products, and which two operands to multiply, step by step.

    Products are numbered on from the operands.
    """

    @cache
    def best(
        left: frozenset[tuple[int, frozenset[str]]], number: int
    ) -> tuple[int, tuple[tuple[int, int], ...]]:
        if len(left) < 2:
            return 0, ()
        found = []
        for (i, one), (j, other) in combinations(sorted(left, key=lambda x: x[0]), 2):
            others = left - {(i, one), (j, other)}
            wanted = frozenset(result).union(*(x for _, x in others))
            cost, steps = best(others | {(number, (one | other) & wanted)}, number + 1)
            products = math.prod(sizes[x] for x in one | other)
            found.append((products + cost, ((i, j), *steps)))
        return min(found)

    return best(frozenset((n, frozenset(x)) for n, x in enumerate(terms)), len(terms))
