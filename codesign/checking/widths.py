"""What answers of every kind have: widths among those offered, kept budgets, a proof that agrees.

A design has them on hardware, an assignment has them alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.width_problem import MOST_BITS, Question, most_kept

OPTIMAL_GAP = Fraction(1e-6)
TIES = ("broken", "left", "not proven")
ENDED = ("optimal", "gap", "time", "interrupt")


def check_tensor_bits(entry: Entry, question: Question) -> dict[str, int]:
    """Compare the width of each tensor with those that it may take; returns them.

    Raises
    ------
    Unreadable
        One is missing, or no width.
    """
    network, given = question.network, entry.table()
    entry.known_keys(network.tensors)
    widths = {name: entry[name].whole(1, MOST_BITS) for name in network.tensors}
    for name, bits in widths.items():
        allowed: tuple[int, ...] = (question.choices.output_bits,)
        if name not in network.results:
            allowed = question.allowed(f"tensor:{name}")
        entry.ledger.holds(given[name].where, bits in allowed, bits, f"one of {allowed}")
    return widths


def check_weight_bits(
    rows: Entry, question: Question, weight_bits: dict[str, int], tensor_bits: dict[str, int]
) -> None:
    """Compare the widths of weights with those that they may take, and what shares one with it.

    Parameters
    ----------
    weight_bits : dict of str to int
        By source, as the rows have them.

    Raises
    ------
    Unreadable
        A source has another width, whose noise need not be known.
    """
    for source, bits in weight_bits.items():
        allowed = question.allowed(source)
        rows.ledger.holds(f"{rows.where} ({source!r})", bits in allowed, bits, f"one of {allowed}")
    widths = {f"tensor:{name}": bits for name, bits in tensor_bits.items()} | weight_bits
    for first, *others in question.classes:
        for other in others:
            where = f"{rows.where} ({other!r})"
            rows.ledger.same(where, widths[other], widths[first])
    if any(widths[source] not in question.allowed(source) for source in question.network.sources):
        raise Unreadable


def check_metrics(
    entry: Entry,
    expected: Mapping[str, Fraction],
    question: Question,
    area_terms_mm2: Sequence[Fraction] = (),
) -> dict[str, Fraction]:
    """Compare the totals with what they should be, and with the budgets; returns them as rounded.

    Parameters
    ----------
    area_terms_mm2 : sequence of Fraction
        Of the area, as `Ledger.close` takes them.
    """
    entry.known_keys(expected)
    right = {}
    for name, value in expected.items():
        figure = entry[name].figure()
        terms = area_terms_mm2 if name == "area_mm2" else ()
        close = entry.ledger.close(f"{entry.where}.{name}", figure, value, terms)
        right[name] = figure if close else value  # budgets are kept by figures, as rounded
    for name, limit in question.budgets.items():
        budget = f"at most the budget of {float(limit)!r}"
        kept = right[name] <= most_kept(limit)
        entry.ledger.holds(f"{entry.where}.{name}", kept, right[name], budget)
    return right


def check_proof(entry: Entry, metrics: Entry, metric: str, solver: Entry) -> None:
    """The proof agrees: bound ≤ objective, gap between them, status by the gap, why it ended."""
    ledger, where, value = entry.ledger, entry.where, metrics[metric].figure()
    entry.known_keys(("status", "objective", "bound", "gap", "ties_broken", "ties", "ended"))
    objective, bound, gap = (entry[x].figure() for x in ("objective", "bound", "gap"))
    ledger.holds(f"{where}.objective", objective == value, objective, f"metrics.{metric}")
    ledger.holds(f"{where}.bound", bound <= objective, bound, "at most the objective")
    distance = (objective - bound) / objective if objective > 0 else Fraction(0)
    ledger.close(f"{where}.gap", gap, distance)
    status = "optimal" if gap <= OPTIMAL_GAP else "feasible"
    ledger.same(f"{where}.status", entry["status"].value, status)
    broken = entry.get("ties_broken", False).flag()
    ties = entry.get("ties", "broken" if broken else "not proven").text(TIES)
    ledger.same(f"{where}.ties_broken", broken, ties == "broken")
    reason = entry.get("ended", None)
    if reason.value is None:  # not recorded
        return
    ended, proven = reason.text(ENDED), status == "optimal"
    ledger.holds(reason.where, (ended == "optimal") == proven, ended, f"a reason to be {status}")
    if ended == "interrupt":
        ledger.same(f"{solver.where}.interrupted", solver.get("interrupted", False).value, True)
