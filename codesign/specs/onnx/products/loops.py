"""The loops of a layer, from the shapes of a node's operands and result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from codesign.errors import SpecError
from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node, Shape
from codesign.specs.onnx.products.volumes import Axis, plane

PerAxis = int | tuple[int, int]


@dataclass(frozen=True)
class Loops:
    """Loop bounds of a layer, as in `codesign.specs.network`."""

    K: int
    C: int
    N: int = 1
    G: int = 1
    P: int = 1
    Q: int = 1
    R: int = 1
    S: int = 1
    H: int = 1
    W: int = 1
    stride: PerAxis = 1
    dilation: PerAxis = 1
    input_dilation: PerAxis = 1
    input_repetition: PerAxis = 1


@dataclass(frozen=True)
class Product:
    """A layer that multiplies: its loops, which operand is data, and which the weights."""

    loops: Loops
    data: str
    weights: str


def product(graph: Graph, node: Node, image: Shape) -> Product:
    """The layer a multiplying node is.

    Parameters
    ----------
    image : tuple of int
        Shape of its first operand as stored, without padding.

    Raises
    ------
    SpecError
        A convolution that the cost model has no loops for.
    """
    data, weights = node.input(0), operators.weights_of(node)
    if node.operator in operators.CONVOLUTIONS | operators.TRANSPOSED:
        transposed = node.operator in operators.TRANSPOSED
        return Product(_convolution(graph, node, image, weights, transposed), data, weights)
    if node.operator == "Einsum":
        one, other = (graph.shapes[name] for name in (data, weights))
        return _einsum(graph, node, one, other, data, weights)
    if node.operator in operators.PACKED:
        return Product(_packed_product(graph, node, data, weights), data, weights)
    return _matmul(graph, node, data, weights)


def _packed_product(graph: Graph, node: Node, data: str, weights: str) -> Loops:
    """Rows of data by constant columns whose number stands in the attributes."""
    rows, across = graph.shapes[data], (int(node.attributes["K"]), int(node.attributes["N"]))
    if weights not in graph.constants or rows[-1] != across[0]:
        raise SpecError(
            f"node {node.name!r} ({node.operator}): packed weights are constant and have as many "
            f"rows as the data have features, {rows[-1]}, not {across[0]}"
        )
    return _batched_product(rows if len(rows) > 1 else (1, *rows), across, owns_weights=True)


def _convolution(graph: Graph, node: Node, image: Shape, weights: str, transposed: bool) -> Loops:
    """Rows are the first dimension; of three and more, see `codesign.specs.onnx.products.volumes`.

    A transposed one is computed as an ordinary one over the zero-inserted image: its stride is the
    distance of the image's elements, and each result is a sum over a whole kernel.
    """
    kernel, result = graph.shapes[weights], graph.shapes[node.outputs[0]]
    groups = int(node.attributes.get("group", 1))
    across, per_group = (kernel[1], kernel[0] // groups) if transposed else (kernel[0], kernel[1])
    channels = kernel[0] if transposed else per_group * groups
    if image[1] != channels:
        raise SpecError(
            f"node {node.name!r} ({node.operator}): an image of {image[1]} channels, but weights "
            f"for {channels}"
        )
    found = plane(axes(node, image, kernel, result))
    rows, columns = found.rows, found.columns
    return Loops(
        N=image[0] * found.images,
        G=groups,
        K=across if transposed else across // groups,
        C=per_group,
        P=rows.outputs,
        Q=columns.outputs,
        R=rows.taps,
        S=columns.taps,
        H=rows.stored,
        W=columns.stored,
        stride=_pair(rows.stride, columns.stride),
        dilation=_pair(rows.dilation, columns.dilation),
        input_dilation=_pair(rows.inserted, columns.inserted),
    )


def axes(node: Node, image: Shape, kernel: Shape, result: Shape) -> list[Axis]:
    """What a convolution does along each axis of an image as stored."""
    rank, transposed = len(kernel) - 2, node.operator in operators.TRANSPOSED
    strides = node.attributes.get("strides", [1] * rank)
    dilations = node.attributes.get("dilations", [1] * rank)
    return [
        Axis(
            outputs=result[n],
            stored=image[n],
            taps=kernel[n],
            stride=1 if transposed else int(strides[n - 2]),
            dilation=int(dilations[n - 2]),
            inserted=int(strides[n - 2]) if transposed else 1,
        )
        for n in range(2, rank + 2)
    ]


def _pair(vertical: int, horizontal: int) -> PerAxis:
    return vertical if vertical == horizontal else (vertical, horizontal)


def _matmul(graph: Graph, node: Node, one: str, other: str) -> Product:
    """A product of matrices, batches of which are groups, images, or more rows."""
    a, b = graph.shapes[one], graph.shapes[other]
    a = (1, *a) if len(a) == 1 else a
    b = (*b, 1) if len(b) == 1 else b
    a = _transposed(a) if node.attributes.get("transA", 0) else a
    b = _transposed(b) if node.attributes.get("transB", 0) else b
    if one in graph.constants:  # y = A·x is yᵀ = xᵀ·Aᵀ
        one, other, a, b = other, one, _transposed(b), _transposed(a)
    if a[-1] != b[-2]:
        raise SpecError(
            f"node {node.name!r} ({node.operator}): rows of {a[-1]} do not fit columns of {b[-2]}"
        )
    return Product(_batched_product(a, b, other in graph.constants), one, other)


def _transposed(shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2])


def _batched_product(a: Shape, b: Shape, owns_weights: bool) -> Loops:
    """Rows of ``a`` by columns of ``b``.

    A batch dimension of both is a group, of ``a`` alone more rows, of ``b`` alone more columns.
    The rows of the first dimension are images where the weights are constant.
    """
    rank = max(len(a), len(b)) - 2
    batch_a = (1,) * (rank + 2 - len(a)) + a[:-2]
    batch_b = (1,) * (rank + 2 - len(b)) + b[:-2]
    sizes = list(zip(batch_a, batch_b, strict=True))
    rows = [x for x, y in sizes if y == 1] + [a[-2]]
    plain = owns_weights and not any(y > 1 for _, y in sizes)
    images = rows[0] if plain and (len(a) == 2 or len(rows) > 1) else 1
    P = math.prod(rows) // images
    return Loops(
        N=images,
        G=math.prod(x for x, y in sizes if x > 1 and y > 1),
        K=b[-1] * math.prod(y for x, y in sizes if x == 1),
        C=a[-1],
        P=P,
        H=P,
    )


def _einsum(graph: Graph, node: Node, one: Shape, other: Shape, data: str, weights: str) -> Product:
    """A contraction of two operands, label by label."""
    left, right, result = operators.einsum_labels(node)
    sizes = dict(zip(left, one, strict=True)) | dict(zip(right, other, strict=True))
    if data in graph.constants:
        left, right, data, weights = right, left, weights, data

    def count(labels: Sequence[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    rows = [label for label in left if label not in right]
    images = sizes[rows[0]] if weights in graph.constants and rows and left[0] == rows[0] else 1
    P = count(rows) // images
    loops = Loops(
        N=images,
        G=count([label for label in left if label in right and label in result]),
        K=count([label for label in right if label not in left]),
        C=count([label for label in left if label in right and label not in result]),
        P=P,
        H=P,
    )
    return Product(loops, data, weights)


def movement(source: Shape, result: Shape) -> Loops:
    """Reads all of one shape, writes all of another; images are counted where both have them."""
    images = source[0] if len(source) > 1 and source[:1] == result[:1] else 1
    C, H, W = _planes(source, images)
    K, P, Q = _planes(result, images)
    return Loops(N=images, K=K, C=C, P=P, Q=Q, H=H, W=W)


def _planes(shape: Shape, images: int) -> tuple[int, int, int]:
    """Channels, rows and columns that make up ``1 / images`` of a shape."""
    rest = math.prod(shape) // images
    if len(shape) < 4:
        return rest, 1, 1
    columns, rows = shape[-1], shape[-2]
    return rest // (rows * columns), rows, columns
