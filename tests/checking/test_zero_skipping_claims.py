"""The check of machines that skip inserted zeros: its own count of phases, and what it refuses."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import oracle_machine
import oracle_tilings
import pytest
from certified import as_checked, certify_and_check
from false_claims import hold_to_enumeration
from machine_terms import skipping_case
from random_machines import KINDS
from random_problems import random_case
from seeds import half_long
from small_layers import layer

import codesign
from codesign import Choices, Network, Problem
from codesign.checking import check_content, cost_model
from codesign.checking.zeros import computed_macs, phases_in_turn
from codesign.errors import InfeasibleError
from codesign.results.result_file import DIGEST
from codesign.specs.machine import MAPPINGS

UP = layer(K=4, C=6, P=8, Q=8, H=4, W=4, R=3, S=3, input_dilation=2)


def test_phases_cycles_and_tiles_are_the_oracles() -> None:
    rng, fewer = random.Random("phases"), 0
    for seed in range(5):
        problem = random_case(seed, moving=True).problem
        skips = replace(problem, choices=replace(problem.choices, zero_skipping=True))
        checked = as_checked(skips)
        for made, mine in zip(problem.network.layers, checked.network.layers, strict=True):
            if made.moves:
                continue
            assert phases_in_turn(mine) == oracle_machine.in_turn(made)
            macs = oracle_machine.computed_macs(made, True)
            assert computed_macs(mine) == macs == made.stored_macs
            fewer += macs < made.macs
            rows, cols, engine = rng.choice(((1, 1, 9), (2, 3, 9), (8, 4, 4), (5, 8, 1), (6, 2, 7)))
            for mapping in MAPPINGS:
                array = cost_model.Array(rows, cols, engine, mapping, True)
                on = made, rows, cols, engine, mapping
                expected = oracle_machine.machine_cycles(skips.choices, *on)
                assert checked.choices.machine.cycles(mine, array) == expected
                legal = {(*tile,) for tile in oracle_tilings.legal_tiles(*on, True)}
                drawn = [tuple(rng.randint(1, x + 1) for x in sizes(made)) for _ in range(20)]
                for tile in (*legal, *drawn):
                    right = not cost_model.tile_faults(mine, array, cost_model.Tile(*tile))
                    assert right == (tile in legal)
    assert fewer > 2


def sizes(made: Any) -> tuple[int, ...]:
    """What there is of each part of a tile."""
    of = {"g": made.G, "k": made.K, "c": made.C, "p": made.P, "q": made.Q, "images": made.N}
    return tuple(of[part] for part in cost_model.Tile._fields)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """A design's file on a machine that skips zeros."""
    network = Network(name="up", layers=(UP,), tensors={"in": UP.ifmap, "out": UP.computed_outputs})
    choices = Choices(rows=(2,), cols=(2,), weight_bits=(4,), activation_bits=(4,))
    choices = replace(choices, zero_skipping=True)
    design = codesign.solve(Problem(network=network, choices=choices, quality=None))
    made: dict[str, Any] = json.loads(json.dumps(design.to_dict()))
    made.pop(DIGEST, None)
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x["problem"]["choices"].update(zero_skipping=False),
        lambda x: x["layers"][0].update(cycles=x["layers"][0]["cycles"] - 1),
        lambda x: x["problem"]["network"]["layers"][0].update(input_dilation=[2, 1], W=8),
    ],
    ids=["not skipped", "a cycle less", "fewer zeros"],
)
def test_false_claims_are_found(change: Any, content: dict[str, Any]) -> None:
    assert check_content(content, "design").findings == ()
    changed = json.loads(json.dumps(content))
    change(changed)
    assert check_content(changed, "design").findings


def test_where_it_is_not_counted_it_is_refused(content: dict[str, Any]) -> None:
    fused = json.loads(json.dumps(content))
    fused["problem"]["choices"] |= {"on_chip": "bands", "fused_layers": 4}
    told = " ".join(map(str, check_content(fused, "design").findings))
    assert "zero_skipping" in told
    assert "no entry where layers may be fused" in told


def certify_all(kind: str, seeds: range) -> int:
    """Prove the designs of random problems, and the least energy of every other one."""
    proven = 0
    for seed in seeds:
        problem = skipping_case(seed, kind).problem
        try:
            certify_and_check(codesign.solve(problem))
            if seed % 2 == 0:
                rest = {x: limit for x, limit in problem.budgets.items() if x != "energy_j"}
                spent = replace(problem, objective="energy_j", budgets=rest)
                certify_and_check(codesign.solve(spent))
        except InfeasibleError:
            continue
        proven += 1
    return proven


@pytest.mark.parametrize(
    ("kind", "seed"), half_long([("mapping", 0), ("reconfigurable", 4), ("", 5)])
)
def test_certificates_prove_what_is_true_alone(kind: str, seed: int) -> None:
    assert certify_all(kind, range(seed, seed + 1)) == 1
    held = hold_to_enumeration(range(seed, seed + 2), lambda seed: skipping_case(seed, kind))
    assert held.false > 7
    assert held.true


@pytest.mark.long
@pytest.mark.parametrize("kind", ["", *KINDS])
def test_certificates_prove_what_is_true_alone_long(kind: str) -> None:
    seeds = range(1000, 1050)
    assert certify_all(kind, seeds) > 25
    assert hold_to_enumeration(seeds, lambda seed: skipping_case(seed, kind)).false > 200
