"""Runs: every cell answered once, whatever dies on the way; what fails is a row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import (
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY as TINY_TOML
from sources import HELPERS
from study_work import (
    SECONDS,
    SMALL,
    TINY,
    areas,
    deadly,
    failing,
    finished,
    grid,
    made_up,
    started,
)

import codesign
from codesign.errors import CodesignError, InfeasibleError, SolverError, SpecError
from codesign.study import Serial, Study, load_design, results
from codesign.study.cell_keys import QuestionBuilder
from codesign.study.executors import slots
from codesign.study.records import Answer, Question
from codesign.study.scheduler import Tally
from codesign.study.solve_cell import answer_question
from codesign.study.store import opened
from codesign.tasks.solve import solve

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def statuses(store: Path) -> Counter[str]:
    return Counter(results(store)["status"])


def asked(study: Study) -> list[Question]:
    builder = QuestionBuilder(study.front)
    return [builder.question(cell) for cell in study.cells()]


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_designs_are_those_of_solve(path: Path) -> None:
    study = Study.grid(networks=[TINY], max_area_mm2=[0.001, 0.02, 0.05], **SMALL)
    tally = study.run(path, executor=Serial())
    assert tally.counts == {"waiting": 0, "infeasible": 1, "optimal": 2}
    frame = study.results(path)
    assert "no design keeps area at most 0.001 mm²" in frame["error"][0]
    for row in frame[1:].itertuples():
        found = load_design(path, row.question)
        fresh = solve(found.problem)
        assert found.problem.network == TINY
        assert found.metrics == fresh.metrics
        assert (found.hardware, found.layer_designs) == (fresh.hardware, fresh.layer_designs)
        assert row.latency_s == fresh.metrics["latency_s"]
        assert (row.rows, row.sram_bits) == (fresh.hardware.rows, fresh.hardware.sram_bits)
        assert (row.objective, row.gap) == (fresh.proof.objective, fresh.proof.gap)
        assert row.solver.startswith("HiGHS ")
        assert row.codesign == codesign.__version__
        assert row.seconds > 0


@pytest.mark.slow
def test_fronts_are_those_of_pareto(path: Path) -> None:
    study = Study.grid(networks=[TINY], clock_mhz=[100, 200], front={"points": 3}, **SMALL)
    assert study.run(path, executor=Serial()).answered == 2
    frame = study.results(path)
    for clock_mhz, rows in frame.groupby("clock_mhz"):
        found = [load_design(path, row.question, row.design) for row in rows.itertuples()]
        problem = codesign.Problem(
            network=TINY,
            clock_hz=1e6 * float(clock_mhz),
            choices=found[0].problem.choices,
            quality="uniform:6",
        )
        front = codesign.pareto(problem, points=3)
        assert [x.metrics for x in found] == [x.metrics for x in front.designs]
        assert [x.problem.budgets for x in found] == [x.problem.budgets for x in front.designs]
        assert [*rows["design"]] == [1, 2, 3]
        assert [*rows["front_gap"]] == [front.gap] * 3


@pytest.mark.parametrize(
    ("raised", "status", "told"),
    [
        (InfeasibleError("infeasible: no"), "infeasible", "infeasible: no"),
        (SolverError("recheck"), "failed", "recheck"),
        (SpecError("wrong"), "failed", "wrong"),
        (MemoryError(), "lost", "out of memory"),
        (ZeroDivisionError("by\nzero"), "failed", "ZeroDivisionError: by zero"),
        (ValueError("x" * 9999), "failed", "ValueError: xxx"),
    ],
)
def test_what_goes_wrong_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, status: str, told: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr("codesign.tasks.solve.solve", fail)
    (question,) = asked(grid(1))
    found = answer_question(question.text, question.network)
    assert found.status == status
    assert (found.error or "").startswith(told)
    assert len(found.error or "") < 600
    assert found.seconds is not None


def test_too_little_time_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: Any, **given: Any) -> None:
        time.sleep(given["time_limit_s"])
        raise SolverError("no design found within 0.01 s")

    monkeypatch.setattr("codesign.tasks.solve.solve", late)
    (question,) = asked(grid(1, time_limit_s=0.01))
    assert answer_question(question.text, question.network).status == "unanswered"


# --- who answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "executor", [Serial, lambda: ThreadPoolExecutor(3)], ids=["serial", "threads"]
)
def test_each_question_is_answered_once(path: Path, log: Path, executor: Callable[[], Any]) -> None:
    study, seen = grid(20), list[Tally]()
    with executor() as pool:
        tally = study.run(path, executor=pool, work=made_up, on_progress=seen.append)
        assert (tally.done, tally.here, tally.answered) == (20, 20, 20)
        assert sorted(map(float, log.read_text().split())) == areas(20)
        assert [x.done for x in seen] == sorted(x.done for x in seen)
        assert (seen[0].done, seen[-1].done) == (0, 20)
        again = study.run(path, executor=pool, resume=True, work=made_up)
    assert (again.done, again.here) == (20, 0)
    assert len(log.read_text().split()) == 20


def test_a_used_store_is_not_taken_by_mistake(path: Path) -> None:
    grid(1).run(path, executor=Serial(), work=made_up)
    with pytest.raises(SpecError, match=r"holds results already; resume \(--resume\) continues it"):
        grid(2).run(path, executor=Serial(), work=made_up)
    assert len(results(path)) == 1


def test_a_store_holds_several_studies(path: Path) -> None:
    small, large = grid(2, name="small"), grid(5, name="large", batch=1)
    small.run(path, executor=Serial(), work=made_up)
    tally = large.run(path, executor=Serial(), resume=True, work=made_up)
    assert (tally.cells, tally.here) == (5, 3)  # two were known
    assert (len(small.results(path)), len(large.results(path)), len(results(path))) == (2, 5, 7)
    assert "batch" not in small.results(path)


def test_a_cell_left_out_of_the_grid_is_not_solved(path: Path, log: Path) -> None:
    with opened(path, write=True) as store:
        grid(5)._add_cells(store)
    grid(2).run(path, executor=Serial(), resume=True, work=made_up)
    assert len(log.read_text().split()) == 2
    assert statuses(path) == {"optimal": 2, "waiting": 3}
    assert len(grid(2).results(path)) == 2


@pytest.mark.slow
def test_processes_answer(path: Path) -> None:
    tally = grid(8).run(path, workers=2, work=made_up)
    assert (tally.answered, tally.here) == (8, 8)


@pytest.mark.slow
@posix
def test_a_killed_worker_costs_its_cell_only(path: Path, log: Path) -> None:
    tally = grid(8).run(path, workers=2, work=deadly)
    assert tally.counts == {"waiting": 0, "optimal": 7, "lost": 1}
    begun = Counter(map(float, log.read_text().split()))
    assert begun == dict.fromkeys([x for x in areas(8) if x != areas(2)[1]], 1)
    (lost,) = results(path).query("status == 'lost'")["error"]
    assert lost == "its worker process died: killed, crashed or out of memory"
    again = grid(8).run(path, executor=Serial(), resume=True, work=made_up)
    assert (again.here, again.answered) == (1, 8)


@pytest.mark.slow
@posix
def test_an_executor_that_breaks_costs_nothing_finished(path: Path) -> None:
    with (
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
        pytest.raises(CodesignError, match="the executor broke: BrokenProcessPool") as raised,
    ):
        grid(8).run(path, executor=pool, work=deadly)
    assert "1 of 8 cells are finished" in str(raised.value)
    assert statuses(path) == {"optimal": 1, "waiting": 7}
    assert grid(8).run(path, executor=Serial(), resume=True, work=made_up).here == 7


def test_what_is_lost_on_its_way_is_a_row(path: Path) -> None:
    tally = grid(3).run(path, executor=Serial(), work=failing)
    assert tally.counts == {"waiting": 0, "optimal": 2, "lost": 1}
    assert [*results(path)["error"].dropna()] == ["OSError: the connection broke"]


def test_workers_of_another_version_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codesign.study.solve_cell.VERSION", "0.0.1")
    with pytest.raises(CodesignError, match=r"the workers have codesign 0\.0\.1, this is"):
        grid(1).run(path, executor=Serial(), work=made_up)
    assert statuses(path) == {"waiting": 1}


def test_workers_that_cannot_answer_are_refused(path: Path) -> None:
    class Odd(Serial):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(ModuleNotFoundError("No module named 'codesign'"))
            return future

    with pytest.raises(CodesignError, match="the workers cannot be used: ModuleNotFoundError"):
        grid(1).run(path, executor=Odd(), work=made_up)
    assert statuses(path) == {"waiting": 1}


def test_an_executor_that_is_over(path: Path) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(CodesignError, match="the workers cannot be used: RuntimeError"):
        grid(1).run(path, executor=pool, work=made_up)


def test_an_executor_or_workers(path: Path) -> None:
    with pytest.raises(SpecError, match="not both"):
        grid(1).run(path, executor=Serial(), workers=2)


def test_not_more_than_needed_is_in_flight(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS, "0.02")

    class Counting(ThreadPoolExecutor):
        waiting = most = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            future = super().submit(fn, *args, **kwargs)
            future.add_done_callback(lambda _: setattr(self, "waiting", self.waiting - 1))
            return future

    with Counting(2) as pool:
        grid(10).run(path, executor=pool, work=made_up)
        assert 1 < pool.most <= 4
        assert slots(pool) == 2
        pool.most = 0
        grid(15).run(path, executor=pool, work=made_up, resume=True, in_flight=1)
        assert pool.most == 1


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(HELPERS)!r})\n"
        f"from study_work import grid\ngrid(3).run({str(path)!r}, workers=1)\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "put what runs it under if __name__ == '__main__':" in ran.stderr
    assert "CodesignError: the workers cannot be used: its worker process died" in ran.stderr
    assert statuses(path) == {"waiting": 3}


# --- interruptions ------------------------------------------------------------------------------


def test_an_interrupt_keeps_what_is_finished(path: Path) -> None:
    def interrupted(question: str, network: str) -> Answer:
        if len(finished(path)) == 2:
            raise KeyboardInterrupt
        return made_up(question, network)

    with pytest.raises(KeyboardInterrupt):
        grid(5).run(path, executor=Serial(), work=interrupted)
    assert statuses(path) == {"optimal": 2, "waiting": 3}
    assert {row[7] for row in finished(path).values()} == {None}  # nothing is claimed
    assert grid(5).run(path, executor=Serial(), resume=True, work=made_up).here == 3


@posix
@pytest.mark.slow
def test_workers_of_a_killed_run_end(path: Path, log: Path) -> None:
    with started(path, 4, 60, log) as run:
        while len(log.read_text().split()) < 2:
            time.sleep(0.02)
        assert run.poll() is None
        children = descendants(run.pid)
        assert len(children) >= 2
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def descendants(pid: int) -> list[int]:
    """Children of a process (Linux)."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs, and is not merely not yet waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@posix
@pytest.mark.slow
def test_ctrl_c_is_one_line(path: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    file = tmp_path / "grid.toml"
    budgets = ", ".join(map(str, areas(200)[2:]))
    file.write_text(
        f'[grid]\nnetworks = "tiny.toml"\nrows = "1,2"\ncols = "1,2"\nbits = "4,6,8"\n'
        f"max_area_mm2 = [{budgets}]\n"
    )
    words = ["study", "run", str(file), "--store", str(path), "--workers", "2"]
    # Where the tests run in the background of a shell, SIGINT is ignored unless asked for.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = f"{heard}import sys\nfrom codesign.cli.app import main\nsys.exit(main({words}))"
    command = [sys.executable, "-c", f"if __name__ == '__main__':\n    exec({script!r})"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        while not finished(path):
            assert run.poll() is None
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the workers too
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err == f"codesign: interrupted; what is finished is in {path}, --resume continues\n"
    counts = statuses(path)
    assert 0 < counts["optimal"] < 198
    assert {row[7] for row in finished(path).values()} == {None}
    with opened(path) as store:
        assert {row["run"] for row in store.cells()} == {None}
