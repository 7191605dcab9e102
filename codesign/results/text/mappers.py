"""Text of a design as a mapper has it: each layer's DRAM traffic, and where the models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType

from codesign.results.text.layout import columns_table, counted, short
from codesign.results.text.phrases import remark
from codesign.units import ABSENT


def layers_parts(record: Mapping[str, Any], tool: str) -> list[RenderableType]:
    """A row for each layer, then the causes of what differs, each with its layers."""
    layers: Sequence[Mapping[str, Any]] = record["layers"]
    ours = [sum(x["dram_bits"].values()) for x in layers]
    theirs = [x["their_dram_bits"] and sum(x["their_dram_bits"].values()) for x in layers]
    columns: list[tuple[str, Sequence[RenderableType]]] = [
        ("~layer", [short(x["layer"]) for x in layers]),
        ("parts", [str(len(x["parts"])) for x in layers]),
        ("DRAM bits", [f"{x:,}" for x in ours]),
    ]
    counts = any(x is not None for x in theirs)
    if counts:
        equal = ["yes" if x["dram_bits"] == x["their_dram_bits"] else "no" for x in layers]
        columns += [
            (f"{tool} bits", [ABSENT if x is None else f"{x:,}" for x in theirs]),
            ("<equal", equal),
        ]
    parts: list[RenderableType] = [columns_table(columns)]
    if counts:
        same = sum(x["dram_bits"] == x["their_dram_bits"] for x in layers)
        parts.append(f"{same} of {counted(len(layers), 'layer')} equal to the bit")
    found = [(x["layer"], (x["differs"] or "").split("; ")) for x in layers]
    for cause in dict.fromkeys(each for _, causes in found for each in causes if each):
        names = [name for name, causes in found if cause in causes]
        where = ", ".join(names) if len(names) < len(layers) else "all layers"
        parts.append(remark(f"{tool} counts otherwise in {where}: {cause}"))
    parts += [remark(f"not in the files: {what}") for what in record["not_filed"]]
    return parts
