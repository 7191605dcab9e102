"""Area fits from measured areas: a PE against its BOPS or bitwidth, an SRAM against its bits.

R² says almost nothing about such a fit: over two decades of area, any line that passes near the
largest points has one near 1. What a design pays for is the relative error of the single PE or
SRAM it is built of, so that stands beside R²: the largest, at both ends of the range, and for each
point under the fit of all the others (leave-one-out).

Source of the forms: Karbachevsky et al. 2021, Figures 1, 3, 4 and 6.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from codesign.arrays import Floats
from codesign.costs.area import pe_bops
from codesign.errors import SpecError
from codesign.problem.tolerances import LEAST_FREE, SUM_ROUNDING
from codesign.results.area_fit import COEFFICIENTS, COLUMNS, AreaFitResult
from codesign.specs.measured_areas import read_areas

DEFAULT_ENGINE = 9


class _Fit(NamedTuple):
    coefficients: Floats
    standard_errors: Floats
    fitted: Floats
    left_out: Floats  # what the fit of all other points predicts at each point


def fit_area(
    measured: pd.DataFrame | str | Path,
    *,
    kind: Literal["pe", "sram"],
    relative: bool = False,
    form: Literal["linear", "quadratic"] = "linear",
    engine: int | None = None,
    name: str | None = None,
) -> AreaFitResult:
    """Fit area to measurements by least squares.

    Parameters
    ----------
    measured : pandas.DataFrame, str or Path
        Measurements or the path of their CSV. For ``pe`` the columns ``bw``, ``ba`` (bits),
        ``n``, ``m`` (input and output channels) and ``area_um2``; for ``sram`` ``bits`` and
        ``area_um2``. Other columns are left alone.
    kind : "pe" or "sram"
    relative : bool
        Minimise ``Σ((A − Â)/A)²``: every point counts alike, the smallest too.
    form : "linear" or "quadratic"
        Quadratic in the width needs PEs of one channel (n = m = 1) and equal widths.
    engine : int or None
        Multipliers of one kernel window, 9 (3×3) if left out; for PEs only.
    name : str or None
        Name of the technology it becomes; the file's without its ending if left out.

    Raises
    ------
    SpecError
        Unreadable or unsuited measurements, or areas that fall with size.
    """
    for word, known in ((kind, COLUMNS), (form, COEFFICIENTS)):
        if word not in known:
            raise SpecError(f"fit: no {word!r} (known: {', '.join(known)})")
    if kind == "sram" and (form == "quadratic" or engine is not None):
        raise SpecError("fit: the quadratic form and the engine are for PEs, not for SRAMs")
    engine = DEFAULT_ENGINE if engine is None and kind == "pe" else engine
    if engine is not None and not (type(engine) is int and 1 <= engine <= 10**6):
        raise SpecError(f"fit: engine must be a whole number from 1 to 1000000, got {engine!r}")
    points, source = read_areas(measured, COLUMNS[kind])
    x = _size(points, form, engine, source)
    _check_enough(x, form, source)
    matrix = np.vander(x, len(COEFFICIENTS[form]))
    fit = _least_squares(matrix, points["area_um2"].to_numpy(), relative)
    if form == "linear" and fit.coefficients[0] <= 0:
        raise SpecError(
            f"{source}: the fitted area does not grow with size (slope "
            f"{fit.coefficients[0]:.5g} µm²); check the columns"
        )
    return AreaFitResult(
        name=(name or Path(source).stem)[:200],
        kind=kind,
        form=form,
        relative=relative,
        engine=engine,
        source=source,
        warnings=_warnings(points, x, fit, "BOPS" if engine and form == "linear" else "bit"),
        **_figures(points, x, fit, COEFFICIENTS[form]),
    )


def _size(points: pd.DataFrame, form: str, engine: int | None, source: str) -> Floats:
    """What the area is fitted against: bits, width in bits, or BOPS per cycle."""
    if engine is None:
        return points["bits"].to_numpy()
    bw, ba, n, m = (points[key].to_numpy() for key in ("bw", "ba", "n", "m"))
    if form == "linear":
        return pe_bops(bw, ba, engine, inputs=n, outputs=m)
    unsuited = np.flatnonzero((bw != ba) | (n != 1) | (m != 1))
    if unsuited.size:
        raise SpecError(
            f"{source}: row {unsuited[0] + 1}: the quadratic form needs bw = ba and n = m = 1 in "
            "every row; fit these areas in the linear form"
        )
    return bw


def _check_enough(x: Floats, form: str, source: str) -> None:
    """At least one size more than coefficients: a fit that is left something to miss."""
    needed, found = len(COEFFICIENTS[form]) + 1, len(np.unique(x))
    if found < needed:
        raise SpecError(
            f"{source}: {len(x)} rows of {found} different sizes; a {form} fit needs {needed} "
            "different ones"
        )


def _least_squares(matrix: Floats, area: Floats, relative: bool) -> _Fit:
    """Minimise ``Σ(w·(A − Â))²`` with w = 1, or 1/A for relative least squares.

    With the leverage ``h`` of a point (diagonal of the hat matrix), its residual under the fit of
    all others is its residual divided by ``1 − h``: no second fit is needed, but where a point
    far from the others leaves nothing of ``1 − h``.
    """
    weight = 1 / area if relative else np.ones_like(area)
    weighted = matrix * weight[:, None]
    scale = np.linalg.norm(weighted, axis=0)  # bits up to 1e9 beside a column of ones
    scaled = weighted / scale
    coefficients, _, rank, _ = np.linalg.lstsq(scaled, area * weight)
    if rank < len(scale):
        raise SpecError("fit: the sizes measured differ too little to tell the coefficients apart")
    coefficients = coefficients / scale
    fitted = matrix @ coefficients
    residual = area - fitted
    orthogonal, triangle = np.linalg.qr(scaled)
    free = 1 - (orthogonal**2).sum(axis=1)
    lonely = free < LEAST_FREE
    variance = ((residual * weight) ** 2).sum() / (len(area) - matrix.shape[1])
    spread = np.sqrt((np.linalg.inv(triangle) ** 2).sum(axis=1)) / scale
    left_out = area - residual / np.where(lonely, 1, free)
    for i in np.flatnonzero(lonely):
        others = np.arange(len(area)) != i
        kept = weighted[others] / (size := np.linalg.norm(weighted[others], axis=0))
        left_out[i] = matrix[i] @ (np.linalg.lstsq(kept, (area * weight)[others])[0] / size)
    return _Fit(coefficients, np.sqrt(variance) * spread, fitted, left_out)


def _figures(points: pd.DataFrame, x: Floats, fit: _Fit, names: tuple[str, ...]) -> dict[str, Any]:
    """How well the fit meets the measured areas: what `AreaFitResult` holds of it."""
    area = points["area_um2"].to_numpy()
    error, left_out, residual = fit.fitted / area - 1, fit.left_out / area - 1, area - fit.fitted
    low, high = float(x.min()), float(x.max())
    return {
        "coefficients": dict(zip(names, fit.coefficients.tolist(), strict=True)),
        "standard_errors": dict(zip(names, fit.standard_errors.tolist(), strict=True)),
        "r2": float(1 - (residual**2).sum() / ((area - area.mean()) ** 2).sum()),
        "calibrated": (low, high),
        "points": points.assign(
            x=x,
            fitted_um2=fit.fitted,
            residual_um2=residual,
            relative_error=error,
            left_out_error=left_out,
        ),
        "max_relative_error": float(np.abs(error).max()),
        "leave_one_out_error": float(np.abs(left_out).max()),
        "low_end_error": _largest(error[x == low]),
        "high_end_error": _largest(error[x == high]),
    }


def _largest(errors: Floats) -> float:
    """That of the largest magnitude, with its sign."""
    return float(errors[np.abs(errors).argmax()])


def _warnings(points: pd.DataFrame, x: Floats, fit: _Fit, unit: str) -> tuple[str, ...]:
    """What a reader of the fit has to know; ``unit`` is that of the size."""
    found, coefficients = [], fit.coefficients
    low, constant = float(x.min()), float(coefficients[-1])
    if constant < 0:
        roots = [r.real for r in np.roots(coefficients) if abs(r.imag) < SUM_ROUNDING * abs(r.real)]
        ends = [root for root in roots if root > 0]
        below = f"gives no area below {min(ends):.5g} {unit}" if ends else "gives no area anywhere"
        found.append(
            f"negative intercept ({constant:.5g} µm²): the fit {below}; the smallest size measured "
            f"has {low:.5g} {unit}"
        )
    if len(coefficients) == 3 and coefficients[0] < 0:
        top = -coefficients[1] / (2 * coefficients[0])
        found.append(f"negative quadratic coefficient: the fitted area falls above {top:.5g} bit")
    if (fit.fitted <= 0).any():
        found.append("the fit gives an area that is not positive to a point that was measured")
    repeated = int(points.duplicated().sum())
    if repeated:
        found.append(
            f"rows that repeat another one exactly: {repeated}; the standard errors take them for "
            "independent measurements"
        )
    return tuple(found)
