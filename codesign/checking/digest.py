"""The digest in a file: that it is the one that was written, down to what follows from nothing."""

from __future__ import annotations

from codesign.checking.entries import Entry
from codesign.files import digest

DIGEST = "sha256"
TIMES = ("seconds", "solver_s")  # what equal runs differ in


def check_digest(file: Entry) -> None:
    """Compare the digest of all of a file but the seconds taken; a file without one is noted."""
    content = dict(file.value)
    if DIGEST not in content:
        file.ledger.notes.append("no digest of the file: what follows from nothing else may differ")
        return
    if "solver" in content:
        solver = file["solver"].table()
        content["solver"] = {key: entry.value for key, entry in solver.items() if key not in TIMES}
    del content[DIGEST]
    found = file[DIGEST].text()
    right = "the digest of all else: something in the file was altered after it was written"
    file.ledger.holds(DIGEST, found == digest(content), found[:12], right)
