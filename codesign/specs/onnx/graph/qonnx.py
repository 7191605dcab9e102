"""Quantisers of QONNX: nodes that round and clip floating-point data and state their width.

Source: the operators' pages under ``docs/qonnx-custom-ops`` of QONNX (fastmachinelearning/qonnx,
versions 1 and 2), and the names of data types in its ``core/datatype.py``. Brevitas writes these
nodes, FINN and hls4ml read them; older files have other domains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from codesign.errors import SpecError
from codesign.specs.onnx.graph.graph import Graph, Node

Array = npt.NDArray[Any]

DOMAINS = ("qonnx.custom_op.general.", "finn.custom_op.general.", "onnx.brevitas.")
INTEGER = ("Quant", "IntQuant")  # the older name and the newer
KINDS = (*INTEGER, "BipolarQuant", "FloatQuant", "MultiThreshold", "Trunc")
OPERATORS = frozenset(domain + kind for domain in DOMAINS for kind in KINDS)
KEEP_ZERO = OPERATORS - {x + kind for x in DOMAINS for kind in ("BipolarQuant", "MultiThreshold")}
ANNOTATION = "finn_datatype"  # the key of a type that a file notes of a value
DATATYPE = re.compile(r"(?:U?INT|FIXED<|SCALEDINT<)(\d+)(?:,-?\d+)?>?")
NAMED = {"BINARY": 1, "BIPOLAR": 1, "TERNARY": 2}
ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


def kind(node: Node) -> str:
    """The quantiser's name without its domain; empty for any other operator."""
    return node.operator.rpartition(".")[2] if node.operator in OPERATORS else ""


def stated_bits(graph: Graph, node: Node) -> int | None:
    """Integer width of what a quantiser writes, the widest if it states several; None: it has none.

    Raises
    ------
    SpecError
        A width that is no whole number of bits, or depends on data.
    """
    role = kind(node)
    if role == "BipolarQuant":
        return 1
    if role == "MultiThreshold":
        return datatype_bits(str(node.attributes.get("out_dtype", "")))
    if role not in (*INTEGER, "Trunc"):
        return None
    value = node.input(len(node.inputs) - 1 if role == "Trunc" else 3)
    stated = graph.known.get(value)
    if stated is None or stated.size == 0 or stated.dtype.kind not in "fiu":
        raise SpecError(f"node {node.name!r} ({node.operator}): its bit width is no small constant")
    widest = float(stated.max())
    if not (stated == np.rint(stated)).all() or stated.min() < 1:
        raise SpecError(
            f"node {node.name!r} ({node.operator}): a bit width of {widest:g}; a whole number of "
            "bits, 1 or more, would be right"
        )
    return int(widest)


def datatype_bits(name: str) -> int | None:
    """Width of an integer or fixed-point type by its name in QONNX: INT4, BIPOLAR, FIXED<8,3>."""
    found = DATATYPE.fullmatch(name.replace(" ", ""))
    return int(found[1]) if found else NAMED.get(name)


def quantised(node: Node, given: Sequence[Array]) -> Array:
    """What a quantiser makes of constants, still in floating point.

    Raises
    ------
    SpecError
        A rounding mode that is not one of QONNX, or what weights have no use for.
    """
    role, values = kind(node), [np.asarray(array, np.float64) for array in given]
    if role == "BipolarQuant":
        signs: Array = np.where(values[0] >= 0, 1.0, -1.0)
        return signs * values[1]
    if role in INTEGER:
        return _integers(node, *values[:4])
    if role == "FloatQuant":
        return _small_floats(node, *values[:6])
    raise SpecError(f"made by {node.operator}, which cannot be computed here")


def _rounded(node: Node, array: Array) -> Array:
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ROUNDINGS:
        raise SpecError(f"{node.operator} rounds by {mode!r}; QONNX has {', '.join(ROUNDINGS)}")
    return ROUNDINGS[mode](array)


def _integers(node: Node, array: Array, scale: Array, zero: Array, bits: Array) -> Array:
    signed, narrow = (bool(node.attributes.get(x, d)) for x, d in (("signed", 1), ("narrow", 0)))
    codes = array / scale + zero
    if signed and (bits == 1).all():  # as QONNX has it: the two levels of BipolarQuant
        codes = np.where(codes >= 0, 1.0, -1.0)
    else:
        least = -(2 ** (bits - 1)) + narrow if signed else 0 * bits
        most = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        codes = _rounded(node, np.clip(codes, least, most))
    found: Array = (codes - zero) * scale
    return found


def _small_floats(
    node: Node,
    array: Array,
    scale: Array,
    exponent_bits: Array,
    mantissa_bits: Array,
    bias: Array,
    most: Array,
) -> Array:
    """Mantissas of so many bits behind the leading one, fewer below the least exponent."""
    scaled = array / scale
    exponents = np.frexp(scaled)[1] - 1
    steps = np.exp2(np.maximum(exponents, 1 - bias) - mantissa_bits)
    largest = (2 - np.exp2(-mantissa_bits)) * np.exp2(np.exp2(exponent_bits) - 1 - bias)
    largest = np.minimum(largest, most)
    clipped: Array = np.clip(_rounded(node, scaled / steps) * steps, -largest, largest)
    return clipped * scale
