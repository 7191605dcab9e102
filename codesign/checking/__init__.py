"""Checks a file of results without what made it: no solver, no search, no cost tables.

Every figure of a design file (``codesign-design/1``) or an evaluation file
(``codesign-evaluation/1``) is recomputed from the problem, or the network and accelerator, that the
file itself holds. The arithmetic is written anew from the model's equations, in whole numbers and
fractions; floating-point figures of a file must agree with the exact ones to a relative 10⁻¹².
Checked are

- the network: tensors as large as the loops of the layers say, written once, then read;
- the hardware and the widths: among the choices, pins and groups kept, operands that the PEs hold;
- of each layer: a legal tile, cycles, SRAM need, DRAM traffic by operand, times, the roof;
- the totals, the budgets (kept up to a relative 2·10⁻⁹), the noise budget against the quality;
- the proof: bound, gap and status agree, and every hardware option is accounted for;
- the digest of the problem, so that the question is the one that was answered.

The package imports nothing of this project but its errors and the reading of files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codesign.checking.design import FORMAT as DESIGN
from codesign.checking.design import check_design
from codesign.checking.evaluation import FORMAT as EVALUATION
from codesign.checking.evaluation import check_evaluation
from codesign.checking.findings import Finding, Ledger, Report, Unreadable
from codesign.checking.reading import Entry
from codesign.errors import SpecError
from codesign.text_files import read_json

__all__ = ["Finding", "Report", "check", "check_content"]


def check(path: str | Path) -> Report:
    """Recompute every figure of a design file or an evaluation file.

    Raises
    ------
    SpecError
        Unreadable, or neither a design file nor an evaluation file.
    """
    return check_content(read_json(Path(path)), str(path))


def check_content(content: Any, where: str) -> Report:
    """The same for a file's content.

    Raises
    ------
    SpecError
        Naming ``where``: it is neither.
    """
    checks = {DESIGN: check_design, EVALUATION: check_evaluation}
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, str) or found not in checks:
        raise SpecError(f"{where}: format {str(found)[:60]!r}, expected one of {', '.join(checks)}")
    ledger = Ledger()
    try:
        checks[found](Entry("", content, ledger))
    except Unreadable:
        ledger.notes.append("what depends on a wrong entry was not compared")
    return ledger.report()
