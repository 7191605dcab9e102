"""Why a solve ended: proven, at the gap asked for, out of time, interrupted, in every form.

That every early end of every search tells its reason, `ended_early` asserts at each look at the
clock.
"""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import random_assignments
from command_line import run
from ctrl_c import pressed_after
from ended_early import jumping_clock
from random_problems import random_case
from study_work import grid, made_up

import codesign
from codesign import Assignment, Choices, Design, Front, Problem, SpecError, load_network
from codesign.checking import check_content
from codesign.results.records import ProofRecord
from codesign.results.result_file import with_digest
from codesign.search import hardware_search, least_metric, lexicographic
from codesign.search.milp.highs import Outcome
from codesign.study.executors import Serial
from codesign.study.table import export, read_results

REASONS = ("optimal", "gap", "time", "interrupt")
MILPS = ("solve_restricted", "solve_joint")  # of one option: all in DRAM, and tensors on chip
WORDS = {
    "optimal": "optimal: ",
    "gap": "feasible, gap not closed (gap asked for): ",
    "time": "feasible, gap not closed (time limit): ",
    "interrupt": "feasible, gap not closed (interrupted): ",
}


@pytest.fixture(autouse=True)
def _by_programmes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options are solved as programmes, in which searches here end."""
    monkeypatch.setattr(least_metric, "suits_labels", lambda *_: False)


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Ctrl-C is heard, even by what a shell runs in the background."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Have the next search over hardware end for a reason; what it is to be asked with."""

    def prepare(reason: str) -> dict[str, Any]:
        if reason == "time":
            clock = jumping_clock(monkeypatch)

            def late(*_: Any) -> float:
                next(clock)
                raise codesign.stopping.Stopped

            for milp in MILPS:
                monkeypatch.setattr(hardware_search.HardwareSearch, milp, late)
            return {"time_limit_s": 1000.0}
        if reason == "interrupt":
            opened = pressed_after(least_metric.LeastMetric.bound_options)
            monkeypatch.setattr(least_metric.LeastMetric, "bound_options", opened)
        return {"rel_gap": 0.5} if reason == "gap" else {}

    return prepare


def ended(few_arrays: Problem, reason: str, how: dict[str, Any]) -> Design:
    """A design whose search has ended so; one of a gap that 0.5 leaves open."""
    design = codesign.solve(few_arrays, **how)
    assert design.proof.ended == reason
    assert (design.proof.status == "optimal") == (reason == "optimal")
    assert design.solver.interrupted == (reason == "interrupt")
    return design


@pytest.mark.parametrize("reason", REASONS)
def test_every_form_says_why(
    reason: str,
    few_arrays: Problem,
    ending: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    design, path = ended(few_arrays, reason, ending(reason)), tmp_path / "design.json"
    design.save(path)
    assert codesign.check(path).holds
    assert Design.load(path).proof == design.proof
    code, out, _ = run(capsys, "show", str(path))
    assert code == 0
    assert WORDS[reason] in " ".join(out.split())
    code, out, _ = run(capsys, "show", str(path), "--json")
    assert json.loads(out)["proof"]["ended"] == reason


@pytest.mark.parametrize("reason", ["time", "interrupt"])
def test_a_point_of_a_front_says_why(
    reason: str,
    few_arrays: Problem,
    ending: Callable[[str], dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    front = codesign.pareto(few_arrays, points=3, **ending(reason))
    assert [design.proof.ended for design in front.designs] == [reason]
    front.save(tmp_path / "front.csv")
    assert Front.load(tmp_path / "front.csv").designs[0].proof.ended == reason
    assert front.points["ended"].tolist() == [reason]
    front.save_designs(tmp_path / "designs")
    (path,) = (tmp_path / "designs").iterdir()
    assert codesign.check(path).holds
    _, out, _ = run(capsys, "show", str(tmp_path / "front.csv"))
    shown = " ".join(out.split())
    assert {"time": "feasible, time limit", "interrupt": "feasible, interrupted"}[reason] in shown


@pytest.mark.parametrize(("rel_gap", "reason"), [(1e-6, "optimal"), (0.9, "gap")])
def test_one_model_of_all_and_an_assignment_say_why(rel_gap: float, reason: str) -> None:
    problem = random_case(7008).problem
    assert codesign.solve(problem, method="whole", rel_gap=rel_gap).proof.ended == reason
    case = random_assignments.random_case(30)
    assert codesign.assign(case.problem, case.table, rel_gap=rel_gap).proof.ended == reason


def test_an_interrupt_among_ties_came_after_the_proof(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_goal = lexicographic._next_goal

    def pressed(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return next_goal(*given)

    monkeypatch.setattr(lexicographic, "_next_goal", pressed)
    design = codesign.solve(few_arrays)
    assert design.solver.interrupted
    assert (design.proof.ended, design.proof.ties) == ("optimal", "not proven")


def test_the_gap_asked_for_ends_the_objective_not_the_ties(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexicographic, "TIES_LEAST_S", 0.0)
    monkeypatch.setattr(lexicographic, "TIES_TIMES", 0.0)
    proof = codesign.solve(few_arrays, rel_gap=0.5, time_limit_s=1000.0).proof
    assert (proof.status, proof.ended, proof.ties) == ("feasible", "gap", "not proven")


def test_a_solver_that_gives_up_has_no_reason(
    few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gives_up(*_: Any) -> float:
        raise codesign.stopping.Stopped

    for milp in MILPS:
        monkeypatch.setattr(hardware_search.HardwareSearch, milp, gives_up)
    proof = codesign.solve(few_arrays).proof
    assert (proof.status, proof.ended) == ("feasible", None)


@pytest.mark.parametrize(
    ("limit_s", "interrupted", "reason"),
    [(1000.0, False, "time"), (None, True, "interrupt"), (1000.0, True, "interrupt")],
)
def test_another_solver_ends_for_the_same_reasons(
    limit_s: float | None,
    interrupted: bool,
    reason: str,
    few_arrays: Problem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def solver(*_: Any) -> Outcome:
        if interrupted:
            raise KeyboardInterrupt
        return Outcome("unknown", -math.inf)

    monkeypatch.setattr("codesign.search.milp.solvers.installed", lambda solver: True)
    monkeypatch.setattr("codesign.search.milp.solvers._by_pyomo", solver)
    design = codesign.solve(few_arrays, solver="scip", time_limit_s=limit_s)
    assert (design.proof.status, design.proof.ended) == ("feasible", reason)
    assert check_content(content_of(design), "given").holds


# --- files ---------------------------------------------------------------------------------------


def content_of(result: Design | Assignment) -> Any:
    """Its file's, as read."""
    return json.loads(json.dumps(result.to_dict()))


@pytest.fixture(scope="module")
def answers() -> list[Any]:
    """Files of a design and an assignment, proven, with no digest."""
    problem = replace(random_case(7003).problem, quality=None, budgets={})
    asked = Problem(network=problem.network, objective="noise")
    contents = [content_of(codesign.solve(problem)), content_of(codesign.assign(asked))]
    for content in contents:
        del content["sha256"]
    return contents


def feasible(content: Any, reason: Any, interrupted: bool) -> Any:
    """The same, half proven, with a reason."""
    made = json.loads(json.dumps(content))
    objective = made["proof"]["objective"]
    bound = objective * 0.5
    made["proof"] |= {"status": "feasible", "bound": bound, "gap": 0.5, "ended": reason}
    made["proof"] |= {"ties": "not proven", "ties_broken": False}
    made["solver"]["interrupted"] = interrupted
    return made


@pytest.mark.parametrize("which", range(2))
def test_a_reason_that_contradicts_the_rest_is_told(answers: list[Any], which: int) -> None:
    content = answers[which]
    assert check_content(content, "given").findings == ()
    if content["proof"]["objective"] == 0:
        raise AssertionError("nothing to leave open")
    for reason in ("gap", "time", "interrupt", "ctrl-c", 1, True, ["optimal"]):
        altered = {**content, "proof": content["proof"] | {"ended": reason}}
        assert "proof.ended" in str(check_content(altered, "given").findings), reason
    right = [("gap", False), ("time", False), ("interrupt", True), ("gap", True), ("time", True)]
    for reason, interrupted in right:
        assert check_content(feasible(content, reason, interrupted), "given").holds, reason
    for reason in ("optimal", "patience", 0):
        told = check_content(feasible(content, reason, False), "given").findings
        assert [finding.where for finding in told] == ["proof.ended"], reason
    told = check_content(feasible(content, "interrupt", False), "given").findings
    assert [finding.where for finding in told] == ["solver.interrupted"]


def test_the_digest_holds_the_reason(few_arrays: Problem) -> None:
    content = content_of(codesign.solve(few_arrays, rel_gap=0.5))
    assert content["proof"]["ended"] == "gap"
    content["proof"]["ended"] = "time"
    assert [x.where for x in check_content(content, "given").findings] == ["sha256"]
    del content["proof"]["ended"]
    assert [x.where for x in check_content(content, "given").findings] == ["sha256"]


@pytest.mark.parametrize("which", range(2))
def test_old_files_hold_and_tell_what_follows(
    answers: list[Any], which: int, tmp_path: Path
) -> None:
    kind, path = (Design, Assignment)[which], tmp_path / "old.json"
    for content, derived in (
        (answers[which], "optimal"),
        (feasible(answers[which], None, False), None),
        (feasible(answers[which], None, True), None),  # perhaps only after the gap asked for
    ):
        old = json.loads(json.dumps(content))
        del old["proof"]["ended"]
        path.write_text(json.dumps(with_digest(old)))
        assert codesign.check(path).holds
        assert kind.load(path).proof.ended == derived
    path.write_text(json.dumps(feasible(answers[which], "patience", False)))
    with pytest.raises(SpecError, match="ended"):
        kind.load(path)


def test_old_tables_of_fronts_are_read(few_arrays: Problem, tmp_path: Path) -> None:
    front = codesign.pareto(few_arrays, points=2)
    front.save(tmp_path / "front.csv")
    table = front.points.drop(columns="ended")
    table.to_csv(tmp_path / "old.csv", index=False)
    assert [x.proof.ended for x in Front.load(tmp_path / "old.csv").designs] == ["optimal"] * 2
    table.assign(status="feasible").to_csv(tmp_path / "old.csv", index=False)
    old = Front.load(tmp_path / "old.csv")
    assert [x.proof.ended for x in old.designs] == [None] * 2


def test_a_record_says_optimal_exactly_where_it_is() -> None:
    proof = ProofRecord.of(2.0, 2.0, "broken", "time")
    assert proof.ended == replace(proof, ended="gap").ended == "optimal"
    assert replace(proof, status="feasible").ended is None
    assert replace(proof, status="feasible", ended="interrupt").ended == "interrupt"


def test_a_proof_of_a_bound_tells_its_reason_only_where_it_leaves_a_gap() -> None:
    for reason in ("gap", "time", "interrupt", None):
        assert ProofRecord.of(2.0, 2.0, "broken", reason).ended == "optimal"  # type: ignore[arg-type]
        assert ProofRecord.of(2.0, -math.inf, "left", reason).ended == reason  # type: ignore[arg-type]


# --- explanations and studies --------------------------------------------------------------------


def test_an_explanation_keeps_the_reason(tiny: str, tmp_path: Path) -> None:
    choices = Choices(rows=(4,), cols=(4, 8), weight_bits=(4, 8), activation_bits=(8,))
    problem = Problem(network=load_network(Path(tiny)), choices=choices, budgets={"area_mm2": 4.0})
    why = codesign.solve(problem).explain()
    why.save(tmp_path / "why.json")
    content = json.loads((tmp_path / "why.json").read_text())
    assert content["proof"]["ended"] == "optimal"
    assert codesign.Explanation.load(tmp_path / "why.json").design.proof.ended == "optimal"


def test_a_study_has_a_column_of_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"networks": ["resnet18"], "max_area_mm2": [6.0], "rows": "16", "cols": "64"}
    study, store = codesign.Study.grid(**asked, rel_gap=[1e-6, 0.5]), tmp_path / "grid.sqlite"
    study.run(store, executor=Serial())
    table = read_results(store)
    assert table["ended"].tolist() == ["optimal", "gap"]
    assert table.dtypes["ended"] == "string"
    few = ("--rows", "16", "--cols", "64", "--max-area-mm2", "6")
    _, out, _ = run(capsys, "solve", "resnet18", *few, "--rel-gap", "0.5", "--quiet")
    assert out.startswith("feasible, gap ")


def test_rows_of_before_have_no_reason(tmp_path: Path) -> None:
    grid(3).run(tmp_path / "old.sqlite", executor=Serial(), work=made_up)
    table = read_results(tmp_path / "old.sqlite")
    assert table["status"].tolist() == ["optimal"] * 3
    assert table["ended"].isna().all()
    assert table.dtypes["ended"] == "string"
    export(table, tmp_path / "old.csv")
