"""Products of an operand that is repeated, as layers that read it once.

An axis of a product along which only one operand takes steps is a loop of that operand alone,
whatever the file's shapes say: more rows where the weight operand repeats, more output channels
where the data do. So keys that eight heads of queries share are eight times the rows of one head.
What repeats along a contracted axis, or along an axis on which neither operand takes a step, no
layer expresses: there one of them is copied.

Windows see an image that is enlarged to its nearest neighbours without a copy, where the padding is
shared out as a layer takes it to be (`codesign.specs.layer.Layer.input_repetition`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from codesign.specs.layer import MOST_REPETITION, along
from codesign.specs.onnx.graph import operators
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.products.loops import Loops, Product, product
from codesign.specs.onnx.views.repetition import Axis, View, common_atoms, whole

Labelled = dict[str, Axis]  # the axes of an operand


def to_copy(graph: Graph, node: Node, views: Mapping[str, View]) -> tuple[str, ...]:
    """Which of a product's operands that are repeated must be copied: as few elements as can be."""
    operands = dict.fromkeys((node.input(0), operators.weights_of(node)))
    mine = [name for name in operands if name in views]
    every = [some for n in range(len(mine) + 1) for some in combinations(mine, n)]
    for some in sorted(every, key=lambda names: sum(graph.size(name) for name in names)):
        left = {name: view for name, view in views.items() if name not in some}
        if len(some) == len(mine) or repeated_product(graph, node, left) is not None:
            return some
    return ()


def repeated_product(graph: Graph, node: Node, views: Mapping[str, View]) -> Product | None:
    """The layer a product is where some operands are repeated; None where no layer is that."""
    data, weights = node.input(0), operators.weights_of(node)
    if node.operator in operators.CONVOLUTIONS:
        return None if weights in views else _enlarged(graph, node, views[data])
    labelled = _labelled(graph, node, views)
    if labelled is None:
        return None
    left, right, contracted = labelled
    if data in graph.constants:
        left, right, data, weights = right, left, weights, data
    sizes = {"G": 1, "K": 1, "C": 1, "P": 1}
    for label in {**left, **right}:
        atoms = common_atoms([left.get(label, ()), right.get(label, ())])
        if atoms is None:
            return None
        for size, (of_data, of_weights) in atoms:
            if not (of_data or of_weights) or (label in contracted and not of_data & of_weights):
                return None
            loop = "C" if label in contracted else _LOOPS[of_data, of_weights]
            sizes[loop] *= size
    return Product(Loops(**sizes, H=sizes["P"]), data, weights)


def _enlarged(graph: Graph, node: Node, view: View) -> Product | None:
    """A convolution of an image whose rows and columns are there several times each."""
    image = graph.shapes[node.input(0)]
    stored = [tuple((size, step) for size, step in axis if size > 1) for axis in view.axes]
    again = []
    for n, axis in enumerate(stored):
        at = next((at for at, (_, step) in enumerate(axis) if not step), len(axis))
        again.append(math.prod(size for size, _ in axis[at:]))
        stored[n] = axis[:at]
        if any(step for _, step in axis[at:]):
            return None
    each_once = math.prod(size for axis in stored for size, _ in axis) == graph.size(view.source)
    if not each_once or len(image) not in (3, 4):
        return None
    if again[:2] != [1, 1] or max(again) > MOST_REPETITION:
        return None
    found = product(graph, node, image)
    down, across = again[2], [*again, 1][3]
    given = found.loops
    loops = replace(
        given,
        H=given.H // down,
        W=given.W // across,
        input_repetition=down if down == across else (down, across),
    )
    alike = all(_begins_alike(node, loops, n, times) for n, times in enumerate(again[2:]))
    return replace(found, loops=loops) if alike else None


def _begins_alike(node: Node, loops: Loops, axis: int, times: int) -> bool:
    """Whether rows (0) or columns (1) lie under windows as a layer of these sizes takes them to.

    Padding before them may be as many whole rows more or fewer as are stored once.
    """
    outputs, stored, taps = ((loops.P, loops.H, loops.R), (loops.Q, loops.W, loops.S))[axis]
    reach = (taps - 1) * along(axis, loops.dilation) + 1
    covered = (outputs - 1) * along(axis, loops.stride) + reach
    zeros = max(covered - stored * times, 0)
    automatic = node.attributes.get("auto_pad", "NOTSET")
    before = zeros // 2
    if automatic == "SAME_LOWER":
        before = zeros - before
    elif automatic != "SAME_UPPER":
        before = int(node.attributes["pads"][axis]) if "pads" in node.attributes else 0
    return (before - zeros // 2) % times == 0


_LOOPS = {(True, True): "G", (True, False): "P", (False, True): "K"}


def _labelled(
    graph: Graph, node: Node, views: Mapping[str, View]
) -> tuple[Labelled, Labelled, str] | None:
    """The axes of both operands by a label each, and the labels of those that are contracted."""
    names = node.input(0), operators.weights_of(node)
    one, other = (
        views[name].axes if name in views else whole(graph.shapes[name]) for name in names
    )
    if node.operator == "Einsum":
        left, right, result = operators.einsum_labels(node)
        mine, theirs = dict(zip(left, one, strict=True)), dict(zip(right, other, strict=True))
        return mine, theirs, "".join({*left, *right} - {*result})
    if node.operator not in operators.MATMULS | operators.GEMMS:
        return None
    one = ((), *one) if len(one) == 1 else one
    other = (*other, ()) if len(other) == 1 else other
    one = _turned(one) if node.attributes.get("transA", 0) else one
    other = _turned(other) if node.attributes.get("transB", 0) else other
    batch = "".join(chr(ord("a") + n) for n in range(max(len(one), len(other)) - 2))
    left, right = (batch[len(batch) - len(axes) + 2 :] for axes in (one, other))
    mine = dict(zip(f"{left}PC", one, strict=True))
    theirs = dict(zip(f"{right}CK", other, strict=True))
    return _stretched(mine, theirs), _stretched(theirs, mine), "C"


def _turned(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    return (*axes[:-2], axes[-1], axes[-2])


def _stretched(mine: Labelled, theirs: Labelled) -> Labelled:
    """Axes with those of one position repeated as the other operand has them."""
    found = dict(mine)
    for label, axis in theirs.items():
        size = math.prod(count for count, _ in axis)
        if size > 1 and math.prod(count for count, _ in mine.get(label, ())) == 1:
            found[label] = ((size, 0),)
    return found
