"""What a check found, in lines for people and as a record for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codesign.checking.findings import Report, printable


def report_lines(name: str, report: Report) -> list[str]:
    """A line for each finding, for each note, and one for the outcome."""
    name = printable(name)
    lines = [f"{name}: {finding}" for finding in report.findings]
    lines += [f"{name}: {note}" for note in report.notes]
    if report.holds:
        return [*lines, f"{name}: all {report.figures} figures hold"]
    wrong = len(report.findings)
    things = "thing is" if wrong == 1 else "things are"
    return [*lines, f"{name}: {wrong} {things} wrong, {report.figures} figures were compared"]


def report_record(name: str, report: Report) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {"file": printable(name), "holds": report.holds, **asdict(report)}
