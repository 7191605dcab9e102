"""What becomes of equally good designs: broken, left, or not proven, in every form of an answer."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import oracle
import pytest
from command_line import BUDGET, SMALL, run
from random_problems import random_case
from seeds import mostly_long

import codesign
from codesign import Problem, SpecError
from codesign.problem.goal import TiesFound
from codesign.problem.tolerances import keeps
from codesign.results.records import ProofRecord
from codesign.search import lexicographic
from codesign.search.lexicographic import Ties
from codesign.stopping import StopCondition

OUTCOMES: list[tuple[Ties, float, TiesFound]] = [
    ("break", 10.0, "broken"),
    ("break", 0.0, "not proven"),
    ("leave", 10.0, "left"),
]
WORDS = {
    "broken": ("optimal: ", "optimal, gap 0: "),
    "left": ("optimal (ties left: an equal ", "optimal, gap 0, ties left: "),
    "not proven": ("optimal (ties not proven: an equal ", "optimal, gap 0, ties not proven: "),
}


@pytest.fixture(params=OUTCOMES)
def outcome(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[Ties, TiesFound]:
    """What is asked for and what comes of it, with so many seconds for ties at most."""
    ties, seconds, found = request.param
    monkeypatch.setattr(lexicographic, "TIES_LEAST_S", seconds)
    monkeypatch.setattr(lexicographic, "TIES_TIMES", 0.0)
    return ties, found


@pytest.mark.parametrize("command", ["solve", "assign"])
def test_every_form_says_what_became_of_ties(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    tmp_path: Path,
    outcome: tuple[Ties, TiesFound],
    command: str,
) -> None:
    ties, found = outcome
    hardware = (*SMALL, *BUDGET) if command == "solve" else ("--bits", "4,8")
    asked = (command, tiny, *hardware, "--ties", ties)
    report, line = WORDS[found]
    code, out, _ = run(capsys, *asked, "--out", str(tmp_path / "answer.json"))
    assert code == 0  # the objective is proven
    assert report in " ".join(out.split())
    code, out, _ = run(capsys, *asked, "--quiet")
    assert (code, out.count("\n")) == (0, 1)
    assert out.replace("gap < 1e-09", "gap 0").startswith(line)
    code, out, _ = run(capsys, *asked, "--json")
    written = json.loads((tmp_path / "answer.json").read_text())
    for content in (json.loads(out), written):
        assert content["proof"]["ties"] == found
        assert content["proof"]["ties_broken"] == (found == "broken")
    assert codesign.check(tmp_path / "answer.json").holds
    kind = codesign.Design if command == "solve" else codesign.Assignment
    loaded = kind.load(tmp_path / "answer.json")
    assert loaded.proof.ties == found


@pytest.mark.parametrize("seed", mostly_long(range(25), 10))
def test_an_answer_with_ties_left_is_an_enumerated_optimum(seed: int) -> None:
    problem, points = random_case(seed + 7000)
    truth = oracle.best(points, problem.objective, problem.budgets)
    if truth is None:
        return
    left, broken = codesign.solve(problem, ties="leave"), codesign.solve(problem)
    assert (left.proof.ties, broken.proof.ties) == ("left", "broken")
    for design in (left, broken):
        assert design.proof.status == "optimal"
        least = pytest.approx(truth.value(problem.objective), rel=1e-9, abs=0)
        assert design.metrics[problem.objective] == least
        assert all(keeps(design.metrics[name], x) for name, x in problem.budgets.items())
    assert left.solver.programmes <= broken.solver.programmes


def test_the_share_ends_with_the_ties_and_a_time_limit_holds_for_all() -> None:
    stop = StopCondition(1000.0)
    whole = stop.deadline_s
    with stop.within(5.0):
        assert stop.deadline_s < whole - 900
    assert stop.deadline_s == whole
    with stop.within(5000.0):
        assert stop.deadline_s == whole


@pytest.mark.parametrize("solve", [codesign.solve, codesign.assign])
def test_other_words_for_ties_are_refused(few_arrays: Problem, solve: Any) -> None:
    with pytest.raises(SpecError, match="ties must be one of break, leave, got 'cut'"):
        solve(few_arrays, ties="cut")


def test_old_proofs_say_by_their_flag_what_became_of_ties() -> None:
    for broken in (True, False):
        proof = ProofRecord(status="optimal", objective=1.0, bound=1.0, gap=0.0, ties_broken=broken)
        assert proof.ties == ("broken" if broken else "not proven")
        assert replace(proof, ties_broken=not broken).ties != proof.ties


@pytest.mark.parametrize("seed", range(6))
def test_contradicting_words_on_ties_are_told(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "design.json"
    codesign.solve(replace(random_case(7003 + seed).problem, quality=None, budgets={})).save(path)
    content = json.loads(path.read_text())
    content["proof"]["ties"] = rng.choice(("left", "not proven", "all", 1))
    del content["sha256"]
    path.write_text(json.dumps(content))
    assert not codesign.check(path).holds


def test_a_study_asks_for_ties(tiny: str, tmp_path: Path) -> None:
    grid = {"networks": [tiny], "max_area_mm2": [4.0], "rows": "4,8", "cols": "4", "bits": "4,8"}
    study = codesign.Study.grid(**grid, ties=["break", "leave"])
    study.run(tmp_path / "ties.sqlite")
    table = study.results(tmp_path / "ties.sqlite")
    assert [*table["ties_broken"]] == [True, False]
    assert [*table["status"]] == ["optimal", "optimal"]
