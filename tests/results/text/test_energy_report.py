"""Energy in reports and files: per image, rates and parts; nothing of it where it is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from altered import findings
from pipelines import dataflow, made_up, tiny

from codesign import Choices, Design, Evaluation, Problem, SpecError, evaluate, load_network, solve
from codesign.checking import check
from codesign.cli.app import main
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.text.design import design_parts
from codesign.results.text.energy import OF_STAGES
from codesign.results.text.layout import to_text
from codesign.results.text.pipeline import pipeline_parts
from codesign.units import four_digits


@pytest.fixture(scope="module")
def design() -> Design:
    choices = Choices(rows=(8,), cols=(16,), weight_bits=(8,), activation_bits=(8,))
    return solve(Problem(network=load_network("alexnet"), choices=choices, budgets={"area_mm2": 6}))


def report(design: Design) -> str:
    return to_text(design_parts(design), terminal=False)


def test_rates_and_parts_of_a_design(design: Design) -> None:
    energy, text = design.energy, report(design)
    assert energy is not None
    mj, watts = 1e3 * energy.per_image_j, energy.average_w
    assert f"energy {mj:.4g} mJ per image, {watts:.4g} W on average" in text
    assert f"{energy.tops_per_w:.4g} TOPS/W" in text
    assert f"product {1e6 * energy.energy_delay_js:,.4g} mJ·ms; 2 operations a MAC" in text
    lines = [line.split() for line in text.splitlines()]
    (dram,) = [x for x in lines if x[:1] == ["DRAM"] and x[-1] == "%"]
    assert float(dram[1]) == pytest.approx(1e3 * energy.parts_j["dram"], rel=1e-3)
    assert float(dram[2]) == pytest.approx(100 * energy.parts_j["dram"] / energy.total_j, abs=0.051)
    assert ["energy", f"{1e3 * design.metrics['energy_j']:.4g}", "mJ", "–"] in lines


def test_rates_and_parts_of_a_pipeline() -> None:
    found = solve(tiny(("dataflow",), objective="energy_j", budgets={"area_mm2": 0.2}))
    assert isinstance(found, DataflowDesign)
    assert found.energy is not None
    total_j, text = found.metrics["energy_j"], to_text(pipeline_parts(found), terminal=False)
    watts = total_j / found.metrics["interval_s"]
    tera = 2 * sum(layer.macs for layer in found.network.layers) / 1e12 / total_j
    product = 1e6 * total_j * found.metrics["latency_s"]
    assert (
        f"energy {four_digits(1e3 * total_j)} mJ per image, {four_digits(watts)} W on average"
        in text
    )
    assert (
        f"{four_digits(tera)} TOPS/W, energy-delay product {four_digits(product)} mJ·ms; 2 op"
        in text
    )
    for part, label in OF_STAGES.items():
        joules = sum(stage.parts_j[part] for stage in found.energy.layers)
        lines = [x for x in text.splitlines() if x.startswith(f"{label} ") and x.endswith("%")]
        assert len(lines) == (joules > 0)
        if lines:
            mj, percents = lines[0].removeprefix(label).split()[:2]
            assert float(mj) == pytest.approx(1e3 * joules, rel=1e-3)
            assert float(percents) == pytest.approx(100 * joules / total_j, abs=0.051)


def test_the_command_draws_a_pipeline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, picture = tmp_path / "pipeline.json", tmp_path / "energy.png"
    made_up(dataflow()).save(path)
    assert main(["plot", str(path), "--energy", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(path), "--sram", "--out", str(picture)]) == 2
    assert "--sram is for a design or an evaluation." in capsys.readouterr().err


def test_its_file_holds_and_is_read_back(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    design.save(path)
    assert check(path).holds
    content = json.loads(path.read_text("utf-8"))
    assert content["metrics"]["energy_j"] == design.metrics["energy_j"]
    section = content["energy"]
    assert [row["name"] for row in section["layers"]] == [x.name for x in design.network.layers]
    assert Design.load(path).energy == design.energy
    for change in ("per_image_j", "average_w", "tops_per_w", "energy_delay_js"):
        altered: dict[str, Any] = json.loads(path.read_text("utf-8"))
        altered["energy"][change] *= 1.001
        assert any(f"energy.{change}" in x for x in findings(altered))
    altered = json.loads(path.read_text("utf-8"))
    altered["energy"]["layers"][1]["parts_j"]["sram_psum"] *= 1.001
    assert any("sram_psum" in x for x in findings(altered))
    altered = json.loads(path.read_text("utf-8"))
    altered["problem"]["technology"]["energy"]["sram_read_j_per_bit"] *= 2
    assert any("metrics.energy_j" in x for x in findings(altered))


def without_energy(design: Design) -> dict[str, Any]:
    """The file as versions wrote it that knew no energy."""
    content = json.loads(json.dumps(design.to_dict()))
    del content["energy"], content["metrics"]["energy_j"], content["sha256"]
    del content["problem"]["technology"]["energy"], content["problem"]["dram_energy_j_per_bit"]
    return content


def test_files_without_energies_stay_valid(design: Design) -> None:
    content = without_energy(design)
    assert findings(content) == []
    old = Design.from_dict(content, "old.json")
    assert old.energy is None
    assert "no energy: tsmc28 has no energies" in " ".join(old.notes)
    assert "mJ per image" not in report(old)
    again = old.to_dict()
    assert "energy" not in again
    assert "energy" not in again["problem"]["technology"]


def test_a_file_with_energies_must_tell_the_metric(design: Design) -> None:
    content = json.loads(json.dumps(design.to_dict()))
    del content["metrics"]["energy_j"]
    with pytest.raises(SpecError, match="energy_j"):
        Design.from_dict(content, "design.json")
    assert any("energy_j" in x for x in findings(content))


def test_an_evaluation_cannot_have_an_energy_that_is_not_known(design: Design) -> None:
    found = evaluate(design.network, replace(design.accelerator, dram_energy_j_per_bit=None))
    assert found.absent["energy_j"] == "no energy of a DRAM bit is given (--dram-pj-per-bit)"
    with pytest.raises(SpecError, match="cannot be known"):
        replace(found, metrics={**found.metrics, "energy_j": 1.0}, absent={})
    content = found.to_dict()
    assert "energy" not in content
    assert Evaluation.from_dict(json.loads(json.dumps(content)), "e.json") == found


def test_the_command_draws_it(
    design: Design, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, picture = tmp_path / "design.json", tmp_path / "energy.png"
    design.save(path)
    assert main(["plot", str(path), "--energy", "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(path), "--energy", "--sram", "--out", str(picture)]) == 2
    told = capsys.readouterr().err
    assert "give one of them" in told
