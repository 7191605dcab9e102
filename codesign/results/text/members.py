"""The members of a suite in a report: what each has of the whole, and its budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table

from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.results.text.layout import literal, percent, table
from codesign.specs.network import Member, Network
from codesign.units import ABSENT, METRIC_UNITS, four_digits, kind_of, member_of, of_member

SUMS = "sums over members, each times its weight; model size and noise are plain sums"


def member_parts(
    metrics: Mapping[str, float],
    network: Network,
    budgets: Mapping[str, float],
    references: Mapping[str, float] | None = None,
) -> list[RenderableType]:
    """A table of a suite's members; nothing of a network by itself."""
    if not network.members:
        return []
    made = member_table(metrics, network.members, budgets, references or {})
    return ["", made, literal(f"totals: {SUMS}")]


def member_table(
    metrics: Mapping[str, float],
    members: Sequence[Member],
    budgets: Mapping[str, float],
    best: Mapping[str, float],
) -> Table:
    """One row per member: its share of each metric, unweighted, and the budgets that it keeps.

    ``best`` are shares that each could have alone, where those are known.
    """
    kinds = [x for x in (*ADDITIVE_METRICS, ENERGY) if of_member(x, members[0].name) in metrics]
    units = [METRIC_UNITS[kind] for kind in kinds]
    headings = [f"{unit.label}\n{unit.unit}".rstrip() for unit in units]
    limited = any(of_member(x, m.name) in budgets for x in kinds for m in members)
    for kind in dict.fromkeys(map(kind_of, best)):
        headings += [f"own best\n{METRIC_UNITS[kind].unit}".rstrip(), "\nratio"]
    made = table("<member", "weight", "layers", *headings, *["<budgets"] * limited)
    for member in members:
        values = [metrics[of_member(kind, member.name)] for kind in kinds]
        cells = [unit.number(value) for unit, value in zip(units, values, strict=True)]
        for x in (x for x in best if member_of(x) == member.name):
            ratio = four_digits(metrics[x] / best[x]) if best[x] else ABSENT
            cells += [METRIC_UNITS[x].number(best[x]), ratio]
        if limited:
            limits = [(x, budgets.get(of_member(x, member.name))) for x in kinds]
            told = [
                f"{METRIC_UNITS[x].at_most(limit)} ({percent(value / limit)} used)"
                for (x, limit), value in zip(limits, values, strict=True)
                if limit
            ]
            cells.append(", ".join(told))
        weight = four_digits(member.weight)
        made.add_row(literal(member.name), weight, f"{member.layers:,}", *cells)
    return made
