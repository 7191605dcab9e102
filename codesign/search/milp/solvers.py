"""The same models solved by another solver that Pyomo drives, where one is installed.

HiGHS is the default and always there. SCIP comes with the package PySCIPOpt, CBC as a program on
the path; the two share no code with HiGHS, so that an answer of theirs that agrees is a second
opinion.
"""

from __future__ import annotations

import math
import shutil
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from io import StringIO
from subprocess import SubprocessError
from typing import Any, Literal, get_args

import pyomo.core as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.opt import SolverFactory, TerminationCondition

from codesign.errors import CodesignError, SolverError, SpecError
from codesign.problem.tolerances import MIP_ABS_GAP, MIP_FEASIBILITY_TOLERANCE
from codesign.search.milp import highs
from codesign.search.milp.highs import OnSolverProgress, Outcome
from codesign.stopping import StopCondition

SolverName = Literal["highs", "scip", "cbc"]
SOLVERS: tuple[str, ...] = get_args(SolverName)
TITLES = {"highs": highs.NAME, "scip": "SCIP", "cbc": "CBC"}
CBC_SHORTEST_S = 1e-3  # it takes 0 s for no limit


@dataclass(frozen=True)
class _Request:
    """What a solver is told, in our words."""

    time_limit_s: float | None
    rel_gap: float
    seed: int


def check_installed(solver: str) -> None:
    """Refuse a solver that is unknown, or not installed.

    Raises
    ------
    SpecError
        Naming the solvers that are installed.
    """
    if not installed(solver):
        fault = "is not installed" if solver in SOLVERS else "is unknown"
        there = ", ".join(name for name in SOLVERS if installed(name))
        raise SpecError(f"solver {solver!r} {fault}; installed: {there}")


def installed(solver: str) -> bool:
    """Whether a solver can be asked."""
    if solver == "scip":
        return version("scip") != ""
    return solver == "highs" or (solver == "cbc" and shutil.which("cbc") is not None)


def version(solver: str) -> str:
    """Version of a solver; of SCIP that of PySCIPOpt, empty where it is not installed."""
    if solver == "highs":
        return highs.version()
    if solver == "scip":
        try:
            return "(PySCIPOpt) " + package_version("pyscipopt")
        except PackageNotFoundError:
            return ""
    try:
        found = _driver("cbc").version()
    except (OSError, SubprocessError):  # it has just answered, and now does not
        found = None
    return ".".join(map(str, found)) if found else "of unknown version"


def minimise(
    model: pyo.ConcreteModel,
    *,
    solver: str = "highs",
    stop: StopCondition | None = None,
    rel_gap: float = 0.0,
    seed: int = 0,
    presolve: bool = True,
    restart: bool = True,
    on_progress: OnSolverProgress | None = None,
    enough: float = -math.inf,
) -> Outcome:
    """Solve a model with one objective by any solver, as `highs.minimise` does.

    Of ``presolve``, ``restart``, ``on_progress`` and ``enough`` only HiGHS takes notice; what
    another solver has found when it is interrupted is lost.

    Raises
    ------
    SolverError
        The solver refused the model or ended in a way that proves nothing; carries the model.
    KeyboardInterrupt
        Another solver was interrupted, and there is no ``stop`` to tell.
    """
    try:
        if solver == "highs":
            return highs.minimise(
                model,
                stop=stop,
                rel_gap=rel_gap,
                seed=seed,
                presolve=presolve,
                restart=restart,
                on_progress=on_progress,
                enough=enough,
            )
        if stop is None:
            return _by_pyomo(model, solver, _Request(None, rel_gap, seed))
        try:
            with stop.raising_interrupts():
                if not stop.reached():
                    return _by_pyomo(model, solver, _Request(stop.left_s(), rel_gap, seed))
        except KeyboardInterrupt:
            stop.interrupted = True
        return Outcome("unknown", -math.inf)
    except SolverError as error:
        raise SolverError(str(error), model=lp_text(model)) from None


def lp_text(model: pyo.ConcreteModel) -> str:
    """The model in the LP format, for a bug report."""
    from pyomo.repn.plugins.lp_writer import LPWriter

    text = StringIO()
    LPWriter().write(model, text, symbolic_solver_labels=True)
    return text.getvalue()


def _by_pyomo(model: pyo.ConcreteModel, solver: str, request: _Request) -> Outcome:
    """Ask another solver; it may die, and what it leaves may be anything."""
    for variable in model.component_data_objects(pyo.Var):
        variable.set_value(None, skip_validation=True)  # no value but this solver's
    log = StringIO()
    try:
        # Not a word of Pyomo's gets out, but the reason where it fails.
        with LoggingIntercept(log, "pyomo"), redirect_stdout(StringIO()):
            driver = _driver(solver)
            driver.options.update(_options(solver, request))
            results: Any = driver.solve(model, load_solutions=False)
            return _outcome(model, solver, results, request)
    except (CodesignError, MemoryError):
        raise
    except Exception as error:  # Pyomo knows no end of them
        reason = log.getvalue().strip().partition("\n")[0] or str(error) or type(error).__name__
        raise SolverError(f"{TITLES[solver]} gave no answer: {reason}") from None


def _driver(solver: str) -> Any:
    """Pyomo's interface to another solver."""
    import pyomo.environ  # noqa: F401 - makes the interfaces known, and takes long

    return SolverFactory({"scip": "scip_direct"}.get(solver, solver))


def _outcome(model: pyo.ConcreteModel, solver: str, results: Any, request: _Request) -> Outcome:
    condition = TerminationCondition
    ended, bound = results.solver.termination_condition, results.problem.lower_bound
    if ended == condition.infeasible:
        return Outcome("infeasible", math.inf)
    if ended == condition.resourceInterrupt:  # SCIP hears Ctrl-C itself
        raise KeyboardInterrupt
    if ended == condition.optimal:
        _load(model, solver, results)
        if bound is None:
            raise SolverError(f"{TITLES[solver]} gave no answer: its report has no bound")
        return Outcome("optimal", min(float(bound), float(pyo.value(_objective(model)))))
    in_time = (condition.maxTimeLimit, condition.intermediateNonInteger)  # CBC's without a solution
    if ended in in_time and request.time_limit_s is not None:
        if solver == "cbc":  # what it leaves need not be a solution
            return Outcome("unknown", -math.inf)
        known = -math.inf if bound is None else float(bound)
        if not len(results.solution):
            return Outcome("unknown", known)
        _load(model, solver, results)
        return Outcome("feasible", known)
    raise SolverError(
        f"{TITLES[solver]} gave up: it ended with {str(ended)!r}, which proves nothing"
    )


def _load(model: pyo.ConcreteModel, solver: str, results: Any) -> None:
    model.solutions.load_from(results)
    variables = [*model.component_data_objects(pyo.Var)]
    missing = sum(variable.value is None for variable in variables)
    if missing:
        raise SolverError(
            f"{TITLES[solver]} gave no answer: its solution leaves out {missing} of "
            f"{len(variables)} variables"
        )


def _options(solver: str, request: _Request) -> dict[str, float]:
    if solver == "cbc":
        named = {
            "primalTolerance": MIP_FEASIBILITY_TOLERANCE,
            "integerTolerance": MIP_FEASIBILITY_TOLERANCE,
            "allowableGap": MIP_ABS_GAP,
            "ratioGap": request.rel_gap,
            "randomCbcSeed": request.seed,
        }
        limit = {"sec": max(request.time_limit_s or 0.0, CBC_SHORTEST_S)}
    else:
        named = {
            "numerics/feastol": MIP_FEASIBILITY_TOLERANCE,
            "limits/absgap": MIP_ABS_GAP,
            "limits/gap": request.rel_gap,
            "randomization/randomseedshift": request.seed,
        }
        limit = {"limits/time": max(request.time_limit_s or 0.0, 0.0)}
    return named if request.time_limit_s is None else named | limit


def _objective(model: pyo.ConcreteModel) -> Any:
    return next(model.component_data_objects(pyo.Objective, active=True))
