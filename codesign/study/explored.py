"""What is found while a store is explored: kept in it, as cells of a study of its own."""

from __future__ import annotations

import json
from pathlib import Path

from codesign.problem.metrics import word_of
from codesign.problem.problem import Problem
from codesign.problem.words import LIMITS
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.design import Design
from codesign.study.cell_keys import network_text, question_of
from codesign.study.heartbeat import this_process
from codesign.study.records import VERSION, Answer, CellRow, ClaimedQuestion
from codesign.study.solve_cell import stored_content
from codesign.study.store import opened

STUDY = "explored"


def keep(store: Path, problem: Problem, found: Design | DataflowDesign | str) -> None:
    """Write what was found to a store, unless it holds an answer already.

    Parameters
    ----------
    problem : Problem
        As it was solved: without limits of time or gap.
    found : Design, DataflowDesign or str
        A design; or why there is none.

    Raises
    ------
    SpecError
        The store cannot be written.
    """
    network = network_text(problem.network)
    question = question_of(problem, network)
    words = {
        word: problem.budgets[metric] / scale
        for word, (metric, scale) in LIMITS.items()
        if metric in problem.budgets
    }
    asked = {"network": problem.network.name, "minimize": word_of(problem.objective), **words}
    with opened(store, write=True) as file:
        place = sum(cell["study"] == STUDY for cell in file.cells())
        row = CellRow(place, json.dumps(asked, ensure_ascii=False), question)
        ((key, _),) = file.add_cells(STUDY, [row], VERSION)
        file.start_run(this_process())
        if isinstance(file.claim(key), ClaimedQuestion):
            file.record(key, _answer(found, network.sha256))


def _answer(found: Design | DataflowDesign | str, network: str) -> Answer:
    if isinstance(found, str):
        return Answer("infeasible", final=True, error=found, codesign=VERSION)
    proven = found.proof.status == "optimal"
    return Answer(
        status="optimal" if proven else "feasible",
        seconds=found.solver.seconds,
        final=proven,
        designs=(stored_content(found, network),),
        solver=f"{found.solver.name} {found.solver.version}",
        codesign=VERSION,
    )
