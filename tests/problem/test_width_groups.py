"""Widths in common: groups and ties, from the command line to the design."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from random_problems import random_case
from seeds import mostly_long

from codesign import Choices, Layer, Network, Problem, solve
from codesign.errors import SpecError
from codesign.problem.width_groups import width_classes
from codesign.results.design import Design
from codesign.search.bounds.elimination import Role, choose_scopes, eliminate
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace

LAYERS = (
    Layer(name="a", K=2, C=2, P=4, H=4, input="x", output="y"),
    Layer(name="b", K=2, C=2, P=4, H=4, input="y", output="z", residuals=("x",)),
    Layer(name="pool", moves=True, K=2, C=2, P=4, H=4, input="z", output="u"),
    Layer(name="match", K=4, C=2, P=4, H=4, input="u", output="v", weight_tensor="y"),
    Layer(name="c", K=2, C=4, P=4, H=4, input="v", output="w"),
)
NETWORK = Network(
    name="small", layers=LAYERS, tensors={"x": 8, "y": 8, "z": 8, "u": 8, "v": 16, "w": 8}
)


def choices(**more: Any) -> Choices:
    """A small space."""
    return Choices(**{"rows": (1, 2), "cols": (2,), "weight_bits": (2, 4), **more})


# --- classes ------------------------------------------------------------------------------------


def joined(groups: tuple[tuple[str, ...], ...], tied: bool) -> set[tuple[str, ...]]:
    """Classes of more than one source."""
    return {each for each in width_classes(NETWORK, groups, tied) if len(each) > 1}


def test_groups_that_overlap_are_one() -> None:
    groups = (("weight:a", "tensor:z"), ("tensor:u", "weight:c"), ("weight:c", "tensor:z"))
    assert joined(groups, False) == {("tensor:z", "tensor:u", "weight:a", "weight:c")}
    assert joined(groups[:2], False) == {("tensor:z", "weight:a"), ("tensor:u", "weight:c")}


def test_ties_join_weights_with_their_input() -> None:
    # ``match`` has no weights of its own, and ``pool`` none at all.
    pairs = {("tensor:x", "weight:a"), ("tensor:y", "weight:b"), ("tensor:v", "weight:c")}
    assert joined((), True) == pairs
    assert ("tensor:x", "tensor:v", "weight:a", "weight:c") in joined(
        (("weight:c", "tensor:x"),), True
    )


def test_every_source_is_in_one_class() -> None:
    classes = width_classes(NETWORK, (("weight:a", "weight:c", "weight:a"),), True)
    sources = [source for members in classes for source in members]
    assert sorted(sources) == sorted(Problem(network=NETWORK).noise_sources)


@pytest.mark.parametrize(
    ("group", "told"),
    [
        (("weight:a", "tensor:w"), "shared: 'w' is a result of network 'small'; its width is outp"),
        (("weight:aa",), "no weight-owning layer or inner tensor 'weight:aa'; did you mean 'wei"),
        (("weight:match",), "no weight-owning layer or inner tensor 'weight:match'"),
        (("weight:pool",), "no weight-owning layer or inner tensor 'weight:pool'"),
        (("weight:*",), "no weight-owning layer or inner tensor 'weight:*'"),
        (("a",), "inner tensor 'a'; write weight:<layer> or tensor:<tensor>"),
        ((), "shared[0]: "),
    ],
)
def test_what_has_no_width_of_its_own_is_refused(group: tuple[str, ...], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        Problem(network=NETWORK, choices=choices(shared=(group,)))
    assert told in str(caught.value)


# --- widths -------------------------------------------------------------------------------------


def test_widths_allowed_are_those_all_members_take() -> None:
    shared = (("weight:a", "tensor:x"), ("weight:b", "weight:c"))
    problem = Problem(
        network=NETWORK,
        choices=choices(activation_bits=(4, 8), pinned={"weight:c": 2}, shared=shared),
    )
    assert problem.allowed_bits("weight:a") == problem.allowed_bits("tensor:x") == (4,)
    assert problem.allowed_bits("weight:b") == (2,)
    assert problem.allowed_bits("tensor:z") == (4, 8)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            {"shared": (("weight:a", "tensor:x"),), "activation_bits": (5, 8)},
            "share one: 'tensor:x' (5, 8 bit), 'weight:a' (2, 4 bit); allow them a common width",
        ),
        (
            {"tied": True, "pinned": {"tensor:v": 4, "weight:c": 2}},
            "no width suits all that share one: 'tensor:v' (4 bit), 'weight:c' (2 bit);",
        ),
        (
            {
                "shared": (("weight:a", "weight:b", "tensor:u", "tensor:z"),),
                "activation_bits": (8,),
            },
            "'tensor:z' (8 bit), 'tensor:u' (8 bit), 'weight:a' (2, 4 bit) and 1 more;",
        ),
    ],
)
def test_no_common_width_is_refused(more: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError) as caught:
        Problem(network=NETWORK, choices=choices(**more))
    assert told in str(caught.value)


def test_a_sensitivity_is_asked_for_common_widths_alone() -> None:
    sources = Problem(network=NETWORK).noise_sources
    table = {source: {4: 0.1} for source in sources}
    wide = choices(weight_bits=(2, 4), activation_bits=(4, 8), shared=(sources,))
    assert Problem(network=NETWORK, choices=wide, sensitivity=table).allowed_bits("weight:a") == (
        4,
    )
    with pytest.raises(SpecError, match="sensitivity: no value for 'weight:a' at 2 bits"):
        Problem(network=NETWORK, choices=choices(activation_bits=(4,)), sensitivity=table)


def test_space_has_a_variable_for_each_tensor_class_and_each_group_of_weights() -> None:
    shared = (("weight:a", "weight:c"), ("tensor:z", "tensor:u"))
    space = HardwareSpace(
        Problem(network=NETWORK, choices=choices(activation_bits=(2, 4), shared=shared))
    )
    assert space.variables == (
        ("tensor:x",),
        ("tensor:y",),
        ("tensor:z", "tensor:u"),
        ("tensor:v",),
        ("weight:a", "weight:c"),
    )
    assert space.tensor_index == {"x": 0, "y": 1, "z": 2, "u": 2, "v": 3}
    assert space.weight_index == (4, None, None, 1, 4)
    assert space.variable_noise[2].tolist() == [2 * 4.0**-2, 2 * 4.0**-4]
    assert space.weight_noise[[0, 2, 3, 4]].tolist() == [[0, 0]] * 4


def test_layers_of_other_costs_have_other_tables() -> None:
    shape: dict[str, Any] = {"K": 2, "C": 2, "P": 4, "H": 4, "input": "x"}
    layers = (
        Layer(name="plain", output="a", **shape),
        Layer(name="spread", output="b", input_dilation=2, **shape),
        Layer(name="copy", output="c", moves=True, **shape),
        Layer(name="again", output="d", **shape),
    )
    tensors = {"x": 8, "a": 8, "b": 8, "c": 8, "d": 8}
    network = Network(name="alike", layers=layers, tensors=tensors)
    assert HardwareSpace(Problem(network=network, choices=choices())).geometry_of.tolist() == [
        0,
        1,
        2,
        0,
    ]


def test_a_design_keeps_them_and_its_file_does(tmp_path: Path) -> None:
    shared = (("weight:a", "weight:b", "tensor:v"),)
    problem = Problem(
        network=NETWORK,
        choices=choices(weight_bits=(2, 4, 6), activation_bits=(2, 4, 6), shared=shared, tied=True),
        quality="uniform:3",
    )
    design = solve(problem)
    widths = design.widths
    common = ("weight:a", "weight:b", "weight:c", "tensor:v", "tensor:x", "tensor:y")
    assert len({widths[source] for source in common}) == 1
    design.save(tmp_path / "design.json")
    loaded = Design.load(tmp_path / "design.json")
    assert loaded.problem.choices == problem.choices
    content = json.loads((tmp_path / "design.json").read_text("utf-8"))
    assert content["problem"]["choices"]["shared"] == [list(shared[0])]
    assert content["problem"]["choices"]["tied"] is True
    del content["problem"]["choices"]["shared"], content["problem"]["choices"]["tied"]
    older = Design.from_dict(content, "older").problem.choices
    assert (older.shared, older.tied) == ((), False)


def test_sharing_never_helps_and_one_group_of_all_is_one_width() -> None:
    free = Problem(network=NETWORK, choices=choices(activation_bits=(2, 4)), quality="uniform:3")
    tied = Problem(
        network=NETWORK, choices=choices(activation_bits=(2, 4), tied=True), quality="uniform:3"
    )
    group = choices(activation_bits=(2, 4), shared=(free.noise_sources,))
    one = Problem(network=NETWORK, choices=group, quality="uniform:3")
    latencies = [solve(problem).metrics["latency_s"] for problem in (free, tied, one)]
    assert latencies == sorted(latencies)
    assert set(solve(one).widths.values()) == {4, 8}  # the results' 8 bits aside


@pytest.mark.parametrize("seed", mostly_long(range(12), 6))
def test_the_order_of_groups_and_members_changes_nothing(seed: int) -> None:
    problem, points = random_case(seed, moving=True, sharing=True)
    if not points:
        return
    turned = tuple(group[::-1] for group in problem.choices.shared[::-1])
    other = replace(problem, choices=replace(problem.choices, shared=turned))
    assert other.width_classes == problem.width_classes
    assert HardwareSpace(other).variables == HardwareSpace(problem).variables


# --- large tables -------------------------------------------------------------------------------


def chain_with_groups(layers: int, groups: int) -> Problem:
    """A chain whose weights share ``groups`` interleaved widths."""
    described = tuple(
        Layer(name=f"l{i}", K=2, C=2, P=4, H=4, input=f"t{i}", output=f"t{i + 1}")
        for i in range(layers)
    )
    tensors = {f"t{i}": 8 for i in range(layers + 1)}
    shared = tuple(
        tuple(f"weight:l{i}" for i in range(layers) if i % groups == g) for g in range(groups)
    )
    network = Network(name="chain", layers=described, tensors=tensors)
    more = {"weight_bits": (2, 3, 4), "activation_bits": (2, 3, 4), "shared": shared}
    return Problem(network=network, choices=choices(**more), quality="uniform:3")


def test_no_table_outgrows_memory_whatever_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    from codesign.search.bounds import relaxation as bounds

    for groups, most in ((1, 4), (2, 3), (3, 4), (8, 4), (1, 2)):
        monkeypatch.setattr(bounds, "MAX_TABLE", 3**most)
        problem = chain_with_groups(24, groups)
        relaxation = Relaxation(HardwareSpace(problem))
        axes = max(len(kind.shape) for kind in relaxation.plan.kinds)
        assert axes <= most
        assert solve(problem).proof.status == "optimal"


def test_what_reaches_far_is_cut_first() -> None:
    # 0 writes a part of 9, 5 the other, which 6 reads: a concatenation over a chain of 1 … 6.
    roles = [{1: Role.OPERAND, 2: Role.OUTPUT, 9: Role.OUTPUT}]
    roles += [{v: Role.OPERAND, v + 1: Role.OUTPUT} for v in (2, 3, 4, 5)]
    roles += [{6: Role.OPERAND, 9: Role.OUTPUT}, {9: Role.OPERAND, 7: Role.OUTPUT}]
    whole = choose_scopes(roles, [2] * 10, lambda entries: entries > 2**3, lambda entries: False)
    assert [len(scope) for scope in whole] == [3, 2, 2, 2, 2, 2, 2]
    cut = choose_scopes(roles, [2] * 10, lambda entries: entries > 2**2, lambda entries: False)
    assert cut == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 9), (7, 9)]


@pytest.mark.parametrize("seed", mostly_long(range(100), 30))
def test_the_smallest_table_is_eliminated_first(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 12)
    scopes = [
        tuple(sorted(rng.sample(range(count), rng.randint(0, min(4, count)))))
        for _ in range(rng.randint(0, 15))
    ]
    tables = [frozenset(scope) for scope in scopes]
    left = set(range(count))
    sizes = [rng.randint(1, 5) for _ in range(count)]
    for bucket in eliminate(scopes, sizes):
        joined = {v: frozenset({v}).union(*(t for t in tables if v in t)) for v in left}
        entries = {v: math.prod(sizes[other] for other in joined[v]) for v in left}
        assert bucket.variable == min(left, key=lambda v: (entries[v], v))
        assert bucket.scope == tuple(sorted(joined[bucket.variable]))
        left.remove(bucket.variable)
        tables = [t for t in tables if bucket.variable not in t] + [frozenset(bucket.rest)]
    assert not left


def test_every_variable_is_eliminated_once() -> None:
    buckets = eliminate([(0, 1), (1, 2), (0, 2), ()], [2] * 4)
    assert sorted(bucket.variable for bucket in buckets) == [0, 1, 2, 3]
    assert sorted(i for bucket in buckets for i in bucket.layers) == [0, 1, 2]
    assert all(sorted((*b.rest, b.variable)) == list(b.scope) for b in buckets)
    assert [len(bucket.scope) for bucket in buckets].count(3) == 1  # the triangle
