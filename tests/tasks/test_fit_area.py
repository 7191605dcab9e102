"""Area fits: hand arithmetic, brute-force leave-one-out, the paper's two fits, what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from measured import WIDTHS, bops, figure_1, figure_3, pes, scattered, srams

import codesign
from codesign.cli.app import main
from codesign.costs.area import pe_area_um2, pe_bops
from codesign.errors import SpecError
from codesign.results.area_fit import AreaFitResult
from codesign.specs.load import load_technology
from codesign.tasks.fit_area import fit_area

pytestmark = pytest.mark.smoke


# --- the arithmetic -----------------------------------------------------------------------------


def test_by_hand() -> None:
    # Bits 1, 2, 3 with areas 2, 3, 5: mean 2 and 10/3.
    # slope = ((−1)·(−4/3) + 0 + 1·5/3) / 2 = 3/2; intercept = 10/3 − 3 = 1/3.
    # Fitted 11/6, 10/3, 29/6; residuals 1/6, −1/3, 1/6; squares 1/36 + 4/36 + 1/36 = 1/6.
    # R² = 1 − (1/6)/(16/9 + 1/9 + 25/9) = 1 − (1/6)/(42/9) = 27/28.
    # s² = (1/6)/(3 − 2); se slope = √(s²/2) = √(1/12); se intercept = √(s²·(1/3 + 4/2)) = √(7/18).
    # Relative errors (11/6)/2 − 1 = −1/12; (10/3)/3 − 1 = 1/9; (29/6)/5 − 1 = −1/30.
    # Left out: through (2, 3), (3, 5): 1 at 1, error −1/2; through (1, 2), (3, 5): 3.5 at 2, 1/6;
    # through (1, 2), (2, 3): 4 at 3, −1/5.
    fit = fit_area(srams(2, 3, 5), kind="sram")
    assert fit.coefficients == pytest.approx({"slope": 3 / 2, "intercept": 1 / 3})
    errors = {"slope": math.sqrt(1 / 12), "intercept": math.sqrt(7 / 18)}
    assert fit.standard_errors == pytest.approx(errors)
    assert fit.r2 == pytest.approx(27 / 28)
    assert fit.points["fitted_um2"].tolist() == pytest.approx([11 / 6, 10 / 3, 29 / 6])
    assert fit.points["residual_um2"].tolist() == pytest.approx([1 / 6, -1 / 3, 1 / 6])
    assert fit.points["relative_error"].tolist() == pytest.approx([-1 / 12, 1 / 9, -1 / 30])
    assert fit.points["left_out_error"].tolist() == pytest.approx([-1 / 2, 1 / 6, -1 / 5])
    assert (fit.max_relative_error, fit.leave_one_out_error) == pytest.approx((1 / 9, 1 / 2))
    assert (fit.low_end_error, fit.high_end_error) == pytest.approx((-1 / 12, -1 / 30))
    assert (fit.calibrated, fit.warnings) == ((1, 3), ())
    assert fit.area_um2([2, 4]) == pytest.approx([10 / 3, 19 / 3])


def test_relative_by_hand() -> None:
    # Bits 1, 2, 3 with areas 1, 1, 2: weights 1/A² of 1, 1, 1/4, sum 9/4.
    # Weighted means (1 + 2 + 3/4)/(9/4) = 5/3 and (1 + 1 + 1/2)/(9/4) = 10/9.
    # slope = (−2/3·−1/9 + 1/3·−1/9 + 1/4·4/3·8/9) / (4/9 + 1/9 + 1/4·16/9) = (1/3) / 1 = 1/3;
    # intercept = 10/9 − 5/9 = 5/9.
    fit = fit_area(srams(1, 1, 2), kind="sram", relative=True)
    assert fit.coefficients == pytest.approx({"slope": 1 / 3, "intercept": 5 / 9})


def test_bops_are_those_of_the_designs() -> None:
    assert pe_bops([2, 8], 4, 9) == pytest.approx([bops(2, 4), bops(8, 4)])
    # 2·3·9·(4·8 + 4 + 8 + log2 27) with 3 input and 2 output channels
    assert float(pe_bops(4, 8, 9, inputs=3, outputs=2)) == pytest.approx(
        54 * (44 + math.log2(27)), rel=1e-14
    )
    fit = fit_area(figure_3(), kind="pe")
    for row in fit.points.itertuples():
        assert row.x == pytest.approx(bops(row.bw, row.ba, row.n, row.m), rel=1e-14)


def test_engine_is_of_the_measured_pes() -> None:
    fit = fit_area(pes((1, 1, 1, 1, 5), (2, 2, 1, 1, 10), (3, 3, 2, 1, 40)), kind="pe", engine=4)
    # 4·(1 + 2 + 2), 4·(4 + 4 + 2), 2·4·(9 + 6 + 3)
    assert fit.points["x"].tolist() == [20, 40, 144]
    assert fit.technology(load_technology("tsmc28")).engine == 4


@pytest.mark.parametrize("relative", [False, True])
def test_the_papers_fits_come_back(relative: bool) -> None:
    quadratic = fit_area(figure_1(), kind="pe", form="quadratic", relative=relative)
    found = {"quadratic": 12.39, "linear": 86.07, "constant": -14.02}
    assert quadratic.coefficients == pytest.approx(found, rel=1e-9)
    linear = fit_area(figure_3(), kind="pe", relative=relative)
    assert linear.coefficients == pytest.approx({"slope": 1.694, "intercept": 153.46}, rel=1e-9)
    bits = [2**k for k in range(8, 24)]
    frame = pd.DataFrame({"bits": bits, "area_um2": [2.94 * b + 3065 for b in bits]})
    sram = fit_area(frame, kind="sram", relative=relative)
    assert sram.coefficients == pytest.approx({"slope": 2.94, "intercept": 3065}, rel=1e-9)
    for fit in (quadratic, linear, sram):
        assert fit.r2 == pytest.approx(1)
        assert fit.leave_one_out_error < 1e-9


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("form", ["linear", "quadratic"])
def test_leave_one_out_is_the_fit_of_the_others(form: Any, relative: bool) -> None:
    frame = scattered() if form == "linear" else figure_1()
    if form == "quadratic":
        frame["area_um2"] *= np.random.default_rng(3).uniform(0.9, 1.1, len(frame))
    fit = fit_area(frame, kind="pe", form=form, relative=relative)
    for i, row in fit.points.iterrows():
        others = fit_area(frame.drop(index=i), kind="pe", form=form, relative=relative)
        predicted = float(others.area_um2(row["x"]))
        assert row["left_out_error"] == pytest.approx(predicted / row["area_um2"] - 1, rel=1e-9)
    assert fit.leave_one_out_error == fit.points["left_out_error"].abs().max()


def test_each_least_squares_is_least_at_what_it_minimises() -> None:
    frame = scattered()
    area = frame["area_um2"].to_numpy()
    plain, relative = (fit_area(frame, kind="pe", relative=r) for r in (False, True))

    def squares(fit: AreaFitResult, weight: Any) -> float:
        return float((((area - fit.points["fitted_um2"]) * weight) ** 2).sum())

    assert squares(plain, 1) < squares(relative, 1)
    assert squares(relative, 1 / area) < squares(plain, 1 / area)


def test_standard_errors_against_the_normal_equations() -> None:
    fit = fit_area(scattered(), kind="pe", relative=True)
    x, area = fit.points["x"].to_numpy(), fit.points["area_um2"].to_numpy()
    matrix = np.stack([x, np.ones_like(x)], axis=1) / area[:, None]
    s2 = ((fit.points["residual_um2"] / area) ** 2).sum() / (len(x) - 2)
    expected = np.sqrt(s2 * np.diag(np.linalg.inv(matrix.T @ matrix)))
    assert [*fit.standard_errors.values()] == pytest.approx(expected.tolist())


def test_r2_hides_what_relative_errors_show() -> None:
    # The line through the paper's own quadratic: R² above 0.999, off by 80 % at its small end.
    fit = fit_area(figure_1(), kind="pe")
    assert fit.r2 > 0.999
    assert fit.low_end_error == fit.max_relative_error > 0.8
    assert abs(fit.high_end_error) < 0.02
    assert fit_area(figure_1(), kind="pe", relative=True).max_relative_error < 0.2


def test_the_papers_two_fits_part_at_small_widths() -> None:
    linear, quadratic = (load_technology(f"tsmc28{kind}") for kind in ("", "-quadratic"))
    over = [float(pe_area_um2(linear, b, b) / pe_area_um2(quadratic, b, b) - 1) for b in (2, 4, 8)]
    assert [round(100 * share) for share in over] == [56, 7, -3]


def test_a_point_far_from_all_others() -> None:
    # Leverage of the last point: 1 but for rounding; the line through the others predicts it.
    frame = pd.DataFrame({"bits": [1, 2, 3, 10**14], "area_um2": [2.0, 3.0, 4.0, 3e14]})
    fit = fit_area(frame, kind="sram")
    assert fit.coefficients["slope"] == pytest.approx(3)
    assert fit.points["left_out_error"].iloc[-1] == pytest.approx(1 / 3 - 1)
    close = pd.DataFrame({"bits": [10**15 - 2, 10**15 - 1, 10**15], "area_um2": [1.0, 2.0, 3.0]})
    with pytest.raises(SpecError, match="differ too little"):
        fit_area(close, kind="sram")
    tiny = pd.DataFrame({"bits": [1, 2, 3], "area_um2": [1e-4, 1.0, 3.0]})
    assert math.isfinite(fit_area(tiny, kind="sram", relative=True).leave_one_out_error)


# --- warnings -----------------------------------------------------------------------------------


def test_negative_intercept() -> None:
    # 2x − 1.5 and noise: areas 0.5, 2.5, 4.5 of 1, 2, 3 bits
    (warning,) = fit_area(srams(0.5, 2.5, 4.5), kind="sram").warnings
    assert warning.startswith("negative intercept (-1.5 µm²): the fit gives no area below 0.75 bit")
    (warning,) = fit_area(figure_1(), kind="pe", form="quadratic").warnings
    assert "negative intercept (-14.02 µm²): the fit gives no area below 0.159" in warning


def test_other_warnings() -> None:
    falling = pes(*((b, b, 1, 1, 100 * b - b * b) for b in WIDTHS))
    (warning,) = fit_area(falling, kind="pe", form="quadratic").warnings[-1:]
    assert warning == "negative quadratic coefficient: the fitted area falls above 50 bit"
    # Through 1, 1, 1, 1, 96: slope 19, intercept −37: nothing at 1 bit.
    steep = fit_area(srams(1, 1, 1, 1, 96), kind="sram")
    assert "not positive to a point that was measured" in steep.warnings[1]
    doubled = pd.concat([srams(2, 3, 5), srams(2, 3)])
    assert "repeat another one exactly: 2" in fit_area(doubled, kind="sram").warnings[0]


# --- input --------------------------------------------------------------------------------------

PE = "bw,ba,n,m,area_um2\n"
ROWS = "2,2,1,1,200\n4,4,1,1,500\n8,8,1,1,1400\n"
BAD: dict[str, tuple[str, str, str]] = {
    "empty": ("pe", "", "empty"),
    "only comments": ("pe", "# nothing\n", "empty"),
    "no rows": ("pe", PE, "0 rows of 0 different sizes; a linear fit needs 3"),
    "two rows": ("pe", PE + "2,2,1,1,200\n4,4,1,1,500\n", "2 rows of 2 different sizes"),
    "duplicates": ("pe", PE + "2,2,1,1,200\n" * 9, "9 rows of 1 different sizes"),
    "missing column": ("pe", "bw,ba,m,area_um2\n2,2,1,9\n", "column 'n' is missing (needed: bw, "),
    "columns of the other": ("sram", PE + ROWS, "this is a table of measured PE areas"),
    "column twice": ("sram", "bits,bits,area_um2\n1,1,1\n", "column 'bits' is there twice"),
    "text": ("pe", PE + ROWS + "x,2,1,1,3\n", "row 4: bw must be a whole number above 0 and at "),
    "nan": ("pe", PE + ROWS + "2,2,1,1,nan\n", "row 4: area_um2 must be a number above 0"),
    "infinite": ("pe", PE + ROWS + "2,2,1,1,inf\n", "row 4: area_um2 must be a number"),
    "missing cell": ("pe", PE + ROWS + "2,2,1,1\n", "row 4: area_um2 must be a number"),
    "blank cell": ("pe", PE + ROWS + "2,2,,1,9\n", "row 4: n must be a whole number"),
    "zero": ("pe", PE + ROWS + "2,2,1,1,0\n", "row 4: area_um2 must be a number above 0"),
    "negative": ("pe", PE + ROWS + "2,-2,1,1,3\n", "row 4: ba must be a whole number above 0"),
    "half a channel": ("pe", PE + ROWS + "2,2,0.5,1,9\n", "row 4: n must be a whole number"),
    "huge": ("pe", PE + ROWS + "2,2,1,1,1e300\n", "at most 1e+15, got '1e300'"),
    "too many cells": ("pe", PE + "2,2,1,1,3,4\n", "not a CSV table"),
    "open quote": ("pe", PE + '"2,2,1,1,3\n', "not a CSV table"),
    "falling": ("sram", "bits,area_um2\n1,3\n2,2\n3,1\n", "does not grow with size (slope -1 µm²)"),
    "constant": ("sram", "bits,area_um2\n1,3\n2,3\n3,3\n", "does not grow with size"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_measurements(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind, text, told = BAD[case]
    path = tmp_path / "areas.csv"
    path.write_text(text)
    assert main(["fit", str(path), "--kind", kind, "--out", str(tmp_path / "t.toml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("codesign: error: ")
    assert "areas.csv: " in captured.err
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["areas.csv"]


QUADRATIC = PE + "2,2,1,1,200\n4,4,1,1,500\n8,8,1,1,1400\n16,16,1,1,4500\n"


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        (QUADRATIC + "4,8,1,1,900\n", ["--quadratic"], "row 5: the quadratic form needs bw = ba"),
        (QUADRATIC + "4,4,2,1,900\n", ["--quadratic"], "row 5: the quadratic form needs bw = ba"),
        (PE + ROWS, ["--quadratic"], "3 rows of 3 different sizes; a quadratic fit needs 4"),
        (PE + ROWS, ["--kind", "sram", "--quadratic"], "are for PEs, not for SRAMs"),
        (PE + ROWS, ["--kind", "sram", "--engine", "9"], "are for PEs, not for SRAMs"),
        (PE + ROWS, ["--engine", "0"], "'--engine': 0 is not in the range"),
        (PE + ROWS, ["--kind", "dram"], "'dram' is not one of 'pe', 'sram'"),
        (PE + ROWS, ["--technology", "tsmc82"], "did you mean 'tsmc28'"),
        (PE + ROWS, ["--out", "areas.csv"], "given twice, for two different files"),
        (PE + ROWS, ["--out", "no/t.toml"], "cannot be written: no folder"),
        (PE + ROWS, ["--plot", "fit.jpeg"], "must end in .png, .pdf, .svg"),
    ],
)
def test_bad_questions(
    text: str,
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("areas.csv").write_text(text)
    assert main(["fit", "areas.csv", "--kind", "pe", *arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert told in captured.err
    assert Path("areas.csv").read_text() == text


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        fit_area(tmp_path / "none.csv", kind="pe")
    with pytest.raises(SpecError, match="cannot be read: Is a directory"):
        fit_area(tmp_path, kind="pe")
    (tmp_path / "areas.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="not UTF-8"):
        fit_area(tmp_path / "areas.csv", kind="pe")


def test_bad_frames_and_words() -> None:
    frame = srams(2, 3, 5)
    for value in (None, True, math.nan, "1_0", [1]):
        wrong = frame.astype(object)
        wrong.loc[1, "bits"] = value
        with pytest.raises(SpecError, match="frame: row 2: bits must be a whole number"):
            fit_area(wrong, kind="sram")
    with pytest.raises(SpecError, match=r"no 'dram' \(known: pe, sram\)"):
        fit_area(frame, kind="dram")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="no 'cubic'"):
        fit_area(frame, kind="pe", form="cubic")  # type: ignore[arg-type]
    for engine in (0, 9.0, True):
        with pytest.raises(SpecError, match="engine must be a whole number"):
            fit_area(figure_3(), kind="pe", engine=engine)  # type: ignore[arg-type]


def test_a_csv_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    text = "\ufeff# synthesis of May\nname , bits, area_um2\na, 1, 2\n\nb,2,3 # again\nc,3,5\n"
    path.write_text(text, encoding="utf-8")
    assert codesign.fit_area(str(path), kind="sram").coefficients["slope"] == pytest.approx(1.5)
