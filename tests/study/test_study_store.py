"""The store: what is no store of ours is refused in one line, and no question is anyone's twice."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command_line import TINY
from study_work import finished, grid, integrity, made_up

from codesign import __version__
from codesign.errors import SpecError
from codesign.study import Serial, Study, load_design, results
from codesign.study.cell_keys import QuestionBuilder
from codesign.study.database import FORMAT
from codesign.study.heartbeat import (
    DEAD_AFTER_S,
    HEARTBEAT_S,
    LivenessMonitor,
    ProcessId,
    RunState,
    heartbeats,
    this_process,
)
from codesign.study.records import Answer, CellRow, ClaimedQuestion
from codesign.study.store import Store, opened

pytestmark = pytest.mark.smoke

ELSEWHERE = ProcessId("another machine", 1, "1")


def entries(study: Study) -> list[CellRow]:
    builder = QuestionBuilder(study.front)
    return [builder.row(i, cell) for i, cell in enumerate(study.cells())]


def enrolled(store: Store, study: Study, version: str = __version__) -> list[tuple[str, str]]:
    return store.add_cells(study.name, entries(study), version)


def ended(process: ProcessId) -> ProcessId:
    """A process of this machine that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
        return process._replace(pid=child.pid)


@pytest.fixture
def store(path: Path) -> Path:
    """A store with three answers."""
    grid(3).run(path, executor=Serial(), work=made_up)
    return path


# --- files --------------------------------------------------------------------------------------


def test_one_file_is_left(store: Path) -> None:
    results(store)
    assert [path.name for path in store.parent.iterdir()] == [store.name]
    connection = sqlite3.connect(store)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert integrity(store) == "ok"


def test_answers_are_safe_from_a_power_cut(path: Path) -> None:
    with opened(path, write=True) as store:
        assert store._sql.execute("PRAGMA synchronous").fetchone() == (2,)  # full


def foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def newer(path: Path) -> None:
    grid(1).run(path, executor=Serial(), work=made_up)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()


def text(path: Path) -> None:
    path.write_text("no database at all\n" * 100)


def truncated(path: Path) -> None:
    grid(30).run(path, executor=Serial(), work=made_up)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 // 4096 * 4096])


def scribbled(path: Path) -> None:
    grid(30).run(path, executor=Serial(), work=made_up)
    data = bytearray(path.read_bytes())
    for start in range(4096, len(data), 4096):
        data[start : start + 200] = b"?" * 200
    path.write_bytes(data)


def incomplete(path: Path) -> None:
    grid(1).run(path, executor=Serial(), work=made_up)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE designs")
    connection.execute("DROP TABLE cells")
    connection.close()


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (foreign, "this is an SQLite database of another program; wanted is a study store"),
        (
            newer,
            f"written by a newer codesign (store format {FORMAT + 1}, this one knows {FORMAT})",
        ),
        (text, "not a study store"),
        (truncated, "damaged: "),
        (scribbled, "damaged: "),
        (incomplete, "damaged: no such table"),
        (folder, "cannot be written: not an ordinary file"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(path: Path, spoil, told: str) -> None:  # type: ignore[no-untyped-def]
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(SpecError) as raised:
        grid(2).run(path, executor=Serial(), resume=True, work=made_up)
    assert str(raised.value).startswith(f"{path}: {told}")
    assert "\n" not in str(raised.value)
    with pytest.raises(SpecError) as raised:
        results(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_nothing_is_made_where_nothing_is_read(path: Path) -> None:
    with pytest.raises(SpecError, match="no such study store"):
        results(path)
    with pytest.raises(SpecError, match="no folder"):
        grid(1).run(path / "deeper", executor=Serial(), work=made_up)
    assert not path.exists()


def test_an_empty_file_becomes_a_store_only_to_write(path: Path) -> None:
    path.touch()
    with pytest.raises(SpecError, match="not a study store"):
        results(path)
    assert grid(1).run(path, executor=Serial(), work=made_up).answered == 1


def test_a_locked_folder_is_read_all_the_same(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert len(results(store)) == 3
    with pytest.raises(SpecError, match="permission denied"):
        grid(4).run(store, executor=Serial(), resume=True, work=made_up)


def test_a_store_kept_locked_is_one_line(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign.study.database.connect.__defaults__", (0.05,))
    other = sqlite3.connect(store, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SpecError, match="another program keeps it locked"):
        grid(4).run(store, executor=Serial(), resume=True, work=made_up)
    other.close()


@pytest.mark.slow
def test_many_may_make_it_at_once(path: Path) -> None:
    def make(_: int) -> bool:
        with opened(path, write=True) as store:
            return store.is_used

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(make, range(40))] == [False] * 40
    assert integrity(path) == "ok"


# --- questions ----------------------------------------------------------------------------------


def test_a_question_is_given_to_one(path: Path) -> None:
    study = grid(1)
    with opened(path, write=True) as first, opened(path, write=True) as second:
        ((sha256, status),) = enrolled(first, study)
        assert status == "waiting"
        assert enrolled(second, study) == [(sha256, "waiting")]
        first.start_run(this_process())
        second.start_run(this_process())
        assert isinstance(first.claim(sha256), ClaimedQuestion)
        assert second.claim(sha256) is None
        assert not second.record(sha256, Answer("optimal"))
        assert first.record(sha256, Answer("infeasible", 1.0))
        assert second.claim(sha256) == "infeasible"
        assert not first.record(sha256, Answer("optimal"))
    assert [row[6] for row in finished(path).values()] == ["infeasible"]


def test_what_is_given_back_is_anyones(path: Path) -> None:
    with opened(path, write=True) as first, opened(path, write=True) as second:
        ((sha256, _),) = enrolled(first, grid(1))
        first.start_run(this_process())
        second.start_run(this_process())
        assert first.claim(sha256)
        first.release()
        assert isinstance(second.claim(sha256), ClaimedQuestion)


def test_a_dead_runs_questions_are_anyones(path: Path) -> None:
    with opened(path, write=True) as first, opened(path, write=True) as second:
        ((sha256, _),) = enrolled(first, grid(1))
        first.start_run(ended(this_process()))
        second.start_run(this_process())
        first.claim(sha256)
        second.release_dead_runs(LivenessMonitor())
        assert isinstance(second.claim(sha256), ClaimedQuestion)
        assert not first.record(sha256, Answer("optimal"))  # it was not dead after all
        assert second.record(sha256, Answer("optimal"))


def test_a_run_elsewhere_is_given_time(path: Path) -> None:
    now = [0.0]
    with opened(path, write=True) as first, opened(path, write=True) as second:
        ((sha256, _),) = enrolled(first, grid(1))
        first.start_run(ELSEWHERE)
        second.start_run(this_process())
        first.claim(sha256)
        watch = LivenessMonitor(lambda: now[0])
        for _ in range(5):
            second.release_dead_runs(watch)
            assert second.claim(sha256) is None
            now[0] += DEAD_AFTER_S - 1
            first.record_heartbeat()
        now[0] += 2
        second.release_dead_runs(watch)
        assert second.claim(sha256) is None  # it has beaten since
        now[0] += DEAD_AFTER_S + 1
        second.release_dead_runs(watch)
        assert isinstance(second.claim(sha256), ClaimedQuestion)


def test_a_run_that_ended_without_a_word_is_known_by_its_silence(path: Path) -> None:
    now = [0.0]
    with opened(path, write=True) as first, opened(path, write=True) as second:
        ((sha256, _),) = enrolled(first, grid(1))
        first.start_run(this_process())  # which goes on
        second.start_run(this_process())
        first.claim(sha256)
        watch = LivenessMonitor(lambda: now[0])
        for _ in range(3):
            second.release_dead_runs(watch)
            assert second.claim(sha256) is None
            first.record_heartbeat()
            now[0] += DEAD_AFTER_S - 1
        second.release_dead_runs(watch)
        now[0] += DEAD_AFTER_S + 1
        second.release_dead_runs(watch)
        assert isinstance(second.claim(sha256), ClaimedQuestion)


def test_a_process_is_known_by_its_start() -> None:
    here = this_process()
    watch = LivenessMonitor()
    assert not watch.is_dead(RunState(1, here, 0))
    if here.machine:
        assert watch.is_dead(RunState(2, here._replace(started="1"), 0))
        assert watch.is_dead(RunState(3, ended(here), 0))


def test_the_heart_beats_meanwhile_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign.study.heartbeat.HEARTBEAT_S", 0.01)
    beats: list[int] = []
    with heartbeats(lambda: beats.append(1)):
        while len(beats) < 3:
            time.sleep(0.01)
    assert "codesign-heartbeat" not in [thread.name for thread in threading.enumerate()]
    assert HEARTBEAT_S < DEAD_AFTER_S / 10


@pytest.mark.parametrize(
    ("status", "by", "again"),
    [
        ("lost", __version__, True),
        ("failed", "0.0.1", True),
        ("failed", __version__, False),
        ("unanswered", "0.0.1", False),
        ("feasible", "0.0.1", False),
        ("infeasible", "0.0.1", False),
        ("optimal", "0.0.1", False),
    ],
)
def test_what_is_worth_another_try(path: Path, status: str, by: str, again: bool) -> None:
    with opened(path, write=True) as store:
        ((sha256, _),) = enrolled(store, grid(1))
        store.start_run(this_process())
        store.claim(sha256)
        store.record(sha256, Answer(status, codesign=by, error="why"))
        assert enrolled(store, grid(1)) == [(sha256, "waiting" if again else status)]


@pytest.mark.parametrize(
    ("final", "limit", "asked", "answers"),
    [
        (True, 10, 10, True),
        (True, 10, 60, True),
        (True, 10, None, True),
        (True, 10, 5, False),
        (True, None, 60, False),
        (False, 10, 60, False),
    ],
)
def test_a_final_answer_holds_for_longer_limits(
    path: Path, final: bool, limit: float | None, asked: float | None, answers: bool
) -> None:
    with opened(path, write=True) as store:
        ((first, _),) = enrolled(store, grid(1, time_limit_s=limit))
        store.start_run(this_process())
        store.claim(first)
        store.record(first, Answer("optimal", final=final))
        ((second, status),) = enrolled(store, grid(1, time_limit_s=asked))
    assert (second == first, status) == (answers, "optimal" if answers else "waiting")


def test_several_cells_may_ask_the_same(path: Path) -> None:
    study = grid(2, quality=["uniform:6", None], memory=["ddr4-2400", None])
    tally = study.run(path, executor=Serial(), work=made_up)
    assert (tally.cells, tally.done, tally.here) == (8, 8, 8)
    assert len(finished(path)) == 2
    frame = study.results(path)
    assert len(frame) == 8
    assert frame["question"].nunique() == 2
    assert frame["latency_s"].notna().all()


def test_a_changed_network_file_is_another_question(path: Path, tmp_path: Path) -> None:
    network = tmp_path / "tiny.toml"
    for text_of in (TINY, TINY.replace("K = 10", "K = 5").replace("out = 10", "out = 5")):
        network.write_text(text_of)
        study = Study.grid(networks=[network], max_area_mm2=1)
        study.run(path, executor=Serial(), resume=True, work=made_up)
    assert len(finished(path)) == 2
    assert len(study.results(path)) == 1


def test_an_unknown_design(store: Path) -> None:
    with pytest.raises(SpecError, match="no design 1 of 'nix'"):
        load_design(store, "nix")
