"""Standard output holds the answer and nothing else, however the command or the library is started.

The fault: text of a library (a banner of HiGHS, a log of Pyomo's, a message of SCIP's) that comes
out between, before or in place of the answer.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from installed import (
    CODES,
    WITH_JSON,
    WITH_QUIET,
    WITHOUT_JSON,
    leaf_commands,
    make_files,
    python,
    started,
    started_closed,
    started_unread,
    strict_json,
)
from seeds import half_long

from codesign.cli.app import program
from codesign.search.milp import highs, solvers

LOWEST = {  # tried with the lowest versions of all dependencies too
    *("solve", "solve, whole", "solve, certified", "pareto, three objectives", "evaluate"),
    *("assign", "explain", "check --deep", "export sheet", "fit", "import", "study run", "sweep"),
}
CASES = [
    pytest.param(name, id=name, marks=[pytest.mark.smoke] if name in LOWEST else [])
    for name in WITH_JSON
]
DRAWN = random.Random(12).sample([*WITH_JSON], 4)  # of those that are tried in every odd way
OTHERS = [name for name in ("scip", "cbc") if solvers.installed(name)]
SOLVE = """
import sys
from codesign import Choices, Problem, load_network, solve
from pathlib import Path
sides = dict(rows=(1, 2), cols=(1, 2), weight_bits=(4, 8), activation_bits=(4, 8))
problem = Problem(network=load_network(Path(sys.argv[1])), choices=Choices(**sides), quality=None)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands read."""
    made = tmp_path_factory.mktemp("folder")
    make_files(made)
    return made


# --- the installed command ----------------------------------------------------------------------


def test_every_command_is_tried() -> None:
    options = leaf_commands(program)
    with_json = {name for name, names in options.items() if "json" in names}
    assert with_json == {*options} - WITHOUT_JSON
    assert {*WITH_JSON} >= LOWEST
    tried = {name.partition(",")[0].partition(" --")[0] for name in WITH_JSON}
    assert {name for name in with_json if name in tried} == with_json
    assert {name for name, names in options.items() if "quiet" in names} == {*WITH_QUIET}


@pytest.mark.parametrize("name", half_long(CASES))
def test_json_is_all_of_standard_output(folder: Path, name: str) -> None:
    ran = started(folder, *WITH_JSON[name], "--json")
    assert ran.returncode == CODES.get(name, 0)
    assert strict_json(ran.stdout)
    told = ran.stderr.splitlines()
    assert len(told) == (name == "solve, infeasible")
    assert all(line.startswith("codesign: ") for line in told)


@pytest.mark.parametrize("name", WITH_QUIET)
def test_quiet_is_one_line(folder: Path, name: str) -> None:
    ran = started(folder, *WITH_JSON[name], "--quiet")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("\n")
    assert len(ran.stdout.splitlines()) == 1


@pytest.mark.parametrize("name", DRAWN)
def test_closed_or_unread_standard_output(folder: Path, name: str) -> None:
    closed = started_closed(folder, *WITH_JSON[name], "--json")
    assert closed.returncode == CODES.get(name, 0)
    unread = started_unread(folder, *WITH_JSON[name], "--json")
    assert unread.returncode == 1
    for ran in (closed, unread):
        assert all(line.startswith("codesign: ") for line in ran.stderr.splitlines())


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_JSON)
def test_every_command_with_closed_or_unread_standard_output(folder: Path, name: str) -> None:
    test_closed_or_unread_standard_output(folder, name)


def test_a_file_opened_while_standard_output_is_closed_stays_whole(folder: Path) -> None:
    assert started_closed(folder, *WITH_JSON["solve"], "--out", "new.json").returncode == 0
    assert json.loads((folder / "new.json").read_text())["format"] == "codesign-design/1"


def test_a_file_as_standard_output(folder: Path) -> None:
    with open(folder / "printed.json", "w") as file:
        assert started(folder, *WITH_JSON["solve"], "--json", stdout=file).returncode == 0
    assert strict_json((folder / "printed.json").read_text())["proof"]["status"] == "optimal"


@pytest.mark.parametrize("solver_name", OTHERS)
def test_another_solver_says_nothing(folder: Path, solver_name: str) -> None:
    ran = started(folder, *WITH_JSON["solve"], "--json", "--solver", solver_name)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert strict_json(ran.stdout)["proof"]["status"] == "optimal"


@pytest.mark.skipif(os.name != "posix", reason="C's library of POSIX")
def test_whatever_a_library_prints_is_no_part_of_it(folder: Path) -> None:
    program = """
import ctypes, os, sys
import codesign.cli.app
def noisy(run=codesign.cli.app.main):
    ctypes.CDLL(None).printf(b"held back by C\\n")
    os.write(1, b"written at once\\n")
    os.system("echo by another program")
    code = run(sys.argv[1:])
    os.write(1, b"afterwards\\n")
    return code
codesign.cli.app.main = noisy
from codesign.__main__ import main
sys.exit(main())
"""
    ran = python(program, *WITH_JSON["solve"], "--json", cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert strict_json(ran.stdout)["proof"]["status"] == "optimal"


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script, which makes a terminal")
def test_a_terminal_is_still_one(folder: Path) -> None:
    words = f"stty cols 70; {sys.executable} -m codesign show networks"
    plain = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    script = ["script", "-qec", words, "/dev/null"]
    ran = subprocess.run(script, env=plain, capture_output=True, text=True)
    assert "\x1b[1m" in ran.stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout).splitlines()
    assert 60 < max(map(len, lines)) <= 70


# --- the library --------------------------------------------------------------------------------


@pytest.mark.smoke
def test_the_library_prints_nothing(folder: Path) -> None:
    program = f"""{SOLVE}
from threading import Thread
print("before")
threads = [Thread(target=solve, args=(problem,)) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("after")
"""
    ran = python(program, "tiny.toml", cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "before\nafter\n", "")


def test_a_notebook_sees_nothing(folder: Path) -> None:
    program = f"""{SOLVE}
from io import StringIO
sys.stdout, sys.stderr = StringIO(), StringIO()
solve(problem)
seen = sys.stdout.getvalue() + sys.stderr.getvalue()
sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
print("seen:", repr(seen))
"""
    ran = python(program, "tiny.toml", cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "seen: ''\n", "")


@pytest.mark.skipif(os.name != "posix", reason="C's library of POSIX")
def test_what_others_hold_back_is_not_lost(folder: Path) -> None:
    program = f"""{SOLVE}
import ctypes
ctypes.CDLL(None).printf(b"held back by C\\n")
solve(problem)
"""
    ran = python(program, "tiny.toml", cwd=folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "held back by C\n", "")


def test_a_file_in_place_of_standard_output_stays_as_it_is(folder: Path) -> None:
    program = f"""{SOLVE}
import os
os.close(1)
file = open("one", "w")
assert file.fileno() == 1
file.write("before\\n")
solve(problem)
file.write("after\\n")
"""
    ran = python(program, "tiny.toml", cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (folder / "one").read_text() == "before\nafter\n"


def test_standard_output_closed_stays_closed() -> None:
    program = """
import os, sys
from codesign.search.milp import highs
os.close(1)
print(highs.version(), file=sys.stderr)
try:
    os.fstat(1)
except OSError:
    sys.exit(0)
sys.exit(9)
"""
    ran = python(program)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (0, 1)


@pytest.mark.parametrize("fails", ["dup", "open"])
def test_standard_output_outlives_a_want_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def refused(*_: object) -> int:
        raise OSError(24, "Too many open files")

    before = os.fstat(1)
    monkeypatch.setattr(highs.os, fails, refused)
    with highs._stdout_discarded():
        pass
    assert os.fstat(1) == before
