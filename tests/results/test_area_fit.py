"""An area fit told, drawn and written as a technology."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from measured import figure_1, figure_3, scattered, srams, written

from codesign.cli.app import main
from codesign.errors import SpecError
from codesign.specs.load import load_technology
from codesign.specs.technology import QuadraticFit
from codesign.tasks.fit_area import fit_area

FITS = {
    "linear": {"frame": figure_3, "kind": "pe"},
    "quadratic": {"frame": figure_1, "kind": "pe", "form": "quadratic"},
    "sram": {"frame": lambda: srams(5, 6, 8), "kind": "sram"},
}


@pytest.mark.parametrize("case", FITS)
@pytest.mark.parametrize("name", ['"odd"\n\x7fname ü', "plain"])
def test_the_file_holds_the_technology(case: str, name: str, tmp_path: Path) -> None:
    given = FITS[case] | {"name": name}
    fit = fit_area(written(tmp_path, given.pop("frame")()), **given)
    rest = load_technology("tsmc28")
    fit.save(tmp_path / "t.toml", rest)
    loaded = load_technology(tmp_path / "t.toml")
    assert loaded == fit.technology(rest)
    assert loaded.name == name
    mine = loaded.sram_area_um2 if case == "sram" else loaded.pe_area_um2
    taken = loaded.pe_area_um2 if case == "sram" else loaded.sram_area_um2
    assert mine == fit.fit
    assert "areas.csv: least squares over " in mine.source
    assert mine.calibrated == fit.calibrated
    assert taken.source.startswith("tsmc28: Figure ")
    first, second, *_ = (tmp_path / "t.toml").read_text().splitlines()
    assert first.startswith(f"# {'SRAM' if case == 'sram' else 'PE'} area: fitted to areas.csv")
    kind = "PE" if case == "sram" else "SRAM"
    assert second == f"# {kind} area: not fitted, taken from technology tsmc28"


def test_an_sram_fit_keeps_either_form_of_pe(tmp_path: Path) -> None:
    rest = load_technology("tsmc28-quadratic")
    fit_area(srams(5, 6, 8), kind="sram").save(tmp_path / "t.toml", rest)
    pe = load_technology(tmp_path / "t.toml").pe_area_um2
    assert isinstance(pe, QuadraticFit)
    assert (pe.quadratic, pe.calibrated) == (12.39, (4.0, 32.0))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out, plot = written(tmp_path, scattered()), tmp_path / "t.toml", tmp_path / "fit.png"
    given = ["fit", str(path), "--kind", "pe", "--relative", "--name", "mine"]
    assert main([*given, "--out", str(out), "--plot", str(plot)]) == 0
    text = capsys.readouterr().out
    for told in ("relative least squares over 54 points of areas.csv", "slope", "standard error"):
        assert told in text
    for told in ("largest relative error", "leave-one-out", "at the low end", "R²", "left out"):
        assert told in text
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert load_technology(out).name == "mine"
    assert main(["fit", str(written(tmp_path, figure_1())), "--kind", "pe", "--quadratic"]) == 0
    assert "\nwarning: negative intercept (-14.02 µm²)" in capsys.readouterr().out


@pytest.mark.parametrize("case", FITS)
def test_picture(case: str) -> None:
    given = dict(FITS[case])
    fit = fit_area(given.pop("frame")(), **given)
    areas, errors = fit.plot().axes
    assert "(µm²)" in areas.get_ylabel()
    assert "(%)" in errors.get_ylabel()
    unit = {"linear": "BOPS per cycle", "quadratic": "bits", "sram": "bits"}[case]
    assert unit in errors.get_xlabel()
    x = fit.points["x"]
    scale = "log" if x.max() >= 10 * x.min() else "linear"
    assert (areas.get_xscale(), errors.get_yscale()) == (scale, "linear")
    drawn = [np.asarray(dots.get_offsets())[:, 1] for dots in errors.collections]
    assert drawn[0] == pytest.approx(100 * fit.points["relative_error"].to_numpy())
    assert drawn[1] == pytest.approx(100 * fit.points["left_out_error"].to_numpy())


def test_picture_elsewhere(tmp_path: Path) -> None:
    fit = fit_area(srams(2, 3, 5), kind="sram")
    fit.plot(str(tmp_path / "fit.svg"))
    assert (tmp_path / "fit.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(SpecError, match="unknown picture format"):
        fit.plot(tmp_path / "fit.gif")


def test_picture_tells_units_and_names_outliers() -> None:
    frame = figure_3()
    frame.loc[17, "area_um2"] *= 1.5
    areas, errors = fit_area(frame, kind="pe").plot().axes
    legend = areas.get_legend()
    assert legend is not None
    assert "µm²" in legend.get_texts()[1].get_text()
    named = [text.get_text() for text in errors.texts]
    row = frame.loc[17]
    assert f"bw {row.bw:g}, ba {row.ba:g}, n {row.n:g}, m {row.m:g}" in named
    assert len(named) <= 3
