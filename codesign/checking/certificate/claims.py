"""A design's claim with all that it rests on: what members have alone, and other batches.

Of a least regret the certificate holds, for each member of the suite, a design of it alone and that
design's own certificate (``references``): the design has what the problem's reference says, and
nothing that the member could have alone is better. Of a batch that was chosen it holds an argument
for each of the others (``batches``): that no design has an objective, for each image where that
grows with them, below the claim. Of pipelines and of hybrids it holds arguments of their own
(``pipelines``, ``hybrids``), beside those for arrays where several were on offer.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.certificate.hybrid_ranges import told_hybrid, verify_hybrids
from codesign.checking.certificate.other_questions import (
    bound_of_batch,
    differences,
    problem_alone,
    problem_of_batch,
)
from codesign.checking.certificate.pipeline_ranges import asked_of, of_array, verify_pipelines
from codesign.checking.certificate.verify import (
    GAP,
    PART,
    OnStep,
    read_bound,
    verify,
    verify_groups,
)
from codesign.checking.design import check_design
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Member
from codesign.checking.problem import Problem

OF_STAGES = {"dataflow": "pipelines", "hybrid": "hybrids"}  # parts, by the architecture


class Proven(NamedTuple):
    """What a certificate proves of a design.

    Attributes
    ----------
    bound : Fraction
        No design within the budgets has a smaller objective.
    trusted : tuple of str
        What is taken from the search, in words.
    claim : str
        What is proven, in words.
    """

    bound: Fraction
    trusted: tuple[str, ...]
    claim: str


def prove(given: Entry, problem: Problem, design: Entry, on_step: OnStep | None) -> Proven:
    """Verify a certificate of a design or pipeline file."""
    if problem.choices.pipelined:
        return _prove_pipelined(given, problem, design, on_step)
    verdict = verify(given, problem, design["proof"], on_step)
    trusted = [*_left(verdict.trusted, problem)]
    claim = _of_arrays(problem, verdict.bound)
    rows = design.get("architectures", None)
    every = [] if rows.value is None else [x["architecture"].text() for x in rows.items()]
    for name, part in OF_STAGES.items():
        item = given.get(part, None)
        if item.value is not None:
            asked = asked_of(item, problem)
            trusted += _verify_part(name, item, asked, verdict.bound, on_step)
            claim += f"; {_of_part(name, asked, verdict.bound)}"
        elif name in every:
            trusted.append(f"architecture {name}")
    for member in problem.network.members if problem.references else ():
        trusted += _prove_reference(given.get("references", {}), problem, member, on_step)
    rows = design.get("batches", None)
    others = _other_batches(rows, problem)
    for row in others:
        trusted += _prove_batch(given.get("batches", []), problem, verdict.bound, row, on_step)
    beside = "; nor could any network have less alone than regret is measured by"
    beside = beside if problem.references else ""
    if others:
        counts = ", ".join(str(row["images"].value) for row in others)
        beside = f"; nor, with as much for each image, on {counts} images at once"
    _check_parts(given, problem, others)
    return Proven(verdict.bound, tuple(trusted), claim + beside)


def _of_arrays(problem: Problem, bound: Fraction) -> str:
    options = f"none of {len(problem.choices.options)} hardware options"
    what = f"{problem.objective} is below {float(bound)!r}"
    return f"{options} has a design within the budgets whose {what}"


def _of_part(name: str, problem: Problem, bound: Fraction) -> str:
    what = "pipeline" if name == "dataflow" else told_hybrid(problem)
    return f"no {what} within the budgets has {problem.objective} below {float(bound)!r}"


def _verify_part(
    name: str, part: Entry, problem: Problem, bound: Fraction, on_step: OnStep | None
) -> list[str]:
    """Verify what a part says of an architecture; what of that is not proven, in words."""
    of = verify_pipelines if name == "dataflow" else verify_hybrids
    return of(part, problem, bound, on_step)


def _prove_pipelined(
    given: Entry, problem: Problem, design: Entry, on_step: OnStep | None
) -> Proven:
    """Of a file of a pipeline or a hybrid: nothing of any architecture on offer is better."""
    offered = problem.choices.architecture
    parts = {name: part for name, part in OF_STAGES.items() if name in offered}
    keys = ("format", "bound", *parts.values(), *(PART if "array" in offered else ()))
    given.known_keys(keys)
    bound = read_bound(given, design["proof"])
    trusted: list[str] = []
    claims: list[str] = []
    for name, part in parts.items():
        trusted += _verify_part(name, given[part], problem, bound, on_step)
        claims.append(_of_part(name, problem, bound))
    if "array" in offered:
        arrays = of_array(problem)
        trusted += _left(verify_groups(given, arrays, bound, on_step), arrays)
        claims.append(_of_arrays(arrays, bound))
    return Proven(bound, tuple(trusted), "; ".join(claims))


def _check_parts(given: Entry, problem: Problem, others: list[Entry]) -> None:
    """A certificate holds nothing of members or batches that the design's claim does not name."""
    names = [member.name for member in problem.network.members if problem.references]
    given.get("references", {}).known_keys(names)
    counts = [row["images"].value for row in others]
    told = [item["images"].whole() for item in given.get("batches", []).items()]
    right = len({*told}) == len(told) and {*told} <= {*counts}
    expected = f"each of {counts} once at most"
    given.ledger.holds(f"{given.where}.batches", right, told, expected)


def _left(trusted: int, problem: Problem, of: str = "") -> Iterator[str]:
    if trusted:
        yield f"{trusted} of {len(problem.choices.options)} hardware options{of}"


def _prove_reference(
    given: Entry, problem: Problem, member: Member, on_step: OnStep | None
) -> Iterator[str]:
    """What one member could have alone is its reference; yields what is not proven of that."""
    if member.name not in given.table():
        yield f"what {member.name} could have alone"
        return
    item = given[member.name]
    item.known_keys(("design", "certificate"))
    alone = check_design(item["design"])
    other = differences(problem_alone(problem, member), alone)
    where = f"{item.where}.design.problem"
    found, expected = ", ".join(other) or "none", f"the question of {member.name} alone"
    if not item.ledger.holds(where, not other, found, expected):
        raise Unreadable
    best = item["design"]["metrics"][alone.objective].figure()
    reference = problem.references[f"{alone.objective}@{member.name}"]
    near = abs(best - reference) <= GAP * best
    item.ledger.holds(f"{item.where}.design.metrics", near, best, f"{float(reference)!r}")
    if item["design"]["proof"]["status"].value != "optimal":
        yield f"what {member.name} could have alone"
    verdict = verify(item["certificate"], alone, item["design"]["proof"], on_step)
    yield from _left(verdict.trusted, alone, f" of {member.name} alone")


def _other_batches(rows: Entry, problem: Problem) -> list[Entry]:
    """Rows of a design file on batches that its own was chosen from."""
    if rows.value is None:
        return []
    return [row for row in rows.items() if row["images"].value != problem.network.images]


def _prove_batch(
    given: Entry, problem: Problem, bound: Fraction, row: Entry, on_step: OnStep | None
) -> Iterator[str]:
    """No design of another batch is better than claimed; yields what is not proven of that."""
    images = row["images"].whole()
    batched = problem_of_batch(problem, row)
    for item in given.items():
        item.known_keys(("images", *PART))
        if item["images"].value == images:
            most = bound_of_batch(problem, bound, images)
            trusted = verify_groups(item, batched, most, on_step)
            yield from _left(trusted, batched, f" on {images} images at once")
            return
    yield f"all of {images} images at once"
