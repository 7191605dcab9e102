"""Operators that are several plain ones, spelt out in these before anything else is read of them.

A rule writes the plain nodes of one operator. It refuses what it cannot read, in one line; while a
shape that it needs is not known, the operator stays and its turn comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onnx import ModelProto, NodeProto

from codesign.specs.onnx.control import sequences
from codesign.specs.onnx.control.bodies import is_set_aside
from codesign.specs.onnx.control.control_flow import spell_if, spell_loop, spell_scan
from codesign.specs.onnx.graph.constant_folding import Known
from codesign.specs.onnx.graph.file import STANDARD_DOMAINS
from codesign.specs.onnx.graph.graph import Shape
from codesign.specs.onnx.graph.operators import MS, OWN, RECURRENT
from codesign.specs.onnx.graph.scopes import names
from codesign.specs.onnx.graph.writer import Lists, NotSpeltError, Taken, Writer
from codesign.specs.onnx.spelling import fourier, packed_tokens
from codesign.specs.onnx.spelling import microsoft_fusions as fusions
from codesign.specs.onnx.spelling.attention import spell_attention, spell_cache_update
from codesign.specs.onnx.spelling.deformable import spell_deformable
from codesign.specs.onnx.spelling.einsum import spell_einsum
from codesign.specs.onnx.spelling.experts import spell_experts
from codesign.specs.onnx.spelling.microsoft_attention import (
    spell_group_query,
    spell_multi_head,
    spell_projecting,
    spell_quantised_projecting,
)
from codesign.specs.onnx.spelling.recurrent import spell_recurrent

Rule = Callable[[Writer], None]

RULES: dict[str, Rule] = {
    "Attention": spell_attention,
    "TensorScatter": spell_cache_update,
    "DeformConv": spell_deformable,
    "Einsum": spell_einsum,
    "DFT": fourier.spell_transform,
    "STFT": fourier.spell_short_time,
    MS + "Rfft": fourier.spell_real_transform,
    MS + "Irfft": fourier.spell_real_inverse,
    MS + "Attention": spell_projecting,
    MS + "QAttention": spell_quantised_projecting,
    MS + "MultiHeadAttention": spell_multi_head,
    MS + "GroupQueryAttention": spell_group_query,
    MS + "PackedAttention": packed_tokens.spell_packed_projecting,
    MS + "PackedMultiHeadAttention": packed_tokens.spell_packed_multi_head,
    MS + "RemovePadding": packed_tokens.spell_remove_padding,
    MS + "RestorePadding": packed_tokens.spell_restore_padding,
    MS + "MoE": spell_experts,
    MS + "LayerNormalization": fusions.spell_normalisation,
    MS + "SimplifiedLayerNormalization": fusions.spell_normalisation,
    MS + "SkipLayerNormalization": fusions.spell_skip_normalisation,
    MS + "SkipSimplifiedLayerNormalization": fusions.spell_skip_normalisation,
    MS + "SkipGroupNorm": fusions.spell_skip_group_norm,
    MS + "EmbedLayerNormalization": fusions.spell_embedding,
    MS + "GatherBlockQuantized": fusions.spell_packed_rows,
    MS + "BiasSplitGelu": fusions.spell_split_gelu,
    MS + "GemmFastGelu": fusions.spell_gemm_gelu,
    MS + "FusedMatMul": fusions.spell_batch_transposed,
    MS + "FusedMatMulActivation": fusions.spell_batch_transposed,
    MS + "NhwcConv": fusions.channels_last("Conv"),
    MS + "NhwcFusedConv": fusions.channels_last("Conv", residual=3),
    MS + "NhwcMaxPool": fusions.channels_last("MaxPool"),
    MS + "QLinearConv": fusions.spell_quantised_convolution,
    MS + "QLinearAveragePool": fusions.spell_quantised_pooling,
    f"{OWN}If": spell_if,
    f"{OWN}Loop": spell_loop,
    f"{OWN}Scan": spell_scan,
    f"{OWN}SequenceMap": sequences.spell_map,
    f"{OWN}SequenceConstruct": sequences.spell_list,
    f"{OWN}SequenceEmpty": sequences.spell_list,
    f"{OWN}SequenceInsert": sequences.spell_insert,
    f"{OWN}SequenceErase": sequences.spell_erase,
    f"{OWN}SequenceAt": sequences.spell_at,
    f"{OWN}SequenceLength": sequences.spell_length,
    f"{OWN}ConcatFromSequence": sequences.spell_concatenation,
    f"{OWN}SplitToSequence": sequences.spell_split,
    f"{OWN}Optional": sequences.spell_optional,
    f"{OWN}OptionalHasElement": sequences.spell_has_element,
    f"{OWN}OptionalGetElement": sequences.spell_get_element,
}
RULES |= dict.fromkeys(RECURRENT, spell_recurrent)


def spell_out(
    proto: ModelProto,
    shapes: Mapping[str, Shape],
    types: Mapping[str, int],
    known: Known,
    lists: Lists | None = None,
) -> tuple[bool, tuple[str, ...]]:
    """Replace, in place, every operator that has a rule and whose operands' shapes are known.

    Constants that are written are added to ``known``, sequences that are found to ``lists``.

    Returns
    -------
    tuple of bool and tuple of str
        Whether there was one, and what the rules remark.

    Raises
    ------
    SpecError
        An operator that its rule cannot read.
    """
    graph, lists = proto.graph, Lists() if lists is None else lists
    if all(_rule(node, lists) is None for node in graph.node):
        return False, ()
    taken = Taken(
        {name for node in graph.node for name in names(node)}, {node.name for node in graph.node}
    )
    written: dict[int, Writer | None] = {}
    count = len(graph.node)
    for number, node in enumerate(graph.node):
        rule = _rule(node, lists)
        if rule is not None:
            write = Writer(proto, node, shapes, types, known, taken, lists, count)
            written[number] = write if _spelt(rule, write) else None
            count += len(write.nodes)
    remarks = tuple(text for found in written.values() if found for text in found.remarks)
    if not any(written.values()):
        return False, ()
    nodes: list[NodeProto] = []
    for number, node in enumerate(graph.node):
        found = written.get(number)
        nodes += found.nodes if found else [node]
    sequences.open_results(graph, lists)
    copies = ModelProto()  # nodes of a graph are lost where it is cleared
    copies.graph.node.extend(nodes)
    del graph.node[:]
    graph.node.extend(copies.graph.node)
    return True, remarks


def operator_of(node: NodeProto) -> str:
    """Its type, with its domain before it unless that is ONNX's own."""
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def _rule(node: NodeProto, lists: Lists) -> Rule | None:
    """The rule of an operator, if it has one."""
    if node.op_type == "Identity" and lists.holds(node.input[0]):
        return sequences.spell_same
    return RULES.get(operator_of(node))


def _spelt(rule: Rule, write: Writer) -> bool:
    """Whether an operator's turn has come; its nodes are written then."""
    try:
        rule(write)
    except NotSpeltError:
        return False
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        if write.node.domain in STANDARD_DOMAINS and not is_set_aside(write.node):
            raise  # ONNX's inference has looked at it
        raise write.refused("its operands, attributes and bodies do not fit together") from None
    return True
