"""Several networks on the command line: their weights, limits, qualities and pins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL, TINY, refused, run

from codesign import Suite, load_network
from codesign.problem.posed import limits_by_metric
from codesign.problem.readers import limits


def test_a_suite_is_solved_and_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, tiny = tmp_path / "design.json", tmp_path / "tiny.toml"
    tiny.write_text(TINY)
    words = "--weights 2,1,0.5 --min-fps tiny=10 --min-fps tiny.2=1000"
    words += " --quality uniform:4,tiny.3=uniform:8"
    words += f" --max-gbops tiny.3=2,3 --max-area-mm2 0.2 --quiet --out {out}"
    code, _, err = run(capsys, "solve", *[str(tiny)] * 3, *words.split(), *SMALL)
    assert (code, err) == (0, "")
    content = json.loads(out.read_text())
    members = content["problem"]["network"]["members"]
    assert [(x["name"], x["weight"]) for x in members] == [
        *(("tiny", 2.0), ("tiny.2", 1.0), ("tiny.3", 0.5))
    ]
    metrics, budgets = content["metrics"], content["problem"]["budgets"]
    each = {x["name"]: metrics[f"latency_s@{x['name']}"] for x in members}
    total = sum(x["weight"] * each[x["name"]] for x in members)
    assert metrics["latency_s"] == pytest.approx(total, rel=1e-12)
    assert budgets["latency_s@tiny"] == pytest.approx(0.1)
    assert budgets["latency_s@tiny.2"] == pytest.approx(1e-3)
    assert "latency_s@tiny.3" not in budgets
    assert (budgets["bops@tiny"], budgets["bops@tiny.3"]) == (3e9, 2e9)
    assert budgets["noise@tiny.3"] < budgets["noise@tiny"] == budgets["noise@tiny.2"]
    assert run(capsys, "check", str(out))[:1] == (0,)
    shown = run(capsys, "show", str(out))[1]
    assert "sums over members" in shown
    assert "tiny.3" in shown


def test_energy_is_limited_network_by_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a solve, with its certificate and its explanation, and in a front."""
    tiny, out, proof = (tmp_path / x for x in ("tiny.toml", "design.json", "proof.json"))
    tiny.write_text(TINY)
    words = "--weights 3,1 --max-energy-mj tiny.2=2 --max-energy-mj tiny=3 --max-area-mm2 0.2"
    words += " --rows 1,2 --cols 2 --bits 6,8"  # of which a certificate takes no time
    suite = *[str(tiny)] * 2, *words.split()
    code, _, err = run(capsys, "solve", *suite, f"--out={out}", f"--certificate={proof}")
    assert (code, err) == (0, "")
    content = json.loads(out.read_text())
    metrics, budgets = content["metrics"], content["problem"]["budgets"]
    assert budgets["energy_j@tiny"] == pytest.approx(3e-3)
    assert budgets["energy_j@tiny.2"] == pytest.approx(2e-3)
    assert metrics["energy_j@tiny.2"] <= 2e-3
    total = 3 * metrics["energy_j@tiny"] + metrics["energy_j@tiny.2"]
    assert metrics["energy_j"] == pytest.approx(total, rel=1e-12)
    assert run(capsys, "check", str(out), "--deep", "--certificate", str(proof))[:1] == (0,)
    assert "energy of tiny.2" in run(capsys, "explain", str(out))[1]
    front = ["--objectives", "latency,energy@tiny", "--range", "energy@tiny=0:10", "--points", "3"]
    code, shown, err = run(capsys, "pareto", *suite, *front)
    assert (code, err) == (0, "")
    assert "energy of tiny" in shown


def test_a_front_between_two_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny, out, folder = tmp_path / "tiny.toml", tmp_path / "front.csv", tmp_path / "designs"
    tiny.write_text(TINY)
    words = "--objectives latency@tiny,noise@tiny.2 --range latency@tiny=0:1000 --points 3"
    words += f" --weights 3,1 --max-area-mm2 0.2 --max-gbops tiny.2=3 --out {out}"
    given = [str(tiny)] * 2, *words.split(), f"--designs={folder}", *SMALL
    code, shown, err = run(capsys, "pareto", *given[0], *given[1:])
    assert (code, err) == (0, "")
    assert "latency of tiny" in shown
    assert "noise of tiny.2" in shown
    assert run(capsys, "show", str(out))[1] == shown
    (last,) = [*folder.iterdir()][-1:]
    problem = json.loads(last.read_text())["problem"]
    assert problem["budgets"].keys() >= {"area_mm2", "bops@tiny.2", "noise@tiny"}
    assert all(run(capsys, "check", str(path))[0] == 0 for path in folder.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("alexnet --weights 2", "only for several networks"),
        ("alexnet mobilenetv2 --weights 2", "1 weights for 2 networks"),
        ("alexnet mobilenetv2 --weights 2,0", "not a positive number"),
        ("alexnet mobilenetv2 --max-latency-ms alexnt=2", "did you mean 'alexnet'?"),
        ("alexnet --max-latency-ms alexnet=2", "there is one network"),
        ("alexnet mobilenetv2 --max-latency-ms 1 --max-latency-ms 2", "once for each network"),
        ("alexnet mobilenetv2 --max-latency-ms =2", "once for each network"),
        ("alexnet mobilenetv2 --max-energy-mj alexnt=2", "did you mean 'alexnet'?"),
        ("alexnet mobilenetv2 --quality vgg16=uniform:6", "no member 'vgg16'"),
        ("alexnet mobilenetv2 --sensitivity weights", "holds no weights"),
        ("alexnet --minimize regret", "'alexnet' is none"),
        ("alexnet mobilenetv2 --regret-of latency", "give both"),
        ("alexnet mobilenetv2 --pin weight:conv1=8", "no such weight-owning layer"),
    ],
)
def test_what_does_not_fit_is_one_line(
    capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    assert told in refused(capsys, "solve", *words.split(), *SMALL)


@pytest.mark.parametrize(
    ("texts", "right"),
    [
        (["2"], 2.0),
        (["a=2"], {"a": 2.0}),
        (["a=2", "3"], {"a": 2.0, None: 3.0}),
        (["a=b=2,c=1"], {"a=b": 2.0, "c": 1.0}),
    ],
)
def test_limits_are_read_by_name(texts: list[str], right: Any) -> None:
    assert limits(texts) == right


def test_a_certificate_proves_the_least_regret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny, out, proof = (tmp_path / x for x in ("tiny.toml", "design.json", "proof.json"))
    tiny.write_text(TINY)
    words = f"--minimize regret --certificate {proof} --max-area-mm2 0.2 --out {out}".split()
    code, _, err = run(capsys, "solve", str(tiny), str(tiny), *words, *SMALL)
    assert (code, err) == (0, "")
    code, shown, _ = run(capsys, "check", str(out), "--deep", "--certificate", str(proof))
    assert code == 0
    assert "nor could any network have less alone than regret is measured by" in shown
    code, shown, _ = run(capsys, "show", str(proof))
    assert code == 0
    assert "left to the solver's word: 0" in shown


def test_limits_without_a_name_are_of_the_others() -> None:
    network = Suite([load_network("alexnet"), load_network("mobilenetv2")]).network
    found = limits_by_metric("max_noise", "noise", {"alexnet": 1.0, None: 2.0}, network)
    assert found == {"noise@alexnet": 1.0, "noise@mobilenetv2": 2.0}
