"""Operators that are several plain ones, spelt out in these before anything else is read of them.

A rule writes the plain nodes of one operator. It refuses what it cannot read, in one line; while a
shape that it needs is not known, the operator stays and its turn comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onnx import ModelProto, NodeProto

from codesign.specs.onnx import microsoft_fusions as fusions
from codesign.specs.onnx.attention import spell_attention
from codesign.specs.onnx.constant_folding import Known
from codesign.specs.onnx.file import STANDARD_DOMAINS
from codesign.specs.onnx.graph import Shape
from codesign.specs.onnx.microsoft_attention import (
    spell_group_query,
    spell_multi_head,
    spell_projecting,
    spell_quantised_projecting,
)
from codesign.specs.onnx.operators import MS, RECURRENT
from codesign.specs.onnx.recurrent import spell_recurrent
from codesign.specs.onnx.writer import NotSpeltError, Writer

Rule = Callable[[Writer], None]

RULES: dict[str, Rule] = {
    "Attention": spell_attention,
    MS + "Attention": spell_projecting,
    MS + "QAttention": spell_quantised_projecting,
    MS + "MultiHeadAttention": spell_multi_head,
    MS + "GroupQueryAttention": spell_group_query,
    MS + "LayerNormalization": fusions.spell_normalisation,
    MS + "SimplifiedLayerNormalization": fusions.spell_normalisation,
    MS + "SkipLayerNormalization": fusions.spell_skip_normalisation,
    MS + "SkipSimplifiedLayerNormalization": fusions.spell_skip_normalisation,
    MS + "SkipGroupNorm": fusions.spell_skip_group_norm,
    MS + "EmbedLayerNormalization": fusions.spell_embedding,
    MS + "BiasSplitGelu": fusions.spell_split_gelu,
    MS + "GemmFastGelu": fusions.spell_gemm_gelu,
    MS + "FusedMatMul": fusions.spell_batch_transposed,
    MS + "FusedMatMulActivation": fusions.spell_batch_transposed,
    MS + "NhwcConv": fusions.channels_last("Conv"),
    MS + "NhwcFusedConv": fusions.channels_last("Conv", residual=3),
    MS + "NhwcMaxPool": fusions.channels_last("MaxPool"),
    MS + "QLinearConv": fusions.spell_quantised_convolution,
    MS + "QLinearAveragePool": fusions.spell_quantised_pooling,
}
RULES |= dict.fromkeys(RECURRENT, spell_recurrent)


def spell_out(
    proto: ModelProto,
    shapes: Mapping[str, Shape],
    types: Mapping[str, int],
    known: Known,
) -> tuple[bool, tuple[str, ...]]:
    """Replace, in place, every operator that has a rule and whose operands' shapes are known.

    Returns
    -------
    tuple of bool and tuple of str
        Whether there was one, and what the rules remark.

    Raises
    ------
    SpecError
        An operator that its rule cannot read.
    """
    graph = proto.graph
    turns = [number for number, node in enumerate(graph.node) if operator_of(node) in RULES]
    if not turns:
        return False, ()
    taken = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    written = {
        number: _spelt(proto, graph.node[number], shapes, types, known, taken) for number in turns
    }
    remarks = tuple(text for found in written.values() if found for text in found.remarks)
    if not any(written.values()):
        return False, ()
    nodes: list[NodeProto] = []
    for number, node in enumerate(graph.node):
        found = written.get(number)
        nodes += found.nodes if found else [node]
    copies = ModelProto()  # nodes of a graph are lost where it is cleared
    copies.graph.node.extend(nodes)
    del graph.node[:]
    graph.node.extend(copies.graph.node)
    return True, remarks


def operator_of(node: NodeProto) -> str:
    """Its type, with its domain before it unless that is ONNX's own."""
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def _spelt(
    proto: ModelProto,
    node: NodeProto,
    shapes: Mapping[str, Shape],
    types: Mapping[str, int],
    known: Known,
    taken: set[str],
) -> Writer | None:
    """The nodes that stand in for an operator; None if it has to wait."""
    write = Writer(proto, node, shapes, types, known, taken)
    try:
        RULES[operator_of(node)](write)
    except NotSpeltError:
        return None
    return write
