"""ZigZag, run on what is exported to it, counts our DRAM bits; or the cause is told."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from command_line import BUDGET, SMALL, TINY, run
from mapped_designs import MAPPINGS, NETWORKS, evaluation, random_evaluations
from pipelines import dataflow, made_up

import codesign
from codesign import Choices, Problem, SpecError
from codesign.cli.app import main
from codesign.exports import export_zigzag
from codesign.exports.mapped import Mapped
from codesign.exports.zigzag import zigzag_files
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
needs_zigzag = pytest.mark.skipif(find_spec("zigzag") is None, reason="not installed: zigzag-dse")


def check(result: Design | Evaluation) -> int:
    """Layers equal to the bit: all that no cause is told of, and no other."""
    layers = export_zigzag(result, run=True).layers
    for layer in layers:
        assert (layer.ours == layer.theirs) == (layer.differs is None), layer
    return sum(layer.ours == layer.theirs for layer in layers)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a design of two layers."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.toml").write_text(TINY)
    given = "solve", str(folder / "tiny.toml"), *SMALL, *BUDGET, "--out", str(folder / "d.json")
    assert main([*given]) == 0
    return folder / "d.json"


@needs_zigzag
@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_known_networks_move_the_same_bits(network: str) -> None:
    result = evaluation(network)
    assert check(result) == len(result.network.layers)


@needs_zigzag
@pytest.mark.slow
def test_random_layers_move_the_same_bits_or_the_cause_is_told() -> None:
    results = random_evaluations(0, 80)
    equal, count = sum(map(check, results)), sum(len(x.network.layers) for x in results)
    assert 60 < 0.8 * count < equal < count


@needs_zigzag
@pytest.mark.long
@pytest.mark.slow
def test_many_random_layers() -> None:
    results = random_evaluations(120, 3000)
    assert sum(map(check, results)) > 0.85 * sum(len(x.network.layers) for x in results)


@needs_zigzag
@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("area_mm2", [2.0, 6.0])
@pytest.mark.parametrize("network", NETWORKS)
def test_proven_designs_move_the_same_bits(network: str, area_mm2: float) -> None:
    problem = Problem(
        network=codesign.load_network(network),
        choices=Choices(on_chip="none"),
        quality="uniform:6",
        budgets={"area_mm2": area_mm2},
    )
    assert check(codesign.solve(problem)) >= 0.9 * len(problem.network.layers)


@needs_zigzag
@pytest.mark.slow
def test_zigzag_takes_the_files_and_every_order_in_them(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zigzag.api import get_hardware_performance_zigzag
    from zigzag.opt.loma.engine import LomaEngine

    out = tmp_path / "new" / "zigzag"
    assert run(capsys, "export", "zigzag", str(tiny), "--out", str(out))[0] == 0
    paths = [str(out / f"{x}.yaml") for x in ("workload", "accelerator", "mapping")]
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(LomaEngine, "run", lambda _: pytest.fail("an order is searched for"))
        _, cycles, _ = get_hardware_performance_zigzag(
            *paths,
            temporal_mapping_type="even",
            dump_folder=str(tmp_path / "dump"),
            loma_show_progress_bar=False,
        )
    assert cycles > 0


def test_files_are_those_of_the_design(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, printed, err = run(capsys, "export", "zigzag", str(tiny), "--out", str(out), "--json")
    assert (code, err) == (0, "")
    found = Design.load(tiny)
    files = {x: yaml.safe_load((out / f"{x}.yaml").read_text()) for x in ("accelerator", "mapping")}
    chip = found.accelerator
    assert files["accelerator"]["memories"]["sram"]["size"] == chip.sram_bits
    assert files["accelerator"]["operational_array"]["sizes"] == [9 * chip.rows, chip.cols]
    told = json.loads(printed)["layers"]
    assert [x["layer"] for x in told] == ["conv1", "fc"]
    workload = {x["name"]: x for x in yaml.safe_load((out / "workload.yaml").read_text())}
    for layer, row, each in zip(found.network.layers, found.layer_designs, told, strict=True):
        assert sum(each["dram_bits"].values()) == row.dram_bits.total
        node = workload[each["parts"][0]]["operand_precision"]
        assert node["W"] == row.weight_bits
        kept = found.on_chip is not None and found.on_chip[layer.input] == "chip"
        assert node["I"] == (0 if kept else found.tensor_bits[layer.input])
    for name in workload:
        assert name in {x["name"] for x in files["mapping"]}


@needs_zigzag
def test_a_tensor_on_chip_moves_nothing() -> None:
    results = [x for x in random_evaluations(0, 60) if "chip" in (x.on_chip or {}).values()]
    for result in results:
        files = zigzag_files(Mapped(result, "a test"))
        for layer in result.network.layers:
            stays = (result.on_chip or {})[layer.input] == "chip"
            for node in files.workload:
                if stays and node["name"].split("/")[0] == layer.name and "pr_loop_dims" in node:
                    assert node["operand_precision"]["I"] == 0
    assert results


def test_all_that_is_unrolled_fits_the_array() -> None:
    known = [evaluation("mobilenetv2", mapping=x) for x in MAPPINGS]
    for result in [*random_evaluations(0, 40), *known]:
        files = zigzag_files(Mapped(result, "a test"))
        sizes = files.accelerator["operational_array"]["sizes"]
        for node in files.mapping[:-1]:
            for unrolled, most in zip(node["spatial_mapping"].values(), sizes, strict=True):
                assert math.prod(int(x.split(", ")[1]) for x in unrolled) <= most, node


def test_energies_are_those_of_technology_and_memory() -> None:
    known, technology = evaluation("alexnet"), codesign.load_technology("tsmc28")
    chip = replace(known.accelerator, technology=technology, dram_energy_j_per_bit=4e-12)
    array = zigzag_files(Mapped(codesign.evaluate(known.network, chip, 8), "a test")).accelerator
    given = technology.energy
    assert given is not None
    sram, dram = array["memories"]["sram"], array["memories"]["dram"]
    assert sram["r_cost"] == pytest.approx(1e12 * given.sram_read_j_per_bit)
    assert sram["w_cost"] == pytest.approx(1e12 * given.sram_write_j_per_bit)
    assert dram["r_cost"] == dram["w_cost"] == pytest.approx(4.0)
    bops = 8 * 8 + 8 + 8
    mac = bops * (given.j_per_bop or 0) + (given.j_per_mac or 0)
    assert array["operational_array"]["unit_energy"] == pytest.approx(1e12 * mac)
    assert mac > 0


@needs_zigzag
def test_layers_may_have_any_name() -> None:
    """Also that of a part of another, or one that YAML reads as something else."""
    result = evaluation("alexnet")
    names = ["a: #", "a: #/1", "default", "Conv", "null", "1e3", "é\n", "a: #/2"]
    layers = zip(result.network.layers, names, strict=True)
    network = replace(result.network, layers=tuple(replace(x, name=y) for x, y in layers))
    found = codesign.evaluate(network, result.accelerator, 8)
    assert check(found) == len(names)
    parts = [part for x in export_zigzag(found).layers for part in x.parts]
    assert len(parts) == len({*parts})
    workload = yaml.safe_load(export_zigzag(found).texts["workload.yaml"])
    assert [x["name"] for x in workload] == parts


def test_what_has_no_loops_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = codesign.load_network("alexnet"), evaluation("alexnet").accelerator
    ideal = codesign.evaluate(*given, 8, roofline="ideal")
    with pytest.raises(SpecError, match="the ideal roofline has no tiles"):
        export_zigzag(ideal)
    path = tmp_path / "p.json"
    made_up(dataflow()).save(path)
    code, out, err = run(capsys, "export", "zigzag", str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "wanted is a design file or an evaluation file" in err


def test_without_zigzag_its_count_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zigzag.parser.accelerator_factory", None)
    with pytest.raises(SpecError, match=r"pip install 'codesign\[zigzag\]'"):
        export_zigzag(evaluation("alexnet"), run=True)
