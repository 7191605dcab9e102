"""A certificate that no design of a problem keeps every budget, which it holds with the problem.

Of each architecture on offer it names budgets that clash (its ``clash``): a design that kept them
would have no more of the first one's metric than its limit, within the others. That none has is a
claim as any other (`codesign.checking.certificate.verify`), of an objective and a bound just above
the limit: the multipliers weigh what designs take of all these budgets at least against what they
allow.

Where nothing clashes, some layer runs on no hardware, whatever the budgets: arguments have then no
multipliers, and hold for any objective.

Of other batches (its ``batches``) it names the images, the budgets where they differ, and the same
of a shared array. They are made anew from the problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from codesign.checking.certificate.hybrid_ranges import told_hybrid, verify_hybrids
from codesign.checking.certificate.other_questions import problem_of_batch
from codesign.checking.certificate.pipeline_ranges import of_array, verify_pipelines
from codesign.checking.certificate.verify import PART, OnStep, verify_groups
from codesign.checking.entries import Entry
from codesign.checking.problem import Problem, read_problem
from codesign.checking.width_problem import most_kept

KEYS = ("format", "problem", "arrays", "pipelines", "hybrids", "batches")
ANY_OBJECTIVE = "latency_s"  # of designs that do not run


class ProvenInfeasible(NamedTuple):
    """What is taken from the search, and what is proven, in words."""

    trusted: tuple[str, ...]
    claim: str


def prove_infeasible(given: Entry, on_step: OnStep | None = None) -> ProvenInfeasible:
    """Verify a certificate of an infeasible problem."""
    given.known_keys(KEYS)
    problem = read_problem(given["problem"])
    offered = problem.choices.architecture
    trusted, claims = list[str](), list[str]()
    if "array" in offered:
        array = of_array(problem) if problem.choices.pipelined else problem
        given["arrays"].known_keys(("clash", "reasons"))
        left, claim = _prove_arrays(given["arrays"], array, on_step)
        trusted += left
        claims.append(claim)
    of_stages = {"dataflow": ("pipeline", verify_pipelines), "hybrid": ("hybrid", verify_hybrids)}
    for architecture, (name, verify) in of_stages.items():
        if architecture not in offered:
            continue
        entry = given[f"{name}s"]
        entry.known_keys(("clash", "reasons"))
        clash = read_clash(entry["clash"], problem)
        if clash:
            asked, bound = asked_within(problem, clash), bound_of(problem, clash)
            trusted += verify(entry["reasons"], asked, bound, on_step)
            what = told_hybrid(problem) if name == "hybrid" else name
            claims.append(f"no {what} has {_kept(problem, clash)}")
        else:
            trusted.append(f"all {name}s")
    if given.get("batches", None).value is not None:
        left, others = _prove_batches(given["batches"], problem, on_step)
        trusted += left
        claims += others
    return ProvenInfeasible(tuple(trusted), "; ".join(claims))


def _prove_arrays(entry: Entry, problem: Problem, on_step: OnStep | None) -> tuple[list[str], str]:
    """Verify what is said of a shared array: what is taken from the search, and what is claimed."""
    clash, reasons = read_clash(entry["clash"], problem), entry["reasons"]
    count = len(problem.choices.options)
    reasons.known_keys(PART)
    if not clash:
        _check_unpriced(reasons)
    asked, bound = asked_within(problem, clash), bound_of(problem, clash)
    left = verify_groups(reasons, asked, bound, on_step)
    trusted = [f"{left} of {count} hardware options"] if left else []
    return trusted, f"none of {count} hardware options has a design with {_kept(problem, clash)}"


def _prove_batches(
    entry: Entry, problem: Problem, on_step: OnStep | None
) -> tuple[list[str], list[str]]:
    """The same of other batches, each once."""
    if problem.choices.architecture != ("array",):
        entry.fault("no batches: several are of one shared array alone")
    trusted, claims, told = list[str](), list[str](), {problem.network.images}
    for row in entry.items():
        row.known_keys(("images", "budgets", "clash", "reasons"))
        images = row["images"].whole()
        if images in told:
            row["images"].fault(f"images of another batch than {sorted(told)}")
        told.add(images)
        on = f" on {images} images at once"
        batched = problem_of_batch(problem, row)
        if row.get("reasons", None).value is None:
            trusted.append(f"all{on}")
            continue
        left, claim = _prove_arrays(row, batched, on_step)
        trusted += [f"{x}{on}" for x in left]
        claims.append(f"{claim}{on}")
    return trusted, claims


def read_clash(entry: Entry, problem: Problem) -> list[str]:
    """Names of budgets, each once."""
    names = [item.text(tuple(problem.budgets)) for item in entry.items()]
    if len({*names}) < len(names):
        entry.fault("budgets, each once")
    return names


def asked_within(problem: Problem, clash: Sequence[str]) -> Problem:
    """The least of the first of some budgets within the others, and within no further ones."""
    objective, *others = clash or (ANY_OBJECTIVE,)
    budgets = {name: problem.budgets[name] for name in others}
    return replace(problem, objective=objective, budgets=budgets, references={})


def bound_of(problem: Problem, clash: Sequence[str]) -> Fraction:
    """What a design that keeps the first of some budgets is below."""
    if not clash:
        return Fraction(1)  # of nothing that has a multiplier
    return Fraction(math.nextafter(float(most_kept(problem.budgets[clash[0]])), math.inf))


def _check_unpriced(reasons: Entry) -> None:
    """Arguments that hold whatever is asked for: that there are no costs at all."""
    for item in reasons["groups"].items():
        item["prices"].known_keys(())
        item["by"].text(("bound",))


def _kept(problem: Problem, clash: Sequence[str]) -> str:
    """``latency_s of at most 0.001 and area_mm2 of at most 2``."""
    each = [f"{name} of at most {float(problem.budgets[name])!r}" for name in clash]
    *first, last = each or ["budgets of any size"]
    return f"{', '.join(first)} and {last}" if first else last
