"""Designs whose PEs are priced by a quadratic fit of Figure 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import codesign
from codesign.costs.area import array_area_um2, check_areas, pe_area_um2
from codesign.errors import SpecError
from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.specs.load import load_network, load_technology
from codesign.specs.network import Layer, Network
from codesign.specs.technology import AreaFit, QuadraticFit, Technology

TINY = Network(
    name="tiny",
    layers=(Layer(name="conv", K=4, C=4, P=6, Q=6, H=6, W=6, R=3, S=3, input="x", output="y"),),
    tensors={"x": 144, "y": 144},
)


def technology(pe: AreaFit | QuadraticFit) -> Technology:
    srams = {"only": AreaFit(slope=1.0, intercept=10.0)}
    return Technology(name="made", pe_area_um2=pe, sram_fits=srams, sram="only")


def solved(given: Technology, **choices: Any) -> Design:
    asked = {"rows": (1, 2), "cols": (1,), "weight_bits": (4,), "activation_bits": (8,)} | choices
    problem = Problem(
        network=TINY, technology=given, choices=Choices(**asked), objective="area_mm2"
    )
    return codesign.solve(problem)


def test_quadratic_area_by_hand() -> None:
    # 2·4·8 + 3·(4 + 8)/2 + 5 = 64 + 18 + 5 = 87; 1.5 · 2 · 3 · 87 = 783
    fit = QuadraticFit(quadratic=2.0, linear=3.0, constant=5.0)
    assert float(pe_area_um2(technology(fit), 4, 8)) == 87
    assert float(array_area_um2(technology(fit), 2, 3, 4, 8, 1.5)) == 783
    # Figure 1 at equal widths: 12.39·16 + 86.07·4 − 14.02 = 528.5
    assert float(pe_area_um2(load_technology("tsmc28-quadratic"), 4, 4)) == pytest.approx(528.5)


def test_a_design_priced_by_the_quadratic(tmp_path: Path) -> None:
    design = solved(load_technology("tsmc28-quadratic"))
    # 12.39·32 + 86.07·6 − 14.02 = 898.88 µm² per PE
    pes = design.hardware.rows * design.hardware.cols
    assert design.area_breakdown_mm2["PE array"] == pytest.approx(898.88e-6 * pes)
    design.save(tmp_path / "design.json")
    loaded = Design.load(tmp_path / "design.json")
    assert loaded.problem.technology.pe_area_um2 == design.problem.technology.pe_area_um2
    assert loaded.area_breakdown_mm2 == design.area_breakdown_mm2
    again = tmp_path / "again.json"
    loaded.save(again)
    assert again.read_bytes() == (tmp_path / "design.json").read_bytes()


def test_notes_say_where_the_quadratic_is_extrapolated() -> None:
    given = load_technology("tsmc28-quadratic")
    assert solved(given).notes == ()
    (note,) = solved(given, weight_bits=(3,)).notes
    assert note == (
        "PE area of tsmc28-quadratic at 3 bits per operand is extrapolated: the fit is calibrated "
        "for 4 to 32"
    )
    assert len(solved(given, weight_bits=(2,), activation_bits=(3,)).notes) == 2
    assert len(solved(given, weight_bits=(2,), activation_bits=(2,)).notes) == 1


@pytest.mark.parametrize(
    "pe",
    [  # at 2 × 2 bit: 9·(8 + log2 9) = 100.5 BOPS − 150; 4 + 2·2 − 10
        AreaFit(slope=1.0, intercept=-150.0),
        QuadraticFit(quadratic=1.0, linear=2.0, constant=-10.0),
    ],
)
def test_pes_without_area_are_refused(pe: AreaFit | QuadraticFit) -> None:
    with pytest.raises(
        SpecError, match=r"'made': its fit gives a PE of 2 × 2 bit an area of -"
    ) as e:
        solved(technology(pe), weight_bits=(2, 8), activation_bits=(2, 8))
    assert len(str(e.value).splitlines()) == 1
    assert solved(technology(pe), weight_bits=(8,), activation_bits=(8,)).metrics["area_mm2"] > 0
    check_areas(technology(pe), (4, 8), (4, 8))


QUADRATIC_TOML = """\
name = "mine"
sram = "only"
pe_area_um2 = { quadratic = 1.0, linear = 2.0, constant = 3.0 }
sram_fits = { only = { slope = 3.0, intercept = 10.0 } }
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("linear = 2.0, ", "", "pe_area_um2.linear: missing"),
        ("constant = 3.0", "constant = 3.0, R2 = 1.0", "pe_area_um2.R2: unknown key; did you mean"),
        ("linear = 2.0", "linear = nan", "pe_area_um2.linear: Input should be a finite number"),
        ("linear = 2.0", "linear = 2.0, slope = 1.0", "pe_area_um2.slope: unknown key"),
        ("quadratic = 1.0", "slope = 1.0", "pe_area_um2.slope: unknown key"),
        ("{ quadratic = 1.0, linear = 2.0, constant = 3.0 }", "3", "pe_area_um2: "),
        ("{ quadratic = 1.0, linear = 2.0, constant = 3.0 }", "{}", "pe_area_um2.slope: missing"),
    ],
)
def test_wrong_descriptions_of_the_quadratic(old: str, new: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(QUADRATIC_TOML)
    assert isinstance(load_technology(path).pe_area_um2, QuadraticFit)
    path.write_text(QUADRATIC_TOML.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load_technology(path)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_sram_fit_below_any_pe_is_refused() -> None:
    # The smallest PE on offer, 2 × 2 bit, takes 1.694·9·(4 + 4 + log2 9) + 153.46 = 323.76 µm².
    technology = replace(
        load_technology("tsmc28"),
        sram_fits={"single-port": AreaFit(slope=2.94, intercept=-400.0)},
    )
    with pytest.raises(SpecError, match=r"intercept of -400 µm², and a PE takes 323\.76 µm²"):
        Problem(network=load_network("resnet18"), technology=technology)
