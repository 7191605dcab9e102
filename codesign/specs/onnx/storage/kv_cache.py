"""Tensors that outlast a run: earlier keys and values, behind which new ones are written.

A file has them as an input that is put in front of new data, and the whole as a result that layers
read as well. As two tensors, all of it would be copied for each token; kept as one, only what is
new is written (`codesign.specs.network.Network.cache`).
"""

from __future__ import annotations

from codesign.specs.onnx.storage.groups import ValueGroup


def earlier_operands(group: ValueGroup) -> frozenset[int]:
    """Positions of the operands of a concatenation that stay where they are.

    That is an input of the network, or a part of one, that nothing else reads, in a result of the
    network that some layer reads; or what is behind it in such a tensor, as room for more.
    """
    found = {n for n, operand in enumerate(group.operands) if _is_stored(operand, group)}
    if not found or group.constant_elements or len(group.operands) < 2:
        return frozenset()
    joined = _joined(group)
    if not any(each.is_output for each in joined):
        return frozenset()
    if len(found) == len(group.operands):
        found = {0}
    is_read = any(reader.kind != "concat" for each in joined for reader in each.readers)
    begins = 0 in found and is_read
    return frozenset(found) if begins or earlier_operands(group.operands[0]) else frozenset()


def _joined(group: ValueGroup) -> list[ValueGroup]:
    """A concatenation, and all that it is a part of."""
    found = [group] if group.node is not None and group.node.operator == "Concat" else []
    for each in found:  # it grows
        more = (reader for reader in each.readers if reader.kind == "concat")
        found += [reader for reader in more if reader not in found]
    return found


def _is_stored(operand: ValueGroup, reader: ValueGroup) -> bool:
    """Whether it is an input, or a slice of one that is only cut, and nothing else reads it."""
    if operand.is_output or operand.readers != [reader]:
        return False
    if operand.kind == "slice":
        (source,) = operand.operands
        cut = all(x.kind == "slice" for x in source.readers) and not source.is_output
        return source.kind == "input" and cut
    return operand.kind == "input"
