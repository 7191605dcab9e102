"""The only file that knows HiGHS: a Pyomo model in, an outcome with a proven bound out."""

from __future__ import annotations

import ctypes
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock, Thread
from typing import Any, Literal

import highspy
import numpy as np
import pyomo.core as pyo
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.repn import generate_standard_repn

from codesign.errors import SolverError
from codesign.problem.tolerances import MIP_ABS_GAP, MIP_FEASIBILITY_TOLERANCE
from codesign.stopping import StopCondition, Stopped

OnSolverProgress = Callable[[float, float], None]  # (objective so far, bound), in model units

NAME = "HiGHS"
POLL_S = 0.05
GRACE_S = 2.0  # for HiGHS to end in, before it is abandoned
# Without memory for as much, HiGHS or the system's library might end the whole process.
SPARE_BYTES, SPARE_BYTES_PER_ENTRY = 2**27, 2**9
STDOUT = 1  # the file descriptor that HiGHS, a C++ library, writes to
_ONE_AT_A_TIME = Lock()


def version() -> str:
    """Version of the HiGHS library in use."""
    return str(_new_highs().version())


def _new_highs() -> highspy.Highs:
    """A HiGHS of default options. The only place that makes one: see `_discard_banner`."""
    with _ONE_AT_A_TIME:
        _discard_banner()
    return highspy.Highs()


@cache
def _discard_banner() -> None:
    """Make this process's first HiGHS, which prints a banner from version 1.16 on.

    It does so before its option to be silent can be set, and past Python's `sys.stdout`.
    """
    with _stdout_discarded():
        highspy.Highs()


@contextmanager
def _stdout_discarded() -> Iterator[None]:
    """Meanwhile whatever is written to file descriptor 1 is lost, other threads' too: to be short.

    What other libraries in C hold back for it is written first. Where it is closed or no descriptor
    is left, nothing changes.
    """
    _flush_c()
    with ExitStack() as undoing:
        with suppress(OSError):
            kept = os.dup(STDOUT)
            undoing.callback(os.close, kept)
            null = os.open(os.devnull, os.O_WRONLY)
            undoing.callback(os.close, null)
            os.dup2(null, STDOUT)
            undoing.callback(os.dup2, kept, STDOUT)
            undoing.callback(_flush_c)
        yield


def _flush_c() -> None:
    """Write what C's standard output holds back."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    status : "optimal", "feasible", "infeasible" or "unknown"
        ``feasible``: it had to end, with a solution; ``unknown``: without one.
    bound : float
        No solution of the model has a smaller objective (inf when infeasible).
    seconds : float
        Spent in HiGHS itself, all runs together.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    bound: float
    seconds: float = 0.0


def minimise(
    model: pyo.ConcreteModel,
    *,
    stop: StopCondition | None = None,
    rel_gap: float = 0.0,
    threads: int = 1,
    seed: int = 0,
    presolve: bool = True,
    restart: bool = True,
    on_progress: OnSolverProgress | None = None,
    enough: float = -math.inf,
) -> Outcome:
    """Solve a model with one objective; its variables hold the solution where there is one.

    A model found infeasible, or that HiGHS fails at, is run again without presolve, or with. Where
    a choice breaks a row by little more than `MIP_FEASIBILITY_TOLERANCE`, HiGHS may lose others
    with it, with presolve or without: keep rows clear of that.

    Parameters
    ----------
    stop : StopCondition, optional
        When to end with what is found.
    restart : bool
        Whether HiGHS may presolve again in between.
    on_progress : callable, optional
        Called now and then, in this thread.
    enough : float
        An objective with which to end, whatever HiGHS has proven.

    Raises
    ------
    SolverError
        HiGHS refused the model or ended in a way that proves nothing.
    MemoryError
        There is too little memory to be sure that HiGHS can even say so.
    """
    columns = list(model.component_data_objects(pyo.Var))
    options = {
        "output_flag": False,
        "presolve": "on" if presolve else "off",
        "mip_allow_restart": restart,
        "threads": threads,
        "random_seed": seed,
        "mip_rel_gap": rel_gap,
        "mip_abs_gap": MIP_ABS_GAP,
        "mip_feasibility_tolerance": MIP_FEASIBILITY_TOLERANCE,
    }
    stop = stop or StopCondition()
    try:
        lp = _as_lp(model, columns, stop)
    except Stopped:
        return Outcome("unknown", -math.inf)
    seconds = 0.0
    try:
        outcome = _run(lp, columns, options, stop, on_progress, enough)
        if outcome.status != "infeasible":
            return outcome
        seconds = outcome.seconds
    except SolverError:  # "solve error", seen once in 46,000 models
        pass
    options["presolve"] = "off" if presolve else "on"
    again = _run(lp, columns, options, stop, on_progress, enough)
    return replace(again, seconds=seconds + again.seconds)


def _run(
    lp: highspy.HighsLp,
    columns: list[Any],
    options: Mapping[str, object],
    stop: StopCondition,
    on_progress: OnSolverProgress | None,
    enough: float,
) -> Outcome:
    if stop.reached():
        return Outcome("unknown", -math.inf)
    left_s = stop.left_s()
    if left_s is not None:
        options = {**options, "time_limit": left_s}
    entries = lp.num_row_ + lp.num_col_ + len(lp.a_matrix_.index_)
    spare_bytes = SPARE_BYTES + SPARE_BYTES_PER_ENTRY * entries
    np.empty(spare_bytes, dtype=np.uint8)  # raises where there is none
    highs = _new_highs()
    for name, value in options.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS refused the option {name} = {value!r}")
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refused the model; please report this with the problem's file")
    started = time.monotonic()
    ended = _run_in_thread(highs, _Listener(stop, on_progress, enough))
    seconds = time.monotonic() - started
    outcome = _outcome(highs, columns) if ended else Outcome("unknown", -math.inf)
    return replace(outcome, seconds=seconds)


class _Listener:
    """What HiGHS reports on its way, and how it is told to end."""

    def __init__(
        self, stop: StopCondition, on_progress: OnSolverProgress | None, enough: float
    ) -> None:
        self.stop, self.on_progress, self.enough = stop, on_progress, enough
        self.latest: deque[tuple[float, float]] = deque(maxlen=1)
        self.cancelled = False

    def on_interrupt_check(self, event: Any) -> None:
        """Called by HiGHS, in its thread."""
        found = event.data_out.mip_primal_bound
        self.latest.append((found, event.data_out.mip_dual_bound))
        if self.cancelled or self.stop.interrupted or found <= self.enough:
            event.interrupt()

    def report(self) -> None:
        """Pass on what HiGHS reported last, if that is new."""
        if self.latest and self.on_progress is not None:
            self.on_progress(*self.latest.pop())


def _run_in_thread(highs: highspy.Highs, listener: _Listener) -> bool:
    """Run HiGHS in a thread of its own, so that Ctrl-C is noticed in this one; whether it ended.

    While HiGHS has this thread, Python runs no signal handler. HiGHS asks whether to end between
    relaxations, not while it prepares the first: then it is abandoned, and ends at its next check.

    highspy's own `startSolve` and `wait` do not serve: an exception in their thread is printed and
    lost, and their `cancelSolve` works only with handlers of theirs beside ours.
    """
    stop, failed = listener.stop, []

    def run() -> None:
        try:
            highs.run()
        except BaseException as error:  # raised again in the other thread
            failed.append(error)

    highs.cbMipInterrupt.subscribe(listener.on_interrupt_check)
    thread = Thread(target=run, name="HiGHS", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no memory for one more
        raise MemoryError from None
    polls_left = round(GRACE_S / POLL_S)
    try:
        while thread.is_alive() and polls_left:
            thread.join(POLL_S)
            listener.report()
            polls_left -= stop.reached()
    finally:
        listener.cancelled = True
    if failed:
        raise failed[0]
    return not thread.is_alive()


def _as_lp(model: pyo.ConcreteModel, columns: list[Any], stop: StopCondition) -> highspy.HighsLp:
    """The model as HiGHS's arrays, read row by row from Pyomo's own linear representation.

    Pyomo's `LinearStandardFormCompiler` takes 16 ms instead of 22 for 30,000 entries, but loads
    half a second of SciPy first, and cannot be broken off.
    """
    inf = highspy.kHighsInf
    index = {id(variable): j for j, variable in enumerate(columns)}
    starts, indices, values, lower, upper = [0], [], [], [], []
    for row in model.component_data_objects(pyo.Constraint, active=True):
        stop.check()
        body = _linear_terms(row.body)
        indices += [index[id(variable)] for variable in body.linear_vars]
        values += body.linear_coefs
        starts.append(len(indices))
        lower.append(-inf if row.lower is None else pyo.value(row.lower) - body.constant)
        upper.append(inf if row.upper is None else pyo.value(row.upper) - body.constant)
    objective = next(model.component_data_objects(pyo.Objective, active=True))
    cost = _linear_terms(objective.expr)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(columns), len(lower)
    costs = np.zeros(len(columns))
    for variable, value in zip(cost.linear_vars, cost.linear_coefs, strict=True):
        costs[index[id(variable)]] = value
    lp.col_cost_, lp.offset_ = costs, float(cost.constant)
    lp.col_lower_ = np.array([-inf if v.lb is None else v.lb for v in columns], dtype=np.float64)
    lp.col_upper_ = np.array([inf if v.ub is None else v.ub for v in columns], dtype=np.float64)
    lp.row_lower_ = np.array(lower, dtype=np.float64)
    lp.row_upper_ = np.array(upper, dtype=np.float64)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    lp.a_matrix_.index_ = np.array(indices, dtype=np.int32)
    lp.a_matrix_.value_ = np.array(values, dtype=np.float64)
    whole, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [whole if v.is_integer() else real for v in columns]
    return lp


def _linear_terms(expression: Any) -> Any:
    """Coefficients, variables and constant of a linear expression, each variable once."""
    if isinstance(expression, LinearExpression):  # as `formulation` writes most rows
        seen = {id(variable) for variable in expression.linear_vars}
        if len(seen) == len(expression.linear_vars):
            return expression
    return generate_standard_repn(expression, compute_values=True, quadratic=False)


def _outcome(highs: highspy.Highs, columns: list[Any]) -> Outcome:
    status, info = highs.getModelStatus(), highs.getInfo()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Outcome("infeasible", float("inf"))
    solved = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if solved:
        values = highs.getSolution().col_value
        for variable, value in zip(columns, values, strict=True):
            variable.set_value(value, skip_validation=True)
    mixed = any(v.is_integer() for v in columns)
    bound = info.mip_dual_bound if mixed else info.objective_function_value
    if status == highspy.HighsModelStatus.kOptimal and solved:
        return Outcome("optimal", float(bound))
    limits = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)
    if status in limits:
        return Outcome("feasible" if solved else "unknown", float(bound))
    if status == highspy.HighsModelStatus.kMemoryLimit:
        raise MemoryError
    raise SolverError(
        f"HiGHS ended with {highs.modelStatusToString(status)!r}, which proves nothing"
    )
