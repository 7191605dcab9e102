"""The independent checker: every figure of a result file recomputed without what made it.

Enters: the content of a design, pipeline, assignment or evaluation file, perhaps a certificate.
Leaves: a `Report` of findings: what is wrong, where, and what would be right.
Must not import: anything of this project but its errors and the reading of files.

This is the one room that repeats others on purpose. A fault in the cost model, the search or the
solver would show in a figure here, for no code is shared: the arithmetic is written anew from the
model's equations, in whole numbers and fractions, and floating-point figures of a file must agree
with the exact ones to a relative 10⁻¹². Checked are

- the network: tensors as large as the loops of the layers say, written once, then read;
- the hardware and the widths: among the choices, pins and groups kept, operands that the PEs hold;
- the mapping: of the machine one on offer, or of each layer one that the machine has;
- of an assignment: each layer's bit operations, and its latency and costs by the file's tables;
- the place of each tensor: one where it may be, pins kept; the runs of fused layers that bands
  make, none of more layers than may be fused;
- of each layer: a legal tile, cycles, SRAM need, room for it beside the tensors on chip, DRAM
  traffic by operand, times, the roof; of fused layers, one need and one roof;
- of a pipeline: arrays, widths and bands on offer, starts after what is read is there, and of each
  stage lag, cycles, memories, FIFOs and DRAM bits;
- the totals, the budgets (kept up to a relative 10⁻⁹), the noise budget against the quality;
- the proof: bound, gap, status and why the search ended agree, and every hardware option is
  accounted for;
- the digest of the file, so that what follows from nothing else (looser budgets, choices not made)
  is what was written; only the seconds taken are free. It guards against accidents: who alters a
  file can write its digest anew, and then only a certificate tells that the problem is another.

With a certificate, written by ``codesign solve --certificate``, the design's optimality is proven
again by another route, see `codesign.checking.certificate.verify`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from codesign.checking.assignment import FORMAT as ASSIGNMENT
from codesign.checking.assignment import check_assignment
from codesign.checking.batches import note_word_of_batches
from codesign.checking.dataflow import FORMAT as DATAFLOW
from codesign.checking.dataflow import check_dataflow
from codesign.checking.design import FORMAT as DESIGN
from codesign.checking.design import check_design
from codesign.checking.entries import Entry
from codesign.checking.evaluation import FORMAT as EVALUATION
from codesign.checking.evaluation import check_evaluation
from codesign.checking.findings import Finding, Ledger, Report, Unreadable, shown
from codesign.checking.problem import Problem
from codesign.checking.proof import note_word_of_architectures
from codesign.errors import SpecError
from codesign.files import expecting, read_json

OnStep = Callable[[str], None]

__all__ = ["Finding", "Report", "check", "check_content"]


def check(
    path: str | Path, certificate: str | Path | None = None, on_step: OnStep | None = None
) -> Report:
    """Recompute every figure of a file: a design, a pipeline, an assignment or an evaluation.

    Parameters
    ----------
    certificate : path, optional
        Certificate file to prove the design's optimality by.
    on_step : callable, optional
        Told in words how much of the certificate is verified.

    Raises
    ------
    SpecError
        Unreadable, or no file of these kinds; or no certificate file.
    """
    path = Path(path)
    if certificate is None:
        with expecting(path, "design", "dataflow", "assignment", "evaluation"):
            return check_content(read_json(path), str(path))
    with expecting(path, "design", "dataflow"):
        content = read_json(path)
        _format(content, str(path), (DESIGN, DATAFLOW))
    argument = Path(certificate)
    with expecting(argument, "certificate"):
        return check_content(content, str(path), read_json(argument), str(argument), on_step)


def check_content(
    content: Any,
    where: str,
    certificate: Any = None,
    certificate_where: str = "certificate",
    on_step: OnStep | None = None,
) -> Report:
    """The same for the content of files.

    Raises
    ------
    SpecError
        Naming ``where``, or ``certificate_where``: it is neither.
    """
    found = _format(content, where, (DESIGN, ASSIGNMENT, EVALUATION, DATAFLOW))
    if certificate is not None:
        from codesign.checking.certificate.verify import FORMAT as CERTIFICATE  # loads NumPy

        _format(content, where, (DESIGN, DATAFLOW))
        _format(certificate, certificate_where, (CERTIFICATE,))
    ledger = Ledger()
    proven = None if certificate is None else False
    try:
        file = Entry("", content, ledger)
        uncertified: dict[str, Callable[[Entry], object]] = {
            ASSIGNMENT: check_assignment,
            EVALUATION: check_evaluation,
        }
        if found in uncertified:
            uncertified[found](file)
            return ledger.report()
        problem = check_dataflow(file) if found == DATAFLOW else check_design(file)
        if certificate is None:
            note_word_of_batches(file.get("batches", None), problem)
            note_word_of_architectures(file.get("architectures", None))
        if certificate is not None and not ledger.findings:
            given = Entry("certificate", certificate, ledger)
            proven = _prove(given, problem, file, ledger, on_step)
    except Unreadable:
        ledger.notes.append("what depends on a wrong entry was not compared")
    return ledger.report(proven)


def _format(content: Any, where: str, known: tuple[str, ...]) -> str:
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, str) or found not in known:
        raise SpecError(f"{where}: format {shown(found)}, expected {' or '.join(known)}")
    return found


def _prove(
    given: Entry, problem: Problem, file: Entry, ledger: Ledger, on_step: OnStep | None
) -> bool:
    """Verify a certificate; whether it proves the claim without trusting the solver."""
    from codesign.checking.certificate.claims import prove  # loads NumPy

    found = prove(given, problem, file, on_step)
    if ledger.findings:
        return False
    if found.trusted:
        ledger.notes.append(
            f"not proven without the solver: for {'; '.join(found.trusted)} the certificate takes "
            "the solver's word"
        )
        return False
    ledger.notes.append(f"proven in exact arithmetic: {found.claim}")
    return True
