"""What each network of a suite pays for sharing, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType

from codesign.problem.metrics import HARDWARE_METRICS
from codesign.results.explanation import Explanation
from codesign.results.sharing import OwnBest, Sharing
from codesign.results.text.layout import columns_table, literal, percent
from codesign.results.text.phrases import hardware_cells, mapping_cells
from codesign.units import ABSENT, METRIC_UNITS, DisplayUnit, four_digits


def sharing_parts(explanation: Explanation) -> list[RenderableType]:
    """The table of networks and what it tells; nothing of a network by itself."""
    sharing = explanation.sharing
    if sharing is None:
        return []
    told = (
        f"what sharing costs: each network's {METRIC_UNITS[sharing.metric].label} on the shared "
        "accelerator, and on the best one for it alone within the same limits"
    )
    columns: dict[str, Sequence[RenderableType]] = {
        "~network": [literal(each.name) for each in sharing.members],
        "weight": [four_digits(each.weight) for each in sharing.members],
        **_where(explanation, sharing),
        **_values(sharing),
        **_hardware(sharing),
    }
    return ["", told, "", columns_table(columns.items())]


def _where(explanation: Explanation, sharing: Sharing) -> dict[str, list[str]]:
    """Each network's share of the latency, and what of its own the DRAM binds."""
    share = explanation.latency_share
    rows = iter(explanation.design.layer_designs)
    parts, bound = list[str](), list[str]()
    for each in sharing.members:
        mine = [next(rows) for _ in range(each.layers)]
        whole = math.fsum(share[row.name] for row in mine)
        memory = math.fsum(share[row.name] for row in mine if row.bound_by == "memory")
        parts.append(percent(whole))
        bound.append(percent(memory / whole) if whole else ABSENT)
    return {"share of\nlatency": parts, "memory-\nbound": bound}


def _values(sharing: Sharing) -> dict[str, list[str]]:
    """The metric that is minimised, shared and alone, and the ratio."""
    unit, metric = METRIC_UNITS[sharing.metric], sharing.metric
    alone = [_amount(unit, each.own_best, metric, "not in time") for each in sharing.members]
    ratios = [ABSENT if x.ratio is None else four_digits(x.ratio) for x in sharing.members]
    return {
        _heading(unit.label, unit): [unit.number(each.metrics[metric]) for each in sharing.members],
        _heading("own best", unit): alone,
        "\nratio": ratios,
    }


def _hardware(sharing: Sharing) -> dict[str, list[str]]:
    """The hardware of each own best, and what it takes."""
    own = [each.own_best for each in sharing.members]
    hardware = [None if best is None else best.hardware for best in own]
    cells = [(ABSENT,) * 3 if each is None else hardware_cells(each) for each in hardware]
    headings = "<alone:\nPE array", "\nPE bits", "SRAM\nMbit"
    columns = {name: [x[n] for x in cells] for n, name in enumerate(headings)}
    if mappings := mapping_cells(hardware):
        columns["<\nmapping"] = mappings
    for name in HARDWARE_METRICS:
        if name != sharing.metric and any(best and name in best.metrics for best in own):
            unit = METRIC_UNITS[name]
            columns[_heading(unit.label, unit)] = [_amount(unit, best, name) for best in own]
    return columns


def _heading(label: str, unit: DisplayUnit) -> str:
    return f"{label}\n{unit.unit}".rstrip()


def _amount(unit: DisplayUnit, best: OwnBest | None, metric: str, unknown: str = ABSENT) -> str:
    return unknown if best is None else unit.number(best.metrics[metric])
