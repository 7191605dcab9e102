"""With tensors that outlast the run, the optimum is the enumerated one; its files hold.

Caches are written in part, or whole, or by nobody, and never stay on chip.
"""

from __future__ import annotations

import pytest
from certified import written
from compare_designs import compare
from random_machines import KINDS as MACHINES
from random_on_chip import on_chip_case
from random_problems import Case
from seeds import check_all, half_long

from codesign import InfeasibleError, certify, evaluate, solve
from codesign.checking import check_content
from codesign.specs.network import Network

SEEDS = (*range(10), 13)
BLOCK = 100
LONG_BLOCKS = range(1000, 1600, BLOCK)  # the first seed of each


SEEN: dict[int, Network] = {}  # networks of the problems made so far


def case_of(seed: int) -> Case:
    """Every third on a machine of some kind."""
    machine = "" if seed % 3 else MACHINES[seed // 3 % len(MACHINES)]
    return on_chip_case(seed, "cache", machine)


def check_files(case: Case) -> None:
    """The design's file, its certificate, and an evaluation of the same hold."""
    try:
        design = solve(case.problem)
    except InfeasibleError:
        return
    content, proof = written(design.to_dict()), written(certify(design).to_dict())
    report = check_content(content, "given.json", proof)
    assert report.holds, report.findings
    assert report.proven is not False
    network = case.problem.network
    given = evaluate(network, design.accelerator, design.widths, on_chip="tensors")
    assert check_content(written(given.to_dict()), "given.json").holds
    for places in (design.on_chip, given.on_chip):
        assert all(places[name] == "dram" for name in network.cache if places)


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = case_of(seed)
    SEEN[seed] = case.problem.network
    compare(case)
    if seed % 6 == 0:
        compare(case, "whole")
    if seed % 4 == 1:
        check_files(case)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    def check(seed: int) -> None:
        case = case_of(seed)
        compare(case)
        compare(case, "whole")
        check_files(case)

    check_all(range(first, first + BLOCK), check)


def test_problems_contain_every_kind_of_cache() -> None:
    count = {"in part": 0, "whole": 0, "by nobody": 0}
    for seed in SEEDS:
        network = SEEN.get(seed) or case_of(seed).problem.network
        for name in network.cache:
            writers = [layer for layer in network.layers if layer.output == name]
            part = any(name in layer.parts for layer in writers)
            count["in part" if part else "whole" if writers else "by nobody"] += 1
    assert min(count["in part"], count["whole"]) >= 5, count
    assert count["by nobody"]
