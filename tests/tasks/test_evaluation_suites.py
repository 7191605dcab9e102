"""A suite on a given accelerator has what its members have on it, each evaluated alone."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from random_networks import random_network
from seeds import check_all

from codesign import Accelerator, Evaluation, Suite, evaluate, load_technology
from codesign.checking import check_content
from codesign.errors import SpecError
from codesign.problem.metrics import HARDWARE_METRICS
from codesign.units import of_member

SEEDS = range(8)
EXACT = 1e-12  # relative


def drawn(seed: int) -> tuple[Suite, Accelerator, dict[str, Any]]:
    """Members of few layers, an accelerator that may lack what metrics need, and options."""
    rng = random.Random(f"evaluated suite {seed}")
    networks = [
        random_network(rng, layers=rng.choice((2, 3, 4))) for _ in range(rng.choice((2, 3)))
    ]
    suite = Suite(networks, [rng.choice((1.0, rng.uniform(0.1, 10))) for _ in networks])
    bits = rng.choice((4, 8))
    accelerator = Accelerator(
        name="drawn",
        rows=rng.choice((2, 4)),
        cols=rng.choice((2, 4)),
        engine=9,
        pe_weight_bits=bits,
        pe_activation_bits=bits,
        clock_hz=8e8,
        sram_bits=rng.choice((10**5, 10**6)),
        dram_bits_per_s=rng.choice((None, 1e9, 1e10)),
        dram_energy_j_per_bit=rng.choice((None, 2e-11)),
        technology=rng.choice((None, load_technology("tsmc28"))),
    )
    on_chip = rng.choice(("none", "tensors", "bands"))
    return suite, accelerator, {"widths": rng.choice((bits, (2, bits))), "on_chip": on_chip}


def compare(seed: int) -> None:
    """Every metric of a member is its own, and every sum is weighted."""
    suite, accelerator, options = drawn(seed)
    found = evaluate(suite, accelerator, **options)
    each = [evaluate(network, accelerator, **options) for network in suite.networks]
    rows = [replace(row, name="row") for row in found.layer_designs]
    assert rows == [replace(row, name="row") for own in each for row in own.layer_designs]
    for name, value in each[0].metrics.items():
        if name in HARDWARE_METRICS:
            assert found.metrics[name] == value
            continue
        plain = name in ("noise", "model_bits")
        weights = [1.0] * len(each) if plain else suite.weights
        total = sum(w * own.metrics[name] for w, own in zip(weights, each, strict=True))
        assert found.metrics[name] == pytest.approx(total, rel=EXACT)
        for member, own in zip(suite.names, each, strict=True):
            share = found.metrics[of_member(name, member)]
            assert share == pytest.approx(own.metrics[name], rel=EXACT)
    assert found.absent == each[0].absent
    content = json.loads(json.dumps(found.to_dict()))
    report = check_content(content, "evaluation")
    assert report.holds, report.findings
    assert Evaluation.from_dict(content, "evaluation") == found
    for name in found.metrics:
        if "@" in name and found.metrics[name]:
            content["metrics"][name] *= 1.001
            assert not check_content(content, "evaluation").holds
            content["metrics"][name] /= 1.001


@pytest.mark.parametrize("seed", SEEDS)
def test_members_have_what_they_have_alone(seed: int) -> None:
    compare(seed)


@pytest.mark.long
def test_members_of_many_have_what_they_have_alone() -> None:
    check_all(range(100, 500), compare)


def test_a_share_that_is_missing_is_refused() -> None:
    suite, accelerator, options = drawn(0)
    content = evaluate(suite, accelerator, **options).to_dict()
    del content["metrics"][f"dram_bits@{suite.names[1]}"]
    del content["sha256"]
    with pytest.raises(SpecError, match="of a suite also those of each member"):
        Evaluation.from_dict(content, "file")
