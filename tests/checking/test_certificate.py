"""Certificates: true ones verify, and nothing makes a false claim pass."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from certified import bands_problem_of, certify_and_check, deep, solved, written
from seeds import mostly_long
from sources import TESTS

import codesign
from codesign import Choices, Design, Problem, SpecError, certify, load_network
from codesign.checking import check_content
from codesign.errors import InfeasibleError
from codesign.results.result_file import DIGEST

# --- true claims are proven ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", mostly_long(range(5), 2))
def test_random_designs_are_proven(block: int) -> None:
    found = [solved(seed) for seed in range(block * 12, block * 12 + 12)]
    designs = [design for design in found if design is not None]
    assert len(designs) > 4
    for design in designs:
        certify_and_check(design)


@pytest.mark.slow
@pytest.mark.parametrize("block", mostly_long(range(3), 1))
def test_random_designs_with_tensors_on_chip_are_proven(block: int) -> None:
    found = [solved(seed, on_chip=True) for seed in range(block * 12, block * 12 + 12)]
    designs = [design for design in found if design is not None]
    assert len(designs) > 4
    for design in designs:
        certify_and_check(design)
    places = [{*(design.on_chip or {}).values()} for design in designs]
    assert places.count({"chip", "dram"}) > len(designs) // 3


@pytest.mark.long
def test_random_designs_whose_layers_may_be_fused_are_proven() -> None:
    designs = fused(range(8))
    assert len(designs) > 3
    for design in designs:
        certify_and_check(design)
    assert sum(len(design.fused_runs) > 0 for design in designs) > 1


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_random_designs_whose_layers_may_be_fused_are_proven(block: int) -> None:
    for design in fused(range(1000 + block * 50, 1050 + block * 50)):
        certify_and_check(design)


def fused(seeds: range) -> list[Design]:
    """The best designs of random problems whose layers may be fused."""
    found = []
    for seed in seeds:
        try:
            found.append(codesign.solve(bands_problem_of(seed).problem))
        except InfeasibleError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on_chip", "gbit_per_s"),
    mostly_long([("tensors", 25.6), ("bands", 25.6), ("tensors", 153.6)], 1),
)
def test_a_shipped_network_with_tensors_on_chip_is_proven(on_chip: Any, gbit_per_s: float) -> None:
    choices = Choices(
        rows=(8, 16, 32),
        cols=(8, 16, 64),
        weight_bits=(4, 6, 8),
        activation_bits=(4, 6, 8),
        on_chip=on_chip,
    )
    problem = Problem(
        network=load_network("resnet18"),
        choices=choices,
        dram_bits_per_s=gbit_per_s * 1e9,
        quality="uniform:6",
        budgets={"area_mm2": 6.0},
    )
    certify_and_check(codesign.solve(problem))


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_random_designs_with_tensors_on_chip_are_proven(block: int) -> None:
    for seed in range(1000 + block * 50, 1050 + block * 50):
        design = solved(seed, on_chip=True)
        if design is not None:
            certify_and_check(design)


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_many_random_designs_are_proven(block: int) -> None:
    for seed in range(1000 + block * 50, 1050 + block * 50):
        design = solved(seed)
        if design is not None:
            certify_and_check(design)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "objective", "latency_s"),
    mostly_long(
        [
            ("resnet18", "latency_s", 1.5e-3),
            ("alexnet", "model_bits", 3e-3),
            *(("resnet18", objective, 1.5e-3) for objective in ("area_mm2", "model_bits", "noise")),
        ],
        2,
    ),
)
def test_a_shipped_network_is_proven(name: str, objective: Any, latency_s: float) -> None:
    choices = Choices(
        rows=(8, 16, 32), cols=(8, 16, 64), weight_bits=(4, 6, 8), activation_bits=(4, 6, 8)
    )
    budgets: dict[Any, float] = {"area_mm2": 6.0, "latency_s": latency_s, "noise": 0.01}
    budgets.pop(objective, None)
    problem = Problem(
        network=load_network(name), choices=choices, objective=objective, budgets=budgets
    )
    certify_and_check(codesign.solve(problem))


@pytest.mark.long
def test_the_default_space_is_proven() -> None:
    problem = Problem(
        network=load_network("resnet18"), quality="uniform:6", budgets={"area_mm2": 6.0}
    )
    design = codesign.solve(problem)
    assert design.solver.considered == 7056
    certify_and_check(design)


def test_an_unfinished_proof_is_certified_as_far_as_it_claims() -> None:
    found = solved(next(seed for seed in range(200) if solved(seed) is not None))
    assert found is not None
    bound = found.proof.objective * 0.8
    proof = replace(
        found.proof,
        status="feasible",
        ended="gap",
        bound=bound,
        gap=(found.proof.objective - bound) / found.proof.objective,
    )
    unfinished = replace(found, proof=proof)
    report = deep(written(unfinished.to_dict()), written(certify(unfinished).to_dict()))
    assert report.proven
    assert report.holds


def test_kept_files_without_a_word_on_places_are_proven() -> None:
    """Files of the same formats that know no other place than DRAM."""
    design, certificate = (
        json.loads((TESTS / "checking/golden" / name).read_text("utf-8"))
        for name in ("design.json", "certificate.json")
    )
    assert "on_chip" not in {*design, *design["problem"]["choices"]}
    assert {group["by"] for group in certificate["groups"]} == {"bound", "enumeration"}
    report = deep(design, certificate)
    assert report.findings == ()
    assert report.proven
    certificate["groups"][-1] |= {"prices": {}, "by": "bound"}
    assert not deep(design, certificate).proven


def test_a_kept_design_whose_tiles_have_all_columns_holds() -> None:
    """A file that does not say how many columns a tile has: all, and all stored ones of the ifmap.

    One of 3 outputs a stride of 2 apart reads all 5 inputs so; with as many said, no more than 5.
    """
    path = TESTS / "checking/golden/older_design.json"
    content = json.loads(path.read_text("utf-8"))
    assert not any("q" in row["tile"] for row in content["layers"])
    assert check_content(content, "older.json").findings == ()
    assert written(Design.load(path).to_dict()) == content
    assert Design.load(path).layers["tile_q"].tolist() == [3, 6, 1, 1]
    content["layers"][1]["tile"]["q"] = 3
    del content[DIGEST]
    assert any("sram_bits" in str(x) for x in check_content(content, "older.json").findings)


def test_out_of_time_the_rest_is_left_to_the_solver() -> None:
    design = next(x for x in map(solved, range(200)) if x is not None and x.proof.objective > 0)
    certificate = certify(design, time_limit_s=1e-9)
    assert certificate.groups == []
    assert certificate.trusted != []
    report = deep(written(design.to_dict()), written(certificate.to_dict()))
    assert report.holds
    assert report.proven is False


def test_steps_are_told() -> None:
    design = next(x for x in map(solved, range(200)) if x is not None and x.proof.objective > 0)
    told: list[str] = []
    certificate = certify(design, on_step=told.append)
    groups = len(certificate.groups)
    assert len(told) == groups
    assert told[-1].endswith(f" of {design.solver.considered} hardware options")
    content, proof = written(design.to_dict()), written(certificate.to_dict())
    told.clear()
    check_content(content, "design.json", proof, on_step=told.append)
    assert len(told) == groups
    assert told[-1] == f"verified: {groups - 1} of {groups} groups of hardware options"


# --- altered certificates -----------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1.0, math.nan])
def test_a_time_limit_must_be_positive(limit: float) -> None:
    design = next(x for x in map(solved, range(200)) if x is not None)
    with pytest.raises(SpecError, match="time_limit_s must be positive"):
        certify(design, time_limit_s=limit)
