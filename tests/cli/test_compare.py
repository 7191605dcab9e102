"""The command compare: what it prints, writes, draws and refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from command_line import ARRAY, CHIP, TINY, refused, run
from markup import HOSTILE, Tags
from pipelines import tiny

from codesign import (
    Accelerator,
    Comparison,
    Evaluation,
    Layer,
    Network,
    SpecError,
    compare,
    evaluate,
    solve,
)
from codesign.files import digest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Path:
    """With two evaluations of one network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / "chip.toml").write_text(CHIP)
    given = ("evaluate", "tiny.toml", *ARRAY, "--sram-kbit", "100", "--dram-gbit-per-s", "5")
    assert run(capsys, *given, "--out", "a.json")[0] == 0
    assert run(capsys, *given, "--rows", "4", "--bits", "4", "--out", "b.json")[0] == 0
    return tmp_path


def test_it_prints_writes_and_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "compare", "a.json", "b.json", "--out", "c.json")
    assert (code, err) == (0, "")
    for text in ("what explains B − A", "PE array", "bitwidths", "conv1", "by bitwidths"):
        assert text in out
    _, printed, _ = run(capsys, "compare", "a.json", "b.json", "--json")
    assert json.loads(printed) == json.loads((folder / "c.json").read_text())
    assert run(capsys, "show", "c.json") == (0, out, "")
    for picture in ("c.png", "d.svg"):
        assert run(capsys, "plot", "c.json", "--out", picture)[0] == 0
    code, _, _ = run(capsys, "compare", "a.json", "b.json", "a.json", "--plot", "e.svg")
    assert code == 0
    drawn = (folder / "e.svg").read_text()
    assert "<svg" in drawn
    assert (folder / "d.svg").stat().st_size > 10_000


def test_equal_results_do_not_differ(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "a.json", "a.json", "--plot", "same.png")
    assert code == 0
    assert "B − A: no total that both have differs" in out
    (told,) = Comparison.from_dict(
        json.loads(run(capsys, "compare", "a.json", "a.json", "--json")[1]), "file"
    ).differences
    assert not any(each.difference or any(each.parts.values()) for each in told.explained)


def test_refusals_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "two files or more" in refused(capsys, "compare", "a.json")
    assert "No such file" in refused(capsys, "compare", "a.json", "none.json")
    same = refused(capsys, "compare", "a.json", "b.json", "--out", "b.json")
    assert "given twice" in same
    assert "must end in" in refused(capsys, "compare", "a.json", "b.json", "--plot", "b.txt")
    run(capsys, "compare", "a.json", "b.json", "--out", "c.json")
    assert "this is a comparison file" in refused(capsys, "compare", "a.json", "c.json")
    content = json.loads((folder / "b.json").read_text())
    content["layers"][0]["dram_bits"]["weights"] += 8
    (folder / "b.json").write_text(json.dumps(content))
    found = refused(capsys, "compare", "a.json", "b.json")
    assert "b.json: layers[0] ('conv1').dram_bits.weights: found" in found
    assert "codesign check tells all" in found


ALTERATIONS: dict[str, Any] = {
    "no longer two": lambda x: x["results"].pop(),
    "a result too many": lambda x: x["results"].append(copy.deepcopy(x["results"][0])),
    "another metric": lambda x: x["results"][1]["metrics"].update(latency_s=1.0),
    "another part": lambda x: x["differences"][0]["explained"][0]["parts"].update(widths=1.0),
    "a part of a layer": lambda x: x["differences"][0]["explained"][0]["rows"][0]["parts"].update(
        tiles=1.0
    ),
    "a layer less": lambda x: x["differences"][0]["explained"][0]["rows"].pop(0),
    "another layer": lambda x: x["results"][1]["layers"][0].update(name="other"),
    "no number": lambda x: x["differences"][0]["explained"][0].update(difference=float("nan")),
    "a metric twice": lambda x: x["differences"][0]["explained"].append(
        copy.deepcopy(x["differences"][0]["explained"][0])
    ),
    "no metric": lambda x: x["differences"][0]["unexplained"].update(energy_j="so"),
    "no layers": lambda x: [each.update(layers=[]) for each in x["results"]],
    "an unknown key": lambda x: x.update(more=1),
    "an unknown metric": lambda x: x["results"][0]["metrics"].update(speed=1.0),
    "a negative size": lambda x: x["results"][0]["hardware"].update(pes=-1),
    "a list of layers": lambda x: x["results"][0].update(layers={}),
    "nothing": lambda x: x.clear(),
}


@pytest.mark.parametrize("how", ALTERATIONS)
def test_altered_files_are_refused(
    how: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "compare", "a.json", "b.json", "--out", "c.json")
    content = json.loads((folder / "c.json").read_text())
    ALTERATIONS[how](content)
    content.pop("sha256", None)
    content["sha256"] = "" if how == "no number" else digest(content)
    (folder / "c.json").write_text(json.dumps(content))
    with pytest.raises(SpecError):
        Comparison.load(folder / "c.json")
    assert refused(capsys, "show", "c.json").startswith("codesign: error: c.json")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_files_are_text(name: str) -> None:
    layer = Layer(name=name, input="in", output="out", K=4, C=4)
    network = Network(name=name, layers=(layer,), tensors={"in": 4, "out": 4})
    chip = {"rows": 2, "cols": 2, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    on = Accelerator(name=name, clock_hz=1e8, sram_bits=10**5, dram_bits_per_s=1e9, **chip)
    found = compare(evaluate(network, on), evaluate(network, on, 4), names=[name, name])
    tags = Tags(found._repr_html_())
    assert "script" not in tags.tags
    assert "img" not in tags.tags
    assert "\x1b" not in repr(found)
    assert Comparison.from_dict(json.loads(json.dumps(found.to_dict())), "file") == found


def test_pipelines_are_drawn_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, area_mm2 in (("p.json", 0.3), ("q.json", 0.6)):
        budgets = {"area_mm2": area_mm2}
        solve(tiny(("dataflow",), objective="interval", budgets=budgets)).save(folder / name)
    code, out, err = run(capsys, "compare", "p.json", "q.json", "a.json", "--plot", "p.png")
    assert (code, err) == (0, "")
    assert "interval" in out
    assert "note: latency of C and A: the networks, or the images at once, differ" in out


def test_results_of_two_networks_may_differ_without_parts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("evaluate", "tiny.toml", *ARRAY, "--sram-kbit", "100", "--dram-gbit-per-s", "5")
    assert run(capsys, *given, "--batch", "2", "--out", "two.json")[0] == 0
    code, out, _ = run(capsys, "compare", "a.json", "two.json")
    assert code == 0
    assert "note: latency of B and A: the networks" in out
    assert "no total that both have differs" not in out


def test_a_column_of_latencies_has_the_digits_that_its_numbers_need(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("evaluate", "tiny.toml", *ARRAY, "--sram-kbit", "100", "--dram-gbit-per-s", "500")
    for name, clock in (("fast.json", "1"), ("slow.json", "0.01")):
        assert run(capsys, *given, "--clock-mhz", clock, "--out", name)[0] == 0
    _, out, _ = run(capsys, "compare", "fast.json", "slow.json")
    layer = Evaluation.load("fast.json").layer_designs[0]
    (row,) = [line for line in out.splitlines() if line.startswith(layer.name)]
    assert row.split()[3] == f"{layer.latency_s * 1e3:.3f}"  # ms, as 129.6 beside it
