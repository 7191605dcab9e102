"""A front's time over that of one solve: whole processes, and within one process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
from questions import NETWORK, SOLVE, Question, SearchStats, fresh_problem

import codesign

COMMAND = [sys.executable, "-m", "codesign"]


def measure(
    stats: SearchStats, questions: tuple[Question, ...]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(runs, summary): every timing, and medians over the rounds with their ratios."""
    runs = pd.DataFrame(
        [row for turn in range(stats.repeats) for row in one_round(turn, stats, questions)]
    )
    return runs, summary(runs, questions)


def one_round(
    turn: int, stats: SearchStats, questions: tuple[Question, ...]
) -> list[dict[str, object]]:
    """All questions once, in turn, so that noise hits all of them alike."""
    sides = stats.sides
    if turn == 0:
        codesign.solve(fresh_problem(sides))  # warm-up
    rows: list[dict[str, object]] = []

    def note(where: str, what: str, seconds: float) -> None:
        rows.append({"round": turn, "where": where, "what": what, "seconds": seconds})
        print(f"{where:10} {what:24} {seconds:8.3f} s", flush=True)

    for _ in range(stats.solves):
        note("process", "solve", _process(SOLVE, sides))
        note("in-process", "solve", _timed(lambda: codesign.solve(fresh_problem(sides)))[0])
    for question in questions:
        note("process", question.name, _process(question.command(), sides))
        seconds, front = _timed(lambda q=question: q.front(sides, q.points))
        note("in-process", question.name, seconds)
        if len(question.objectives) == 2:
            note("in-process", f"{question.name}, solves", sum(map(_alone, front.designs)))
    return rows


def _alone(design: codesign.Design) -> float:
    """Seconds of a solve at the limits a point of a front was asked for."""
    asked = design.problem
    problem = codesign.Problem(
        network=codesign.load_network(NETWORK),
        choices=asked.choices,
        budgets=asked.budgets,
        objective=asked.objective,
    )
    return _timed(lambda: codesign.solve(problem))[0]


def _process(arguments: tuple[str, ...] | list[str], sides: tuple[int, ...] | None) -> float:
    narrowed = () if sides is None else ("--rows", _listed(sides), "--cols", _listed(sides))
    command = [*COMMAND, *arguments, *narrowed]
    return _timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))[0]


def _listed(sides: tuple[int, ...]) -> str:
    return ",".join(map(str, sides))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def summary(runs: pd.DataFrame, questions: tuple[Question, ...]) -> pd.DataFrame:
    """A row per front: medians, and the median over rounds of its ratio to that round's solves."""
    rows = []
    for question in questions:
        row: dict[str, object] = {"front": question.name, "points": question.points}
        for where in ("process", "in-process"):
            solves, fronts = _by_round(runs, where, "solve"), _by_round(runs, where, question.name)
            ratios = fronts / solves
            row |= {
                f"{where} solve_s": solves.median(),
                f"{where} front_s": fronts.median(),
                f"{where} ratio": ratios.median(),
                f"{where} ratio_low": ratios.min(),
                f"{where} ratio_high": ratios.max(),
            }
        alone = _by_round(runs, "in-process", f"{question.name}, solves")
        row["independent solves_s"] = alone.median()
        row["sharing gains"] = (alone / _by_round(runs, "in-process", question.name)).median()
        row["aim"] = question.limit
        rows.append(row)
    return pd.DataFrame(rows)


def _by_round(runs: pd.DataFrame, where: str, what: str) -> pd.Series:
    chosen = runs[(runs["where"] == where) & (runs["what"] == what)]
    return chosen.groupby("round")["seconds"].median()
