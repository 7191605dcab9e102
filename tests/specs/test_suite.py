"""A suite is the disjoint union of its members, whose names, weights and qualities are checked."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from random_problems import random_case

from codesign import Problem, SpecError, Suite, load_network, solve
from codesign.problem.file import problem_from_dict, problem_to_dict
from codesign.specs.load import load_network as load
from codesign.specs.machine import PLAIN
from codesign.specs.network import Network
from codesign.specs.suite import alone
from codesign.specs.write_network import to_toml


def vgg() -> Network:
    network = load_network("vgg16")
    return Network(name="vgg", layers=network.layers, tensors=network.tensors)


def test_members_are_what_they_were() -> None:
    networks = [load_network("vit_b_16"), vgg(), load_network("mobilenetv2")]
    whole = Suite(networks, [1, 2, 0.5]).network
    for n, network in enumerate(networks):
        member = alone(whole, n)
        assert (member.layers, member.tensors) == (network.layers, dict(network.tensors))
    assert whole.macs == sum(network.macs for network in networks)
    assert whole.weights == sum(network.weights for network in networks)
    assert PLAIN.executed_products(whole) == math.fsum(
        weight * x.macs for weight, x in zip((1, 2, 0.5), networks, strict=True)
    )
    assert [whole.members[m].name for m in whole.member_of] == [
        network.name for network in networks for _ in network.layers
    ]


def test_names_that_come_again_are_numbered() -> None:
    second = Network(name="vgg.2", layers=vgg().layers, tensors=vgg().tensors)
    assert Suite([vgg(), vgg(), vgg()]).names == ("vgg", "vgg.2", "vgg.3")
    assert Suite([vgg(), second, vgg()]).names == ("vgg", "vgg.2", "vgg.3")


@pytest.mark.parametrize(
    ("networks", "weights", "message"),
    [
        ([], None, "1 to 100 networks"),
        ([vgg()], [1, 2], "2 weights for 1 networks"),
        ([vgg()], [0], "weight 0"),
        ([vgg()], [math.nan], "weight nan"),
        ([vgg()], [True], "weight True"),
        ([Suite([vgg()]).network], None, "not a network by itself"),
        (vgg(), None, "a list of networks"),
        (["vgg"], None, "not a network by itself"),
    ],
)
def test_what_is_no_suite_is_refused(networks: Any, weights: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Suite(networks, weights)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"budgets": {"latency_s@alexnet": 1}}, "no such member"),
        ({"budgets": {"area_mm2@vgg": 1}}, "give area_mm2 without a member"),
        ({"budgets": {"energy_j@alexnet": 1}}, "no such member"),
        ({"objective": "speed@vgg"}, "latency_s, area_mm2"),
        ({"quality": "alexnet=uniform:6"}, "no member 'alexnet'"),
        ({"quality": "uniform:6,uniform:5"}, "two for all"),
        ({"quality": "vgg=6"}, "write uniform:<bits>"),
        ({"quality": "uniform:6", "budgets": {"noise@vgg": 1}}, "means a noise budget"),
    ],
)
def test_what_no_member_has_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Problem(network=Suite([vgg(), vgg()]).network, **given)


def test_a_member_of_a_network_by_itself_is_refused() -> None:
    with pytest.raises(SpecError, match="it is no suite"):
        Problem(network=vgg(), budgets={"latency@vgg": 1})


def test_qualities_are_budgets_of_members() -> None:
    suite = Suite([vgg(), vgg()])
    problem = Problem(network=suite.network, quality="uniform:6,vgg.2=uniform:5")
    one = Problem(network=vgg(), quality="uniform:6").budgets["noise"]
    other = Problem(network=vgg(), quality="uniform:5").budgets["noise"]
    assert problem.budgets == {"noise@vgg": one, "noise@vgg.2": other}
    assert Problem(network=suite.network, quality="vgg=sqnr:20").budgets == {
        "noise@vgg": pytest.approx(0.01)
    }


def test_a_problem_is_read_back_as_written() -> None:
    suite = Suite([vgg(), load_network("mobilenetv2")], [1, 256])
    problem = Problem(
        network=suite.network, quality="uniform:6", budgets={"latency@vgg": 1, "area": 6}
    )
    content = json.loads(json.dumps(problem_to_dict(problem)))
    found = problem_from_dict(content, "file")
    assert (found.network, found.budgets) == (problem.network, problem.budgets)
    assert problem_to_dict(found) == problem_to_dict(problem)
    assert "members" not in problem_to_dict(Problem(network=vgg()))["network"]


def test_a_suite_is_read_back_from_toml(tmp_path: Any) -> None:
    network = Suite([vgg(), vgg()], [1, 3]).network
    (tmp_path / "suite.toml").write_text(to_toml(network))
    assert load(tmp_path / "suite.toml") == network


def test_members_share_no_tensor() -> None:
    network = Suite([vgg(), vgg()]).network
    members: list[dict[str, Any]] = [{"name": "one", "layers": 15}, {"name": "two", "layers": 17}]
    with pytest.raises(SpecError, match="two members touch tensor"):
        Network(name="x", layers=network.layers, tensors=network.tensors, members=members)  # type: ignore[arg-type]
    members[1]["layers"] = 18
    with pytest.raises(SpecError, match="its members have 33 layers, it has 32"):
        Network(name="x", layers=network.layers, tensors=network.tensors, members=members)  # type: ignore[arg-type]


def test_networks_of_one_model_share_weights_and_caches() -> None:
    """Of GPT-2's phases the decoding one owns none; keys and values are one cache."""
    phases = [load_network("gpt2@decode:9"), load_network("gpt2@prefill:7"), vgg()]
    network = Suite(phases).network
    assert network.weights == phases[0].weights + phases[2].weights
    mine = [x for x, m in zip(network.layers, network.member_of, strict=True) if m == 1]
    owners = {x.weights_of for x in mine if x.uses_weights}
    assert owners == {f"gpt2-decode-9/{name}" for name in phases[1].weight_layers}
    assert len(network.same_caches) == 24
    problem = Problem(network=network)
    for names in network.same_caches:
        assert problem.share_width(*(f"tensor:{name}" for name in names))
    decode, prefill = phases[:2]
    assert alone(network, 0) == replace(decode, source=network.source)
    assert alone(network, 1).layers == prefill.layers


def test_a_model_has_one_layer_of_a_name() -> None:
    """Layers of one name have as many weights in all networks of one model."""
    gpt2, other = load_network("gpt2@decode:9"), load_network("llama-1b@decode:9")
    with pytest.raises(SpecError, match="are of one model, 'gpt2'"):
        _ = Suite([gpt2, replace(other, model="gpt2")]).network


def test_groups_of_several_members_share_a_width() -> None:
    network = Suite([vgg(), vgg()]).network
    pair = ("weight:vgg/features.0", "weight:vgg.2/features.0")
    problem = Problem(network=network, choices={"shared": (pair,), "pinned": {pair[0]: 5}})
    assert problem.allowed_bits(pair[1]) == (5,)


@pytest.mark.parametrize("seed", [0, 2, 6])
def test_a_suite_of_one_is_the_network(seed: int) -> None:
    problem = random_case(seed).problem
    plain = solve(problem)
    pinned = {
        f"{kind}:{problem.network.name}/{name}": bits
        for (kind, name), bits in ((x.split(":", 1), b) for x, b in problem.choices.pinned.items())
    }
    one = Problem(
        network=Suite([problem.network]).network,
        technology=problem.technology,
        dram_bits_per_s=problem.dram_bits_per_s,
        clock_hz=problem.clock_hz,
        area_overhead=problem.area_overhead,
        choices={**vars(problem.choices), "pinned": pinned},
        objective=problem.objective,
        budgets=problem.budgets,
    )
    found = solve(one)
    assert found.metrics[problem.objective] == plain.metrics[problem.objective]
    assert found.hardware == plain.hardware
