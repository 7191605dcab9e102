"""Sheets: loop nests do what the design counts, walked one by one; names are text."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import refused, run
from markup import HOSTILE
from random_chains import random_chain
from random_evaluations import evaluated, random_accelerator
from random_networks import Draft, random_network
from seeds import check_all, mostly_long
from sheet_walk import check_sheet

from codesign import Accelerator, Layer, Network, SpecError, evaluate
from codesign.exports import sheet, sheet_markdown
from codesign.specs.machine import MACHINE_FIELDS, Machine

MACHINES = ("", "", "mapping", "reconfigurable", "widening")


def check_random(seed: int) -> None:
    rng = random.Random(f"sheet {seed}")
    network = random_network(rng, rng.choice((1, 2, 3)), 1, seed % 3 == 1)
    kind = MACHINES[seed % len(MACHINES)]
    on = random_accelerator(rng, kind)
    found = evaluated(rng, network, on, on_chip=rng.choice(("none", "tensors")))
    machine = found.accelerator
    plain = not (machine.fill_cycles or machine.weight_load or machine.cycle_factors)
    content = sheet(found)
    check_sheet(content, plain and not machine.zero_skipping)
    assert json.loads(json.dumps(content)) == content
    array = content["array"]
    told = Machine(mapping=array["mapping"], **array["terms"])
    assert all(getattr(told, x) == getattr(machine, x) for x in MACHINE_FIELDS)
    assert sheet_markdown(content).count("```") == 2 * sum(
        layer["kind"] == "tiled" for layer in content["layers"]
    )


@pytest.mark.parametrize("first", mostly_long(range(0, 1000, 25), 1))
def test_loop_nests_do_what_the_design_counts(first: int) -> None:
    check_all(range(first, first + 25), check_random)


def test_loop_nests_over_enlarged_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Draft, "spread", "input_repetition")
    check_all(range(1, 40, 3), check_random)


def test_fused_runs_hold_what_they_need() -> None:
    fused = 0
    for seed in range(12):
        rng = random.Random(f"fused sheet {seed}")
        network = random_chain(rng, 3, tall=True)
        on = replace(random_accelerator(rng), dram_bits_per_s=1e7, sram_bits=20_000)
        content = sheet(evaluated(rng, network, on, on_chip="bands"))
        check_sheet(content)
        fused += bool(content["runs"])
    assert fused > 3


def test_terms_of_a_machine_are_told() -> None:
    terms = {"fill_cycles": True, "overlap": 0.5, "stored_channels": 16, "zero_skipping": True}
    more = {"cycle_factors": {"3x3": "4/9"}, "weight_buffer_bits": 4000, "reconfigurable": True}
    on = replace(ON, mapping=("window", "output"), sram_bits_per_cycle=64, **terms, **more)
    text = sheet_markdown(sheet(evaluate(network("net"), on, on_chip="none")))
    assert (
        "| also | filling and draining take cycles; inserted zeros are skipped; compute and DRAM "
        "traffic overlap by 50.0 %; channels in DRAM in multiples of 16; 3×3 kernels take 4/9 of "
        "the cycles |"
    ) in text
    assert "| SRAM port | 64 bit per cycle |" in text
    assert "| mapping | window, output; each layer takes its own |" in text
    assert "| also |" not in sheet_markdown(sheet(evaluate(network("net"), ON)))


CHIP = {"rows": 2, "cols": 2, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
ON = Accelerator(name="chip", clock_hz=1e8, sram_bits=5000, dram_bits_per_s=1e9, **CHIP)


def network(name: str) -> Network:
    conv = Layer(name=name, input="in", output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
    fc = Layer(name=f"{name}.", input="a", output="out", K=10, C=288)
    return Network(name=name, layers=(conv, fc), tensors={"in": 144, "a": 288, "out": 10})


def test_a_nest_by_hand() -> None:
    found = evaluate(network("net"), ON, on_chip="none", tiling=TILES)
    (conv, _) = sheet(found)["layers"]
    text = sheet_markdown(sheet(found))
    assert (
        "for k in 0 to 7 step 2:  # 4 trips\n"
        "  fetch the tile of weights from DRAM\n"
        "  for p in 0 to 5 step 3:  # 2 trips\n"
        "    fetch the tile of ifmap from DRAM\n"
        "    compute the tile  # 288 cycles in 8 tiles\n"
        "    store the tile of outputs to DRAM\n"
    ) in text
    # ⌈4/2⌉ folds of channels · 4 of outputs · 36 pixels
    assert conv["cycles"] == 288
    # Tiles of 4 + 1 rows, one of them fetched with its neighbour's: 8 rows a pass, 4 passes.
    assert conv["dram_bits"]["ifmap"] == 4 * 8 * 6 * 4 * 8


TILES = {"net": {"tile": {"g": 1, "k": 2, "c": 4, "p": 3, "q": 6, "images": 1}, "order": "kpc"}}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(name: str) -> None:
    text = sheet_markdown(sheet(evaluate(network(name), ON, on_chip="none")))
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluate(network("net"), ON, on_chip="none")
    file, out = tmp_path / "e.json", tmp_path / "sheet"
    found.save(file)
    code, printed, err = run(capsys, "export", "sheet", str(file), "--out", str(out))
    assert (code, err) == (0, "")
    assert printed.split() == [str(out / "sheet.md"), str(out / "sheet.json")]
    _, printed, _ = run(capsys, "export", "sheet", str(file))
    assert printed == (out / "sheet.md").read_text("utf-8")
    assert json.loads((out / "sheet.json").read_text("utf-8")) == sheet(found)
    for name, right in (("x.md", printed), ("x.json", (out / "sheet.json").read_text("utf-8"))):
        assert run(capsys, "export", "sheet", str(file), "--out", str(tmp_path / name))[0] == 0
        assert (tmp_path / name).read_text("utf-8") == right
    _, told, _ = run(capsys, "export", "sheet", str(file), "--json")
    assert json.loads(told) == sheet(found)
    ideal = tmp_path / "ideal.json"
    evaluate(network("net"), ON, roofline="ideal").save(ideal)
    assert "the ideal roofline has none" in refused(capsys, "export", "sheet", str(ideal))
    assert "is not a folder" in refused(
        capsys, "export", "sheet", str(file), "--out", str(file / "below")
    )


def test_the_ideal_roofline_has_no_sheet() -> None:
    with pytest.raises(SpecError, match="the ideal roofline has none"):
        sheet(evaluate(network("net"), ON, roofline="ideal"))
