"""How sure a result is, and what the solving took: figures that must agree with each other."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from codesign.checking.entries import Entry

OPTIMAL_GAP = Fraction(1e-6)
TIES = ("broken", "left", "not proven")
ENDED = ("optimal", "gap", "time", "interrupt")


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


def check_solver(entry: Entry, times: Iterable[str], counts: Iterable[str], *more: str) -> None:
    """Names, seconds taken and counts, of which the file has no others but those that are said."""
    entry.known_keys(("name", "version", "interrupted", *times, *counts, *more))
    entry["name"].text(), entry["version"].text()
    for time in times:
        entry[time].figure()
    for count in counts:
        entry[count].whole(0)
    entry.get("interrupted", False).flag()
