"""An area fit as text for the terminal: coefficients, errors, every point, warnings."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from codesign.results.area_fit import COLUMNS, AreaFitResult
from codesign.results.text.layout import short, table
from codesign.results.text.phrases import remark
from codesign.units import four_digits

UNITS = {
    "slope": {"pe": "µm² per BOPS", "sram": "µm² per bit"},
    "intercept": {"pe": "µm²", "sram": "µm²"},
    "quadratic": {"pe": "µm² per bit²"},
    "linear": {"pe": "µm² per bit"},
    "constant": {"pe": "µm²"},
}


def fit_parts(fit: AreaFitResult) -> list[RenderableType]:
    """The whole report of a fit."""
    parts: list[RenderableType] = [_headline(fit), "", _coefficients(fit), "", _points(fit)]
    parts += ["", _quality(fit), *([""] if fit.warnings else [])]
    return parts + [remark(text, "warning") for text in fit.warnings]


def _headline(fit: AreaFitResult) -> Text:
    what = fit.kind.upper()
    how = "relative least squares" if fit.relative else "least squares"
    text = Text(f"{what} area = {fit.formula} µm²", "bold")
    return text + Text(f", {how} over {len(fit.points)} points of ") + short(fit.source)


def _coefficients(fit: AreaFitResult) -> Table:
    made = table("<coefficient", "value", "standard error", "<unit")
    for name, value in fit.coefficients.items():
        error = fit.standard_errors[name]
        made.add_row(name, f"{value:,.6g}", four_digits(error), UNITS[name][fit.kind])
    return made


def _quality(fit: AreaFitResult) -> Table:
    low, high = (f"{four_digits(end)} {_unit(fit)}" for end in fit.calibrated)
    made = table("<how good", "", "<")
    for name, value, meaning in (
        ("largest relative error", _percent(fit.max_relative_error, ""), ""),
        ("largest, point left out", _percent(fit.leave_one_out_error, ""), "leave-one-out"),
        ("at the low end", _percent(fit.low_end_error), f"{low}, fitted over measured"),
        ("at the high end", _percent(fit.high_end_error), f"{high}, fitted over measured"),
        ("R²", f"{fit.r2:.7g}", "says little: the largest areas alone decide it"),
    ):
        made.add_row(name, value, meaning)
    return made


def _points(fit: AreaFitResult) -> Table:
    """One row per measurement."""
    given = COLUMNS[fit.kind][:-1]
    sized = ("BOPS",) if _unit(fit) == "BOPS" else ()
    made = table(
        *given,
        *sized,
        "measured\nµm²",
        "fitted\nµm²",
        "residual\nµm²",
        "error\n%",
        "left out\nerror %",
    )
    for row in fit.points.to_dict("records"):
        made.add_row(
            *(f"{row[name]:,.0f}" for name in given),
            *(four_digits(row["x"]) for _ in sized),
            four_digits(row["area_um2"]),
            four_digits(row["fitted_um2"]),
            four_digits(round(row["residual_um2"], 3) + 0.0),
            _percent(row["relative_error"])[:-2],
            _percent(row["left_out_error"])[:-2],
        )
    return made


def _unit(fit: AreaFitResult) -> str:
    return "BOPS" if fit.kind == "pe" and fit.form == "linear" else "bit"


def _percent(share: float, sign: str = "+") -> str:
    rounded = round(100 * share, 2) + 0.0  # no minus before a zero
    return f"{rounded:{sign}.2f} %"
