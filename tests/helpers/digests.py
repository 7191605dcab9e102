"""Prints a digest of every file the answers of some questions make, timing fields left aside.

Run as a program, for `test_determinism`: ``digests.py networks`` or ``digests.py FIRST LAST`` for
the random problems from one seed to another.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import random_assignments
from enumerated_fronts import front_case
from random_problems import random_case

import codesign
from codesign import Choices, Problem
from codesign.errors import CodesignError
from codesign.tasks.certify import certify

TIMES = ("seconds", "solver_s")


def timeless(content: Any) -> Any:
    """The content of a file without what a clock told."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMES}
    return [timeless(x) for x in content] if isinstance(content, list | tuple) else content


def digest(content: Any) -> str:
    """Of content, the order of its keys included."""
    return sha256(json.dumps(timeless(content)).encode()).hexdigest()[:16]


def of_random(seed: int) -> Iterator[tuple[str, Any]]:
    """Answers to the random questions of one seed."""
    case = random_case(seed)
    for method in ("search", "whole"):
        yield method, lambda how=method: codesign.solve(case.problem, method=how).to_dict()
    assigned = random_assignments.random_case(seed)
    yield "assign", lambda: codesign.assign(assigned.problem, assigned.table).to_dict()
    if seed % 4 == 0:
        yield "certificate", lambda: certify(codesign.solve(case.problem)).to_dict()
        yield "explain", lambda: codesign.solve(case.problem).explain().to_dict()
    if seed % 4 == 1:
        front = front_case(seed)
        yield "pareto", lambda: front_files(front.problem, front.objectives, None)


def front_files(problem: Problem, objectives: tuple[str, ...], points: int | None) -> list[Any]:
    """A front's table and its designs' files."""
    front = codesign.pareto(problem, objectives, points)
    with tempfile.TemporaryDirectory() as folder:
        front.save(Path(folder, "front.csv"))
        front.save_designs(Path(folder, "designs"))
        with Path(folder, "front.csv").open(newline="") as file:
            table = [
                {key: json.loads(x) if key == "front" and x else x for key, x in row.items()}
                for row in csv.DictReader(file)
            ]
        files = sorted(Path(folder, "designs").iterdir())
        return [table, *((file.name, json.loads(file.read_text())) for file in files)]


def of_networks() -> Iterator[tuple[str, Any]]:
    """Answers about a shipped network, whose tables are large enough for threads of numpy's."""
    network = codesign.load_network("resnet18")
    choices = Choices(rows=(8, 16, 32), cols=(32, 64), pe_weight_bits=(6, 8))
    budgets = {"latency_s": {"area_mm2": 6.0}, "area_mm2": {"latency_s": 2e-3}}
    for objective in ("latency_s", "area_mm2", "dram_bits"):
        problem = Problem(
            network=network,
            choices=choices,
            quality="uniform:6",
            objective=objective,
            budgets=budgets.get(objective, {"area_mm2": 4.0, "latency_s": 3e-3}),
        )
        yield objective, lambda p=problem: codesign.solve(p).to_dict()
    problem = Problem(network=network, choices=choices, quality="uniform:6")
    yield "pareto", lambda: front_files(problem, ("latency_s", "area_mm2"), 4)
    widths = Problem(network=network, objective="noise", budgets={"bops": 4e10})
    yield "assign", lambda: codesign.assign(widths).to_dict()
    eyeriss = codesign.load_accelerator("eyeriss")
    yield "evaluate", lambda: codesign.evaluate(network, eyeriss, 8).to_dict()


def main(arguments: list[str]) -> None:
    """Print one line for each answer."""
    if arguments == ["networks"]:
        asked = [("resnet18", name, ask) for name, ask in of_networks()]
    else:
        seeds = range(*map(int, arguments))
        asked = [(str(seed), name, ask) for seed in seeds for name, ask in of_random(seed)]
    for where, name, ask in asked:
        try:
            sys.stdout.write(f"{where} {name} {digest(ask())}\n")
        except CodesignError as error:
            sys.stdout.write(f"{where} {name} {error}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
