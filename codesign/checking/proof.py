"""How sure a result is, and what the solving took: figures that must agree with each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from codesign.checking.entries import Entry
from codesign.checking.findings import TOLERANCE

OPTIMAL_GAP = Fraction(1e-6)
TIES = ("broken", "left", "not proven")
ENDED = ("optimal", "gap", "time", "interrupt")
OUTCOMES = ("best", "no better", "infeasible", "open")


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


class Outcomes(NamedTuple):
    """What several alternatives came to: all, those said to be the best, and the least bound."""

    alternatives: list[Any]
    best: list[Any]
    least: Fraction


def read_outcomes(
    entry: Entry, key: str, read: Callable[[Entry], Any], more: Iterable[str] = ()
) -> Outcomes:
    """The alternatives that a design was chosen from; all but those without a design have a bound.

    Parameters
    ----------
    key : str
        Of what names an alternative, which ``read`` reads.
    more : iterable of str
        Further keys that one may have.
    """
    found, best, bounds = [], [], []
    for row in entry.items():
        row.known_keys((key, "outcome", "bound", *more))
        found.append(read(row[key]))
        outcome, bound = row["outcome"].text(OUTCOMES), row["bound"]
        best += found[-1:] if outcome == "best" else []
        none = bound.value is None
        entry.ledger.holds(
            bound.where, none == (outcome == "infeasible"), bound.value, "of a design"
        )
        bounds += [] if none else [bound.figure()]
    return Outcomes(found, best, min(bounds, default=Fraction(0)))


def check_architectures(
    entry: Entry,
    known: Collection[str],
    mine: str,
    proof: Entry,
    offered: Collection[str] | None = None,
) -> None:
    """Each on offer has an outcome, this one the best; the bound is no more than any one's.

    Parameters
    ----------
    offered : collection of str, optional
        Of those that are known; without it this one and some other.
    """
    told = read_outcomes(entry, "architecture", lambda x: x.text(known))
    ledger, claimed = entry.ledger, proof["bound"].figure()
    if offered is None:
        offered = {*told.alternatives, mine}
        ledger.holds(entry.where, len(offered) > 1, sorted(offered), f"{mine} and another")
    ledger.same(entry.where, sorted(told.alternatives), sorted(offered))
    ledger.same(f"{entry.where}: the best", told.best, [mine])
    holds = claimed <= told.least * (1 + TOLERANCE)
    ledger.holds(f"{proof.where}.bound", holds, claimed, "at most the least of all architectures")


def note_word_of_architectures(entry: Entry) -> None:
    """Note that what is said of other architectures is the search's word."""
    if entry.value is not None:
        rows = [(x["architecture"].value, x["outcome"].value) for x in entry.items()]
        others = ", ".join(str(name) for name, outcome in rows if outcome != "best")
        note = f"of other architectures ({others}) the bounds are the search's word"
        entry.ledger.notes.append(note)
