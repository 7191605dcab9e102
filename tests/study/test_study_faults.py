"""Faults: kills, full disks, clocks and folders that turn against a run; nothing is lost by any."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY as TINY_TOML
from sources import HELPERS, ROOT
from study_work import areas, finished, grid, integrity, made_up, started

from codesign.errors import SpecError
from codesign.study import Serial, results
from codesign.study.records import Answer
from codesign.study.store import opened

posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
REST = ((0o600, False), (0o400, True))


def assert_each_cell_once(store: Path, cells: int, known: dict[str, tuple[Any, ...]]) -> None:
    """Every cell has one answer and one design, and what was known stands as it was written."""
    final = finished(store)
    assert known.items() <= final.items()
    assert len(final) == cells
    assert {row[6] for row in final.values()} == {"optimal"}
    assert {row[7] for row in final.values()} == {None}  # nothing is claimed
    frame = results(store)
    assert len(frame) == frame["question"].nunique() == cells
    assert [*frame["max_area_mm2"]] == areas(cells)
    assert integrity(store) == "ok"


# --- kills --------------------------------------------------------------------------------------


@posix
@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_killed_run_goes_on_where_it_was(path: Path, log: Path, kills: int) -> None:
    moments, cells = random.Random(kills), 15 * kills
    known: dict[str, tuple[Any, ...]] = {}
    for kill in range(kills):
        with started(path, cells, 0.05, log) as run:
            while kill % 2 and len(finished(path)) == len(known):
                assert run.poll() is None
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.3 if kill % 2 else 1.5))
            run.send_signal(signal.SIGKILL)
        now = finished(path)
        assert known.items() <= now.items()  # nothing lost, nothing written anew
        known = now
    assert known
    with started(path, cells, 0, log) as run:
        out, err = run.communicate(timeout=120)
    assert err == ""
    assert out.split() == [str(cells - len(known)), str(cells)]
    assert_each_cell_once(path, cells, known)
    # Begun in vain: at most what was handed to the two workers at each kill, two for each.
    begun = Counter(log.read_text().split())
    assert len(begun) == cells
    assert begun.total() - cells <= 4 * kills


@pytest.mark.long
@posix
@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.long)])
def test_of_two_runs_one_is_killed_again_and_again(path: Path, log: Path, kills: int) -> None:
    moments, cells = random.Random(kills), 15 * kills
    known: dict[str, tuple[Any, ...]] = {}
    with ExitStack() as over:  # whatever fails, no run outlives the test

        def begin() -> subprocess.Popen[str]:
            run = over.enter_context(started(path, cells, 0.2, log))
            over.callback(run.kill)
            return run

        pair = [begin(), begin()]
        for _ in range(kills):
            time.sleep(moments.uniform(0, 1.5))
            victim = pair.pop(moments.randrange(2))
            victim.kill()
            victim.communicate()  # a worker that was just starting may complain
            now = finished(path)
            assert known.items() <= now.items()
            known = now
            pair.append(begin())
        ends = [run.communicate(timeout=240) for run in pair]
        assert [(out.split()[1:], err) for out, err in ends] == [([str(cells)], "")] * 2
    assert_each_cell_once(path, cells, known)
    begun = Counter(log.read_text().split())
    assert begun.total() - cells <= 4 * kills


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["statements", "bytes"])
def test_any_statement_may_be_the_last_and_any_block_not_fit(
    tmp_path: Path, kind: str, step: int
) -> None:
    ran = subprocess.run(
        [sys.executable, "study_faults.py", kind, str(step), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=HELPERS,
        check=True,
    )
    assert ran.stderr == ""
    *faults, last = [line.split("\t") for line in ran.stdout.splitlines()]
    assert len(faults) > 50 // step
    killed = str(int(signal.SIGKILL)) if kind == "statements" else "0"
    for point, ended_by, _, told, wrong in faults:
        assert (ended_by, wrong) == (killed, "")
        store = tmp_path / f"{kind}{point}.sqlite"
        lines = f"{store}: cannot be written: ", "; what is finished stays, --resume continues"
        assert kind == "statements" or (told.startswith(lines[0]) and told.endswith(lines[1]))
    assert {row[2] for row in faults} >= {"0", "1", "2"}  # cells that were finished
    assert last[1:] == ["0", "3", "", ""]


# --- two runs -----------------------------------------------------------------------------------


@posix
@pytest.mark.slow
def test_two_runs_share_a_store(path: Path, log: Path) -> None:
    runs = [started(path, 60, 0.02, log) for _ in range(2)]
    ends = [run.communicate(timeout=120) for run in runs]
    assert [err for _, err in ends] == ["", ""]
    here = [int(out.split()[0]) for out, _ in ends]
    assert [out.split()[1] for out, _ in ends] == ["60", "60"]
    assert sum(here) == 60
    assert Counter(map(float, log.read_text().split())) == dict.fromkeys(areas(60), 1)
    assert integrity(path) == "ok"


@posix
@pytest.mark.long
def test_a_run_takes_over_from_one_that_is_killed(path: Path, log: Path) -> None:
    with started(path, 6, 60, log) as first:
        while len(log.read_text().split()) < 2:
            time.sleep(0.02)
        second = started(path, 6, 0, log)
        while len(finished(path)) < 2:  # the first one's four are waited for
            time.sleep(0.02)
        assert second.poll() is None
        first.send_signal(signal.SIGKILL)
    out, err = second.communicate(timeout=60)
    assert (out.split(), err) == (["6", "6"], "")


def test_a_run_goes_on_after_an_interrupt_that_left_its_claims(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr("codesign.study.heartbeat.DEAD_AFTER_S", 1.0)
    with monkeypatch.context() as twice:
        twice.setattr("codesign.study.store.Store.release", interrupted)  # the second Ctrl-C
        with pytest.raises(KeyboardInterrupt):
            grid(3).run(path, executor=Serial(), work=interrupted)
    with opened(path) as store:
        assert sum(row["run"] is not None for row in store.cells()) == 1
    assert grid(3).run(path, executor=Serial(), resume=True, work=made_up).here == 3


# --- the clock ----------------------------------------------------------------------------------

BACKWARDS = """
import itertools, time
FIRST, CALLS = time.time(), itertools.count()
time.time = lambda: FIRST - 3600.0 * next(CALLS)
time.time_ns = lambda: int(1e9 * time.time())
"""


@pytest.mark.long
def test_a_clock_that_goes_backwards(path: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BACKWARDS)  # for the workers too
    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    file = tmp_path / "grid.toml"
    file.write_text(
        '[grid]\nnetworks = "tiny.toml"\nrows = "1,2"\ncols = "1,2"\nbits = "4,6,8"\n'
        "max_area_mm2 = [0.001, 0.02, 0.05]\ntime_limit_s = 600\n"
    )
    folders = [str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}

    def told(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=environment, check=True
        )
        assert ran.stderr == ""
        return ran.stdout

    assert told("-c", "import time; print(time.time() > time.time())") == "True\n"
    script = f"if __name__ == '__main__':\n    main({['study', 'run', str(file)]} + WORDS)"
    command = "import sys\nfrom codesign.cli.app import main\n" + script
    begun_s = time.monotonic()
    words = f"['--store', {str(path)!r}, '--quiet', '--workers', '1']"
    out = told("-c", command.replace("WORDS", words))
    assert re.match(r"3 cells: 2 optimal, 1 infeasible; 3 in this run, \d+(\.\d)? s$", out)
    took_s = time.monotonic() - begun_s
    assert results(path)["seconds"].between(0, took_s).all()
    with opened(path) as store:
        assert [answered for answered, _ in store.runs()] == [3]
        assert all(0 <= seconds <= took_s for _, seconds in store.runs())
    out = told("-c", command.replace("WORDS", f"{words} + ['--resume']"))
    assert "; 0 in this run" in out


# --- folders and files --------------------------------------------------------------------------


@pytest.fixture
def bound() -> list[str]:
    """How to start a program that permissions bind: root needs to give up its right to overrule."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def locked(path: Path, log: Path) -> Iterator[Path]:
    """A store of a killed run, its log of writes beside it, in a folder that cannot be written."""
    folder = path.parent / "locked"
    folder.mkdir()
    store = folder / "results.sqlite"
    with started(store, 30, 0.05, log) as run:
        while len(finished(store)) < 3:
            assert run.poll() is None
            time.sleep(0.01)
        run.kill()
    assert Path(f"{store}-wal").exists()
    folder.chmod(0o500)
    yield store
    folder.chmod(0o700)


def told_to(bound: list[str], *commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of ``codesign study`` commands, in one process bound so."""
    script = (
        "import contextlib, io, json, sys\n"
        "from codesign.cli.app import main\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    out, err = io.StringIO(), io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n"
        "        code = main(['study', *words])\n"
        "    print(json.dumps([code, out.getvalue(), err.getvalue()]))\n"
    )
    ran = subprocess.run(
        [*bound, sys.executable, "-c", script, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=HELPERS,
    )
    assert ran.stderr == ""
    return [tuple(json.loads(line)) for line in ran.stdout.splitlines()]


@pytest.mark.long
@posix
@pytest.mark.parametrize(
    ("files", "clean"),
    [(0o400, False), (0o600, True), *(pytest.param(*x, marks=pytest.mark.long) for x in REST)],
)
def test_a_folder_that_cannot_be_written(
    locked: Path, bound: list[str], files: int, clean: bool
) -> None:
    if clean:  # the log of writes taken in
        locked.parent.chmod(0o700)
        with opened(locked, write=True):
            pass
        locked.parent.chmod(0o500)
        assert [*locked.parent.iterdir()] == [locked]
    for file in locked.parent.iterdir():
        file.chmod(files)
    before = {file: file.read_bytes() for file in locked.parent.iterdir() if "shm" not in file.name}
    file, table = locked.parent.parent / "grid.toml", locked.with_suffix(".csv")
    file.write_text("[grid]\nnetworks = 'alexnet'\n")
    runs = ["run", str(file), "--store", str(locked), "--resume"]
    commands = [["status", str(locked)], ["export", str(locked)], runs]
    status, export, *denied = told_to(
        bound, *commands, ["export", str(locked), "--out", str(table)]
    )
    assert (status[0], status[2], export[0], export[2]) == (0, "", 0, "")
    assert export[1].count(",optimal,") >= 3
    assert denied == [
        (2, "", f"codesign: error: {what}: cannot be written: permission denied\n")
        for what in (locked, table)
    ]
    assert {file: file.read_bytes() for file in before} == before
    locked.parent.chmod(0)
    shut = f"codesign: error: {locked}: cannot be opened: Permission denied\n"
    assert told_to(bound, *commands) == [(2, "", shut)] * 3


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_no_file_can_have(tmp_path: Path, name: str) -> None:
    for attempt in (lambda: results(tmp_path / name), lambda: grid(1).run(tmp_path / name)):
        with pytest.raises(SpecError, match=r": (cannot be opened: |no such study store)"):
            attempt()
