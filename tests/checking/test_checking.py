"""The check of result files: right ones hold, and no number of one can be altered unnoticed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from altered import Path_, at, findings, matches, put, unnoticed
from command_line import run
from oracle_tilings import ORDERS, Tile, array_cycles, legal_tiles, tiling_cost
from random_problems import random_case, steep_case
from seeds import half_long, mostly_long

import codesign
from codesign import Choices, Layer, Problem, SpecError, evaluate, load_accelerator, load_network
from codesign.checking import Report, check_content, cost_model
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.network import Layer as CheckedLayer
from codesign.checking.network import read_network
from codesign.errors import InfeasibleError
from codesign.results.result_file import DIGEST
from codesign.specs.network import Network

# --- files to check -----------------------------------------------------------------------------

TINY = 4  # files of tiny problems
FEW_SIDES = {"rows": (8, 16, 32), "cols": (8, 16, 64), "weight_bits": (4, 6, 8)}
SHIPPED: dict[str, dict[str, Any]] = {
    "resnet18": {"quality": "uniform:6", "budgets": {"area_mm2": 6.0}},
    "mobilenetv2": {"quality": "uniform:6", "budgets": {"area_mm2": 2.0, "dram_bits": 1.2e8}},
    "vit_b_16": {"quality": "sqnr:25", "budgets": {"area_mm2": 12.0}},
}


@cache
def shipped_file(name: str) -> str:
    """The design file of a shipped network."""
    choices = Choices(**FEW_SIDES, activation_bits=(4, 6, 8))
    problem = Problem(network=load_network(name), choices=choices, **SHIPPED[name])
    return json.dumps(codesign.solve(problem).to_dict())


@cache
def tiny_files() -> list[str]:
    """Design files of random tiny problems: groups, parts, movements, shared widths."""
    found = []
    for seed in range(60):
        problem = random_case(seed, moving=seed % 2 == 0, sharing=seed % 3 == 0).problem
        layers = problem.network.layers
        rich = any(x.G > 1 for x in layers) and any(x.moves or x.parts for x in layers)
        if rich or seed % 5 == 1:
            try:
                found.append(json.dumps(codesign.solve(problem).to_dict()))
            except InfeasibleError:
                continue
        if len(found) == TINY:
            return found
    raise AssertionError("too few feasible problems")


def later(*each: Any) -> list[Any]:
    """For the long sweeps alone: what the digest tells of one file it tells of any."""
    return [pytest.param(one, marks=pytest.mark.long) for one in each]


def shipped(name: str) -> Any:
    """Its content, anew for each use."""
    return json.loads(shipped_file(name))


def tiny(number: int) -> Any:
    """Its content, anew for each use."""
    return json.loads(tiny_files()[number])


# --- right files hold ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_hold(name: str) -> None:
    report = check_content(shipped(name), "given.json")
    assert report.findings == ()
    assert report.holds
    assert report.figures > 20 * len(load_network(name).layers)


@pytest.mark.slow
@pytest.mark.parametrize("block", mostly_long(range(6), 3))
def test_random_designs_hold(block: int) -> None:
    solved = 0
    for seed in range(block * 12, block * 12 + 12):
        kinds = {"moving": seed % 2 == 0, "sharing": seed % 3 == 0}
        case = steep_case(seed) if seed % 4 == 1 else random_case(seed, **kinds)
        try:
            design = codesign.solve(case.problem)
        except InfeasibleError:
            continue
        solved += 1
        assert findings(json.loads(json.dumps(design.to_dict()))) == [], seed
    assert solved > 4


@pytest.mark.parametrize("roofline", ["tiled", "ideal"])
@pytest.mark.parametrize("name", ["alexnet", "mobilenetv2"])
def test_evaluations_hold(name: str, roofline: Any) -> None:
    eyeriss = load_accelerator("eyeriss")
    for accelerator in (
        eyeriss,
        replace(eyeriss, precision="multi-pass", pe_weight_bits=4, engine=9, psum_bits=None),
        replace(eyeriss, pe_area_um2=None, engine=9, number_format="float"),
    ):
        done = (
            evaluate(load_network(name), accelerator, 8, roofline=roofline)
            if (accelerator.precision == "multi-pass")
            else evaluate(load_network(name), accelerator, roofline=roofline)
        )
        report = check_content(json.loads(json.dumps(done.to_dict())), "given.json")
        assert report.findings == ()
        assert report.notes == ()


def test_an_unfinished_proof_holds() -> None:
    content = tiny(0)
    del content[DIGEST]
    objective = content["proof"]["objective"]
    bound = objective * 0.75
    content["proof"] |= {"bound": bound, "gap": (objective - bound) / objective}
    assert any("proof.status" in finding for finding in findings(content))
    content["proof"] |= {"status": "feasible", "ended": "time"}
    assert findings(content) == []


# --- no number can be altered -------------------------------------------------------------------

# Without the digest, what the question may be while the design stays an answer whose figures are
# right. Whether it is still the best one is what a certificate tells.
FREE_UNSEALED = (
    r"solver\.seconds",
    r"solver\.programmes",  # beyond one for each option solved
    r"layers\.\d+\.tile\.images",  # two at once, or one at a time in two buffers: both are right
    r"problem\.choices\.(rows|cols|(pe_)?(weight|activation)_bits)\.\d+",  # not the ones chosen
    r"problem\.budgets\.\w+",  # looser ones
    r"problem\.sensitivity\..*",  # at widths not chosen
    r"problem\.technology\.\w+\.(r2|calibrated.*|bank_bits)",  # information alone
    r"problem\.network\.layers\.\d+\.(stride|(input_)?dilation)(\.\d)?",  # rows are read once
    r"problem\.network\.layers\.\d+\.appended",  # room for outputs, not how many there are
)
FREE_OF_MOVEMENTS = r"problem\.network\.layers\.\d+\.[NGKCPQHW]"  # only products


def is_free_unsealed(content: Any, path: Path_) -> bool:
    """Whether a number may be altered where there is no digest."""
    movement = matches(FREE_OF_MOVEMENTS, path) and at(content, path[:-1])["moves"]
    return bool(movement) or any(matches(pattern, path) for pattern in FREE_UNSEALED)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, *later(0, 2, 3)])
def test_no_number_of_a_tiny_design_can_be_altered(number: int) -> None:
    assert unnoticed(tiny(number)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", *later("mobilenetv2", "vit_b_16")])
def test_no_number_of_a_shipped_design_can_be_altered(name: str) -> None:
    assert unnoticed(shipped(name), most=60, ways=2) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 3, *later(1, 2)])
def test_without_the_digest_the_arithmetic_alone_tells(number: int) -> None:
    content = tiny(number)
    del content[DIGEST]
    assert unnoticed(content, is_free_unsealed) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv2", *later("resnet18", "vit_b_16")])
def test_without_the_digest_shipped_designs_tell_too(name: str) -> None:
    content = shipped(name)
    del content[DIGEST]
    assert unnoticed(content, is_free_unsealed, most=60, ways=2) == []


def test_two_images_at_once_or_in_two_buffers_are_both_right() -> None:
    (layer,) = as_checked(
        Network(
            name="pair",
            layers=(Layer(name="a", N=2, C=3, K=4, input="x", output="y"),),
            tensors={"x": 6, "y": 8},
        )
    )
    one, two = (cost_model.Tile(1, 4, 3, 1, 1, images) for images in (1, 2))
    need = cost_model.sram_elements(layer, one)
    assert need.weights == 12
    assert need == cost_model.sram_elements(layer, two) == (12, 6, 8)
    for order in cost_model.ORDERS:
        moved = cost_model.dram_elements(layer, one, order)
        assert moved.ifmap == cost_model.dram_elements(layer, two, order).ifmap == 6


@pytest.mark.slow
def test_no_number_of_an_evaluation_can_be_altered() -> None:
    done = evaluate(load_network("alexnet"), load_accelerator("eyeriss"))
    content = json.loads(json.dumps(done.to_dict()))
    assert unnoticed(content, most=60, ways=2) == []
    content["metrics"]["noise"] = 0.5
    assert any(line.startswith("sha256") for line in findings(content))


# --- faults that are no numbers -----------------------------------------------------------------

OTHER_FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an order of another traffic": (lambda d: _reverse_order(d), "dram_bits"),
    "the other roof": (lambda d: _other_roof(d), "bound_by"),
    "an SRAM one bit too small": (lambda d: _one_bit_too_small(d), "at most the SRAM's"),
    "a finding is missing": (lambda d: d["metrics"].pop("noise"), "metrics.noise: found None"),
    "a key too many": (lambda d: d["hardware"].update(banks=4), "hardware.banks"),
    "a layer too few": (lambda d: d["layers"].pop(), "one row for each layer"),
    "another name": (lambda d: d["layers"][0].update(name="z"), "one row for each layer"),
    "another objective": (lambda d: d["problem"].update(objective="noise"), "proof.objective"),
    "a status too good": (lambda d: d["proof"].update(bound=0.0, gap=1.0), "proof.status"),
    "an end against the status": (lambda d: d["proof"].update(ended="time"), "proof.ended"),
    "text for a number": (lambda d: d["metrics"].update(noise="0.1"), "found '0.1'"),
    "no number": (lambda d: d["metrics"].update(noise=float("nan")), "found nan"),
    "true for a number": (lambda d: d["hardware"].update(rows=True), "found True"),
    "a list for a table": (lambda d: d.update(hardware=[]), "expected a table"),
    "a huge number": (lambda d: d["layers"][0].update(cycles=10**400), "expected"),
    "no problem": (lambda d: d.pop("problem"), "problem: found None"),
    "an unknown metric": (lambda d: d["problem"]["budgets"].update(cost=1.0), "budgets.cost"),
}


def _reverse_order(content: Any) -> None:
    for row in content["layers"]:
        row["order"] = row["order"] and row["order"][::-1]


def _one_bit_too_small(design: Any) -> None:
    most = max(row["sram_bits"] for row in design["layers"])
    design["hardware"]["sram_bits"] = most - 1


def _other_roof(content: Any) -> None:
    row = content["layers"][0]
    row["bound_by"] = {"compute": "memory", "memory": "compute"}[row["bound_by"]]


@pytest.mark.parametrize("case", OTHER_FAULTS)
def test_other_faults(case: str) -> None:
    alter, part = OTHER_FAULTS[case]
    content = shipped("resnet18") if case == "an order of another traffic" else tiny(0)
    alter(content)
    found = findings(content)
    assert any(part in finding for finding in found), found
    assert all(len(finding.splitlines()) == 1 and len(finding) < 400 for finding in found)


@pytest.mark.parametrize("content", [[], 3, None, {}, {"format": 1}, {"format": "other"}])
def test_what_is_no_result_file_is_refused(content: Any) -> None:
    with pytest.raises(
        SpecError, match=r"^given\.json: format .* expected codesign-design/1 or .*-evaluation/1"
    ):
        check_content(content, "given.json")


def test_anything_in_place_of_any_entry_is_told_not_raised() -> None:
    content, rng = tiny(1), random.Random(2)
    strange = (None, True, [], {}, "", "x\n\x1b[0m", -1, 0, 1e300, float("inf"), [[]], {"a": 1})

    def entries(node: Any, path: Path_ = ()) -> Iterator[Path_]:
        for key in node if isinstance(node, dict) else range(len(node)):
            yield (*path, key)
            if isinstance(node[key], dict | list):
                yield from entries(node[key], (*path, key))

    for path in rng.sample([*entries(content)], 150):
        for other in rng.sample(strange, 4):
            if path != ("format",):
                report = check_content(put(content, path, other), "given.json")
                assert all(str(x).isprintable() for x in report.findings)


# --- the arithmetic, against the oracle's -------------------------------------------------------


@pytest.mark.parametrize("seed", half_long(range(20)))
def test_tiles_cost_what_the_oracle_says(seed: int) -> None:
    network = random_case(seed, moving=seed % 2 == 0).problem.network
    for layer, checked in zip(network.layers, as_checked(network), strict=True):
        if layer.moves:
            continue
        for rows, cols, engine in ((1, 1, 9), (2, 3, 9), (8, 4, 4), (5, 8, 1)):
            array = cost_model.Array(rows, cols, engine)
            assert cost_model.cycles(checked, array) == array_cycles(layer, rows, cols, engine)
            legal = {(*tile,) for tile in legal_tiles(layer, rows, cols, engine)}
            for tile in legal:
                mine = cost_model.Tile(*tile)
                assert cost_model.tile_faults(checked, array, mine) == []
                for order in ORDERS:
                    cost = (
                        *cost_model.sram_elements(checked, mine),
                        *cost_model.dram_elements(checked, mine, order),
                    )
                    assert cost == tiling_cost(layer, Tile(*tile), order)
            for tile in random_tiles(layer, seed):
                right = not cost_model.tile_faults(checked, array, cost_model.Tile(*tile))
                assert right == (tile in legal)


def as_checked(network: Network) -> tuple[CheckedLayer, ...]:
    """The layers of a network as the check reads them."""
    from dataclasses import asdict

    content = json.loads(json.dumps(asdict(network)))
    return read_network(Entry("network", content, Ledger())).layers


def random_tiles(layer: Any, seed: int) -> Iterator[tuple[int, ...]]:
    """Tiles, most of them not legal."""
    rng = random.Random(seed)
    for _ in range(40):
        sizes = (layer.G, layer.K, layer.C, layer.P, layer.Q, layer.N)
        yield tuple(rng.randint(1, size + 1) for size in sizes)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 27, 1000, 2**40 - 1, 2**40, 10**13])
def test_logarithms_are_rounded_down(n: int) -> None:
    from fractions import Fraction
    from math import log2

    found = cost_model.log2_below(n)
    assert float(found) == pytest.approx(log2(n), rel=1e-15)
    # 2^found ≤ n, and not if the last of 20 digits were one more: checked by whole powers.
    digits = int(found * 2**12)
    assert 2**digits <= n ** (2**12) < 2 ** (digits + 1)
    assert found <= Fraction(log2(n)) + Fraction(1, 2**40)


# --- the command --------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "design.json"
    path.write_text(tiny_files()[0])
    report: Report = codesign.check(path)
    assert report.holds
    assert run(capsys, "check", str(path)) == (
        0,
        f"{path}: all {report.figures} figures hold\n",
        "",
    )
    content = tiny(0)
    content["metrics"]["noise"] *= 2
    path.write_text(json.dumps(content))
    code, out, err = run(capsys, "check", str(path))
    assert (code, err) == (1, "")
    assert f"{path}: metrics.noise: found " in out
    assert "is wrong" in out or "are wrong" in out
    path.write_text("{")
    code, out, err = run(capsys, "check", str(path))
    assert (code, out) == (2, "")
    assert "not JSON" in err
