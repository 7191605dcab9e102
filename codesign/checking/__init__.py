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
again by another route, see `codesign.checking.certificate.verify`. Where there is no design, the
certificate of that is checked alone, see `codesign.checking.certificate.infeasible`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from codesign.checking.assignment import FORMAT as ASSIGNMENT
from codesign.checking.assignment import check_assignment
from codesign.checking.batches import note_word_of_batches
from codesign.checking.certificate import FORMAT as CERTIFICATE
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

    Of a certificate that no design keeps every budget, which needs none, verify that.

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
            return check_content(read_json(path), str(path), on_step=on_step)
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
    found = _format(content, where, (DESIGN, ASSIGNMENT, EVALUATION, DATAFLOW, CERTIFICATE))
    if certificate is not None:
        _format(content, where, (DESIGN, DATAFLOW))
        _format(certificate, certificate_where, (CERTIFICATE,))
    elif found == CERTIFICATE and "problem" not in content:
        raise SpecError(f"{where}: a certificate of a design; check DESIGN --deep --certificate it")
    ledger = Ledger()
    proven = False if certificate is not None or found == CERTIFICATE else None
    try:
        file = Entry("", content, ledger)
        uncertified: dict[str, Callable[[Entry], object]] = {
            ASSIGNMENT: check_assignment,
            EVALUATION: check_evaluation,
        }
        if found in uncertified:
            uncertified[found](file)
            return ledger.report()
        if found == CERTIFICATE:
            proven = _prove_infeasible(file, on_step)
            return ledger.report(proven)
        problem = check_dataflow(file) if found == DATAFLOW else check_design(file)
        if certificate is None:
            note_word_of_batches(file.get("batches", None), problem)
            note_word_of_architectures(file.get("architectures", None))
        if certificate is not None and not ledger.findings:
            given = Entry("certificate", certificate, ledger)
            proven = _prove(given, problem, file, on_step)
    except Unreadable:
        ledger.notes.append("what depends on a wrong entry was not compared")
    return ledger.report(proven)


def _format(content: Any, where: str, known: tuple[str, ...]) -> str:
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(found, str) or found not in known:
        raise SpecError(f"{where}: format {shown(found)}, expected {' or '.join(known)}")
    return found


def _prove(given: Entry, problem: Problem, file: Entry, on_step: OnStep | None) -> bool:
    """Verify a certificate; whether it proves the claim without trusting the solver."""
    from codesign.checking.certificate.claims import prove  # loads NumPy

    found = prove(given, problem, file, on_step)
    return _noted(given.ledger, found.trusted, found.claim)


def _prove_infeasible(given: Entry, on_step: OnStep | None) -> bool:
    """The same of a certificate that no design keeps every budget."""
    from codesign.checking.certificate.infeasible import prove_infeasible  # loads NumPy

    found = prove_infeasible(given, on_step)
    return _noted(given.ledger, found.trusted, found.claim)


def _noted(ledger: Ledger, trusted: Sequence[str], claim: str) -> bool:
    """Whether a claim is proven, which a note says."""
    if ledger.findings:
        return False
    if trusted:
        ledger.notes.append(
            f"not proven without the solver: for {'; '.join(trusted)} the certificate takes "
            "the solver's word"
        )
        return False
    ledger.notes.append(f"proven in exact arithmetic: {claim}")
    return True
