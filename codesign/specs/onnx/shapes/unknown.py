"""What is said of operators that are not known, and which of them surely multiply.

Those that only compute element by element, or move data, may be left out of account if that is
asked for. Of one that multiplies that would lose products, which are what a network is priced by;
it is told by its name, or by what it reads: a matrix of constants. The names are those of operators
with a product of matrices, a convolution, or coefficients of their own in ONNX (Operators.md,
Operators-ml.md) and in the domain ``com.microsoft`` of ONNX Runtime (ContribOperators.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from codesign.errors import SpecError, first_few
from codesign.specs.onnx.graph.graph import Graph, Node
from codesign.specs.onnx.graph.operators import is_known
from codesign.specs.onnx.shapes.undecided import check_complete
from codesign.specs.onnx.spelling.rules import RULES

MOST_NAMES = 10
# Words in the last part of a name: MatMulNBits, NhwcFusedConv, GroupQueryAttention, my_linear.
PRODUCTS = re.compile(
    r"(?i:attention|conv(?!ert)|gemm(?!a)|matmul|einsum|(?<!q)linear|dense(?!to)|fullyconnected|"
    r"innerproduct|relativepositionbias|beamsearch|greedysearch|hyperconnection|mamba|deltanet)|"
    r"LSTM|GRU|RNN|MoE(?!GroupRouter)|SVM|CDist|DFT|STFT|I?[Rr]fft|Proj$|^Sampling$"
)


def check_operators(graph: Graph, ignore: bool) -> tuple[str, ...]:
    """Refuse operators that are not known; if ``ignore``, what is assumed of them, in a sentence.

    Raises
    ------
    SpecError
        There are some, or shapes that depend on data.
    """
    unknown = [node for node in graph.nodes if not is_known(node, graph)]
    if not unknown:
        return ()
    if any(node.operator in RULES for node in unknown):  # it waits for a shape
        check_complete(graph)
    multiply = [node for node in unknown if _multiplies(graph, node)]
    others = [node for node in unknown if node not in multiply]
    if not ignore:
        if not any("." in node.operator for node in unknown):  # ONNX knows the shapes of its own
            check_complete(graph)
        raise SpecError(_refusal(graph, multiply, others))
    found = []
    if multiply:
        found.append(
            f"unknown operators that multiply: {_counted(multiply)}: taken to multiply nothing, so "
            f"that {_lost(graph, multiply)} missing from every figure"
        )
    if others:
        found.append(
            f"unknown operators: {_counted(others)}: taken to multiply nothing, to keep data of "
            "the same size in place and to move others"
        )
    return tuple(found)


def _refusal(graph: Graph, multiply: Sequence[Node], others: Sequence[Node]) -> str:
    if not multiply:
        return (
            f"unknown operators: {_counted(others)}; with --ignore-unknown (ignore_unknown=True) "
            "they are taken to keep or to move their data: what they compute takes no time"
        )
    beside = f" (and others that do not: {_counted(others)})" if others else ""
    return (
        f"unknown operators that multiply: {_counted(multiply)}{beside}; left out, "
        f"{_lost(graph, multiply)} missing from every figure: export them as operators that "
        "codesign help onnx names"
    )


def _counted(nodes: Sequence[Node]) -> str:
    """Operators by name, each with how many nodes there are."""
    counts = sorted(Counter(node.operator for node in nodes).items())
    return first_few([f"{operator} ({count})" for operator, count in counts], MOST_NAMES)


def _lost(graph: Graph, nodes: Sequence[Node]) -> str:
    """What a network without these operators lacks, and the verb."""
    matrices = dict.fromkeys(name for node in nodes for name in _matrices(graph, node))
    weights = sum(graph.size(name) for name in matrices)
    return f"their products and {weights:,} weights are" if weights else "their products are"


def _multiplies(graph: Graph, node: Node) -> bool:
    word = node.operator.rpartition(".")[2]
    return bool(PRODUCTS.search(word)) or bool(_matrices(graph, node))


def _matrices(graph: Graph, node: Node) -> list[str]:
    """The constants it reads that vary along two axes or more, and are no indices."""
    found = []
    for name in node.inputs:
        if name in graph.constants and name in graph.shapes:
            known = graph.known.get(name)
            indices = known is not None and known.dtype.kind not in "fV" and known.itemsize > 1
            if sum(size > 1 for size in graph.shapes[name]) > 1 and not indices:
                found.append(name)
    return found
