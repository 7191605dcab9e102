"""Solvers and libraries that fail: one line that says so, and nothing on standard output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyomo.environ as pyo
import pytest
from command_line import BUDGET, SMALL, run
from pyomo.common import Executable
from study_work import complain

from codesign import Problem, SolverError, assign, load_network, pareto, solve
from codesign.search.milp import solvers
from codesign.stopping import StopCondition, Stopped
from codesign.study.executors import Processes

CBC = shutil.which("cbc")
needs_cbc = pytest.mark.skipif(CBC is None, reason="cbc is not installed")
posix = pytest.mark.skipif(os.name != "posix", reason="needs shell scripts")
OTHER = (*SMALL, *BUDGET, "--method", "whole", "--solver", "cbc")
SHELL = "#!/bin/sh\n"
FILE = 'for last; do :; done; case "$*" in *-solve*) ;; *) exit 0;; esac; '  # $last: its solution
TRUE = FILE + f'{CBC} "$@"; '

DYING = {
    "exit 1": "CBC gave no answer: Solver (cbc) returned non-zero return code (1)",
    "kill -9 $$": "CBC gave no answer: Solver (cbc) returned non-zero return code (-9)",
    "exit 0": "CBC gave up: it ended with 'unknown', which proves nothing",
    "echo Result - Optimal solution found": "CBC gave no answer: its solution leaves out ",
    FILE + "echo Result - Optimal solution found; : > $last": "its solution leaves out ",
    FILE + "echo rubbish here > $last": "CBC gave no answer: CBC plugin encountered unexpected",
    "echo Result - Stopped on time limit": "CBC gave up: it ended with 'maxTimeLimit'",
    "echo Result - Stopped on iterations limit": "CBC gave up: it ended with 'maxIterations'",
}
LYING = {  # the true CBC, killed, or what it has told spoilt
    TRUE + "head -n 9 $last > $last.x; mv $last.x $last": "CBC gave no answer: its solution leaves",
    TRUE + "sed -i '2,$s/ [0-9.]* / x /' $last": "CBC gave no answer: its solution leaves out",
    FILE
    + f'{CBC} "$@" & kill -9 $!; wait $!': "CBC gave no answer: Solver (cbc) returned non-zero",
    TRUE + "rm $last": "CBC gave no answer: its solution leaves out ",
    FILE + f'{CBC} "$@" > /dev/null': "CBC gave no answer: its report has no bound",
}


Fake = Callable[[str], Path]


@pytest.fixture
def fake_cbc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """Puts a program called cbc first on the path; bug reports go to the test's folder, too."""
    program = tmp_path / "bin" / "cbc"
    program.parent.mkdir()

    def put(content: str) -> Path:
        program.write_text(content)
        program.chmod(0o755)
        Executable("cbc").rehash()
        return program

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        yield put
    Executable("cbc").rehash()


def check_failure(capfd: pytest.CaptureFixture[str], tiny: str, told: str) -> None:
    """A solve by CBC fails so, in one line on standard error, and leaves its programme."""
    code, out, errors = run(capfd, "solve", tiny, *OTHER, "--json")
    assert (code, out) == (5, "")
    assert errors.startswith("codesign: error: CBC gave ")
    assert told in errors
    assert errors.count("\n") == 1
    path = Path(errors.rsplit("its programme is in ", 1)[1].strip())
    assert "one_accelerator" in path.read_text()


# Pyomo leaves a file open where it stumbles over what is in it.
stumbling = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@posix
@stumbling
@pytest.mark.parametrize("script", DYING)
def test_a_solver_that_dies(
    script: str, tiny: str, fake_cbc: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_cbc(SHELL + script)
    check_failure(capfd, tiny, DYING[script])


@posix
@needs_cbc
@pytest.mark.parametrize("script", LYING)
def test_a_solver_whose_answer_is_spoilt(
    script: str, tiny: str, fake_cbc: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_cbc(SHELL + script)
    check_failure(capfd, tiny, LYING[script])


@posix
def test_what_is_no_program(tiny: str, fake_cbc: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake_cbc("rubbish")
    check_failure(capfd, tiny, "CBC gave no answer: Could not execute the command")
    assert solvers.version("cbc") == "of unknown version"


@posix
@needs_cbc
def test_an_answer_of_the_run_before_is_not_taken_for_one(fake_cbc: Fake) -> None:
    model = pyo.ConcreteModel()
    model.take = pyo.Var(domain=pyo.Binary)
    model.row = pyo.Constraint(expr=model.take <= 1)
    model.value = pyo.Objective(expr=-model.take)
    assert solvers.minimise(model, solver="cbc").status == "optimal"
    fake_cbc(SHELL + "echo Result - Optimal solution found")
    with pytest.raises(SolverError, match="its solution leaves out 1 of 1 variables"):
        solvers.minimise(model, solver="cbc")


@posix
def test_a_solver_with_a_limit_may_run_out_of_time(
    tiny: str, fake_cbc: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_cbc(SHELL + "echo Result - Stopped on time limit")
    code, _, errors = run(capfd, "solve", tiny, *OTHER, "--time-limit-s", "100")
    assert code == 5
    assert "no design found within 100.0 s, and none ruled out; allow more time" in errors


# --- a search that ends without a reason ---------------------------------------------------------


@pytest.mark.parametrize("ask", [solve, pareto])
def test_without_a_limit_no_seconds_are_told(
    ask: object, few_arrays: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_begins(monkeypatch)
    told = "^the solver gave up: no design found, and none ruled out$"
    with pytest.raises(SolverError, match=told):
        ask(few_arrays)  # type: ignore[operator]


def test_nor_of_widths_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    never_begins(monkeypatch)
    problem = Problem(network=load_network("alexnet"), objective="noise", budgets={"bops": 1e10})
    with pytest.raises(SolverError, match=r"^the solver gave up: no assignment found, and none"):
        assign(problem)
    with pytest.raises(SolverError, match=r"^no assignment found within 9 s, and none ruled out;"):
        assign(problem, time_limit_s=9)


def never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(_: StopCondition) -> None:
        raise Stopped

    monkeypatch.setattr(StopCondition, "check", gives_up)


# --- what Pyomo has to say -----------------------------------------------------------------------

FULL = """
import sys
from codesign.cli.app import main
from codesign.search.milp.coefficients import Coefficients

def full(*_):
    raise MemoryError

Coefficients.runs = full
sys.exit(main(sys.argv[1:]))
"""


def test_pyomo_writes_nothing_to_standard_output(tiny: str) -> None:
    asked = ("solve", tiny, *SMALL, *BUDGET, "--method", "whole", "--json")
    ran = subprocess.run([sys.executable, "-c", FULL, *asked], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (5, "")
    assert ran.stderr == "codesign: error: out of memory; offer fewer widths or arrays\n"


def test_nor_in_a_worker(capfd: pytest.CaptureFixture[str]) -> None:
    with Processes(1) as workers:
        workers.submit(complain).result()
    assert capfd.readouterr() == ("", "")


def test_the_whole_answer_is_json(tiny: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, errors = run(capfd, "solve", tiny, *SMALL, *BUDGET, "--method", "whole", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["format"].startswith("codesign-design/")
