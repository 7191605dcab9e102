"""Answers one question of a study: what a worker does, in whatever process it is.

Whatever goes wrong becomes an answer too. Only the standard library is imported up here: a worker
sets its environment before numpy is loaded.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codesign.errors import CodesignError, InfeasibleError, SolverError
from codesign.study.records import VERSION, Answer

if TYPE_CHECKING:
    from codesign.problem.problem import Problem
    from codesign.results.dataflow_design import DataflowDesign
    from codesign.results.design import Design

MAX_ERROR = 500  # letters


def worker_version() -> str:
    """The codesign that answers."""
    return VERSION


def answer_question(question: str, network: str) -> Answer:
    """Solve a question of `cell_keys`, or find its front.

    Parameters
    ----------
    question : str
        Its canonical JSON.
    network : str
        That of its network.
    """
    started = time.monotonic()
    from codesign.search.milp import highs

    asked: dict[str, Any] = json.loads(question)
    try:
        found = _answer(asked, json.loads(network))
    except InfeasibleError as error:
        found = Answer("infeasible", final=True, error=error_text(error))
    except SolverError as error:
        limit = asked["time_limit_s"]
        late = limit is not None and time.monotonic() - started >= limit
        found = Answer("unanswered" if late else "failed", error=error_text(error))
    except MemoryError:
        found = Answer("lost", error="out of memory")
    except Exception as error:  # also a fault of ours: in one cell it does not cost the others
        found = Answer("failed", error=error_text(error))
    solver = f"{highs.NAME} {highs.version()}"
    return found._replace(seconds=time.monotonic() - started, solver=solver, codesign=VERSION)


def error_text(error: BaseException) -> str:
    """An error in one line; of what kind it is, unless it is one of ours."""
    text = " ".join(str(error).split())
    text = text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 2]} …"
    kind = "" if isinstance(error, CodesignError) else type(error).__name__
    return ": ".join(part for part in (kind, text) if part)


def _answer(asked: dict[str, Any], network: dict[str, Any]) -> Answer:
    from codesign.problem.file import problem_from_dict

    sha256 = asked["problem"]["network"]
    problem = problem_from_dict({**asked["problem"], "network": network}, "question")
    front_gap, complete = None, True
    if asked["front"] is None:
        designs: tuple[Design | DataflowDesign, ...] = (_solved(problem, asked),)
    else:
        designs, front_gap, complete = _front(problem, asked)
    proofs = [design.proof for design in designs]
    proven = complete and all(proof.status == "optimal" for proof in proofs)
    return Answer(
        status="optimal" if proven else "feasible",
        # More time, where it was limited, might prove ties.
        final=proven
        and (asked["time_limit_s"] is None or all(x.ties != "not proven" for x in proofs)),
        designs=tuple(stored_content(design, sha256) for design in designs),
        front_gap=front_gap,
    )


def _solved(problem: Problem, asked: dict[str, Any]) -> Design | DataflowDesign:
    """The proven design, or what there is at the time limit; an interrupt leaves no answer."""
    from codesign.problem.metrics import metric_of
    from codesign.tasks.regret import with_references
    from codesign.tasks.solve import solve

    if "regret_of" in asked:
        problem = with_references(problem, metric_of(asked["regret_of"]))
    how = {key: asked[key] for key in ("method", "time_limit_s", "rel_gap")}
    design = solve(problem, **how, ties=asked.get("ties", "break"))
    if design.solver.interrupted:
        raise KeyboardInterrupt
    return design


def _front(
    problem: Problem, asked: dict[str, Any]
) -> tuple[tuple[Design | DataflowDesign, ...], float, bool]:
    """Designs of a front, its gap, and whether there was time enough."""
    from codesign.tasks.pareto import pareto

    limit = asked["time_limit_s"]
    front = pareto(problem, **asked["front"], time_limit_s=limit)
    if front.interrupted:
        raise KeyboardInterrupt
    return front.whole_designs, front.gap, limit is None or front.seconds < limit


def stored_content(design: Design | DataflowDesign, network_sha256: str) -> dict[str, Any]:
    """A design as a store has it, its network by its hash.

    Of a pipeline also what its hardware is in all.
    """
    content = design.to_dict()
    if design.architecture != "array":
        content["hardware"] = {"architecture": design.architecture, **asdict(design.hardware)}
    content["problem"]["network"] = network_sha256
    return content
