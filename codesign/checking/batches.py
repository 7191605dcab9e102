"""What a design file says of the batches that its own was chosen from."""

from __future__ import annotations

from codesign.checking.entries import Entry
from codesign.checking.findings import TOLERANCE
from codesign.checking.problem import Problem
from codesign.checking.proof import read_outcomes

GROWING = ("latency_s", "dram_bits", "bops", "energy_j")  # with the images at once


def check_batches(entry: Entry, problem: Problem, proof: Entry) -> None:
    """The network's batch is the best one, and the proof's bound is no more than any batch's.

    That no other batch is better takes a certificate: their designs are not in the file.
    """
    if entry.value is None:  # the batch was given
        return
    told = read_outcomes(entry, "images", lambda x: x.whole(), ("budgets",))
    ledger = entry.ledger
    ledger.same(entry.where, told.alternatives, sorted({*told.alternatives}))
    ledger.same(f"{entry.where}: the best", told.best, [problem.network.images])
    images = problem.network.images if problem.objective in GROWING else 1
    least, claimed = told.least * images, proof["bound"].figure()
    holds = claimed <= least * (1 + TOLERANCE)
    ledger.holds(f"{proof.where}.bound", holds, claimed, "at most the least of all batches")


def note_word_of_batches(entry: Entry, problem: Problem) -> None:
    """Note that what is said of other batches is the search's word."""
    if entry.value is not None:
        counts = [row["images"].value for row in entry.items()]
        others = ", ".join(str(count) for count in counts if count != problem.network.images)
        note = f"of other batches ({others} images) the bounds are the search's word"
        entry.ledger.notes.append(note)
