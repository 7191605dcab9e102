"""The only file that knows HiGHS: a Pyomo model in, an outcome with a proven bound out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
import pyomo.environ as pyo
from pyomo.common.errors import InfeasibleConstraintException
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from codesign.errors import SolverError

Progress = Callable[[float, float], None]  # (best objective so far, proven bound), model units

NAME = "HiGHS"


def version() -> str:
    """Version of the HiGHS library in use."""
    return str(highspy.Highs().version())


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    status : "optimal", "feasible", "infeasible" or "unknown"
        ``feasible``: a limit was hit with a solution; ``unknown``: without one.
    bound : float
        No solution of the model has a smaller objective (inf when infeasible).
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    bound: float


def minimise(
    model: pyo.ConcreteModel,
    *,
    time_limit_s: float | None = None,
    rel_gap: float = 0.0,
    threads: int = 1,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Outcome:
    """Solve a model with one objective; its variables hold the solution where there is one.

    Raises
    ------
    SolverError
        HiGHS refused the model or ended in a way that proves nothing.
    """
    try:
        form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
    except InfeasibleConstraintException:  # a row without variables that does not hold
        return Outcome("infeasible", float("inf"))
    highs = highspy.Highs()
    options = {
        "output_flag": False,
        "threads": threads,
        "random_seed": seed,
        "mip_rel_gap": rel_gap,
    }
    if time_limit_s is not None:
        options["time_limit"] = max(time_limit_s, 0.0)
    for name, value in options.items():
        if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise SolverError(f"HiGHS refused the option {name} = {value!r}")
    if highs.passModel(_as_lp(form)) == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refused the model; please report this with the problem's file")
    if on_progress is not None:
        highs.cbMipInterrupt.subscribe(
            lambda event: on_progress(
                event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
            )
        )
    highs.run()
    return _outcome(highs, form)


def _as_lp(form: Any) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    matrix = form.A.tocsc()
    rows, columns = matrix.shape
    lp.num_col_, lp.num_row_ = columns, rows
    lp.col_cost_ = np.asarray(form.c.todense(), dtype=np.float64).ravel()
    lp.offset_ = float(form.c_offset[0])
    bounds = [variable.bounds for variable in form.columns]
    inf = highspy.kHighsInf
    lp.col_lower_ = np.array([-inf if low is None else low for low, _ in bounds])
    lp.col_upper_ = np.array([inf if high is None else high for _, high in bounds])
    right = np.asarray(form.rhs, dtype=np.float64)
    kind = np.array([row.bound_type for row in form.rows])  # 1: ≤, −1: ≥, 0: =
    lp.row_lower_ = np.where(kind == 1, -inf, right)
    lp.row_upper_ = np.where(kind == -1, inf, right)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = matrix.indptr
    lp.a_matrix_.index_ = matrix.indices
    lp.a_matrix_.value_ = matrix.data
    whole, real = highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous
    lp.integrality_ = [whole if v.is_integer() else real for v in form.columns]
    return lp


def _outcome(highs: highspy.Highs, form: Any) -> Outcome:
    status, info = highs.getModelStatus(), highs.getInfo()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Outcome("infeasible", float("inf"))
    solved = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if solved:
        values = highs.getSolution().col_value
        for variable, value in zip(form.columns, values, strict=True):
            variable.set_value(value, skip_validation=True)
    mixed = any(v.is_integer() for v in form.columns)
    bound = info.mip_dual_bound if mixed else info.objective_function_value
    if status == highspy.HighsModelStatus.kOptimal and solved:
        return Outcome("optimal", float(bound))
    limits = (highspy.HighsModelStatus.kTimeLimit, highspy.HighsModelStatus.kInterrupt)
    if status in limits:
        return Outcome("feasible" if solved else "unknown", float(bound))
    raise SolverError(
        f"HiGHS ended with {highs.modelStatusToString(status)!r}, which proves nothing"
    )
