"""Comparisons: every state between two results evaluated anew, and parts that add up exactly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from pipelines import dataflow, made_up, tiny
from random_evaluations import evaluated, random_accelerator
from random_hybrids import hybrid_case
from random_networks import random_network
from seeds import check_all, mostly_long

from codesign import (
    Comparison,
    Evaluation,
    Network,
    SpecError,
    Suite,
    compare,
    evaluate,
    solve,
)
from codesign.results.comparison import Explained
from codesign.results.dataflow_design import DataflowDesign
from codesign.tasks.latency_changes import CHANGES, LatencyChanges

AMPLE_BITS = 10**12
MACHINES = ("mapping", "widening", "terms", "reconfigurable", "")


def mean_parts(
    changes: Sequence[str], value: Callable[[frozenset[str]], Fraction]
) -> dict[str, Fraction]:
    """Each change's effect where it is made, as the mean over all orders."""
    found = dict.fromkeys(changes, Fraction(0))
    every = list(permutations(changes))
    for order in every:
        made = frozenset[str]()
        for change in order:
            found[change] += value(made | {change}) - value(made)
            made |= {change}
    return {change: total / len(every) for change, total in found.items()}


def tilings(network: Network, first: Evaluation, other: Evaluation, made: frozenset[str]) -> Any:
    """The tile of each layer: where its operands are resident in one alone, that of the places."""
    found = {}
    for i, layer in enumerate(network.layers):
        if layer.moves:
            continue
        kept = [
            [(each.on_chip or {}).get(x) == "chip" for x in (layer.input, layer.weight_tensor)]
            for each in (first, other)
        ]
        change = "tiles" if kept[0] == kept[1] else "places"
        row = (other if change in made else first).layer_designs[i]
        assert row.tile is not None
        found[layer.name] = {"tile": row.tile.sizes(layer), "order": row.order}
    return found


def check_states(seed: int) -> None:
    """All parts of DRAM traffic, and on one array of latency, from states evaluated anew."""
    rng = random.Random(f"compare {seed}")
    network = random_network(rng, rng.choice((2, 3)), 1, seed % 2 == 1)
    on = random_accelerator(rng), random_accelerator(rng)
    if seed % 3:
        same = {"clock_hz": on[1].clock_hz, "dram_bits_per_s": on[1].dram_bits_per_s}
        on = on[0], replace(on[0], **same, sram_bits=on[1].sram_bits)
    how: dict[str, Any] = {"on_chip": "tensors"}
    first, other = (evaluated(rng, network, each, **how) for each in on)

    @cache
    def state(made: frozenset[str]) -> dict[str, Fraction]:
        array, clock, dram, widths, places = (
            (other if change in made else first)
            for change in ("array", "clock", "bandwidth", "widths", "places")
        )
        of = {row.name: row.weight_bits for row in widths.layer_designs}
        bits = {f"weight:{name}": of[name] for name in network.weight_layers}
        bits |= {f"tensor:{name}": x for name, x in widths.tensor_bits.items()}
        found = evaluate(
            network,
            replace(
                array.accelerator,
                sram_bits=AMPLE_BITS,
                clock_hz=clock.accelerator.clock_hz,
                dram_bits_per_s=dram.accelerator.dram_bits_per_s,
            ),
            bits,
            on_chip="tensors",
            places={x: y for x, y in places.on_chip.items() if x in network.lifetimes},
            tiling=tilings(network, first, other, made),
        )
        rows = found.layer_designs
        return {
            "latency_s": sum((Fraction(row.latency_s or 0) for row in rows), Fraction(0)),
            "dram_bits": Fraction(sum(row.dram_bits.total for row in rows)),
        }

    found = LatencyChanges(first, other)
    changes = [x for x in CHANGES if x != "roofline"]
    if seed % 3:
        changes.remove("array")
    told = ("latency_s", "dram_bits") if seed % 3 else ("dram_bits",)
    for metric in told:
        right = mean_parts(changes, lambda made: state(made)[metric])  # noqa: B023
        assert {x: found.total(metric, x) for x in changes} == right


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, 200, 4), 1))
def test_parts_are_mean_effects_of_states_evaluated_anew(first: int) -> None:
    check_all(range(first, first + 4), check_states)


def check_sums(seed: int) -> None:
    rng = random.Random(f"compare sums {seed}")
    network = random_network(rng, rng.choice((1, 2, 3, 4)), 1, seed % 3 == 1)
    results = []
    for _ in range(2):
        kind = rng.choice(MACHINES)
        on = random_accelerator(rng, kind)
        how: dict[str, Any] = {"on_chip": rng.choice(("none", "tensors", "bands"))}
        if how["on_chip"] == "bands" and on.zero_skipping:
            how["on_chip"] = "tensors"
        if rng.random() < 0.2:
            how = {"roofline": "ideal"}
        found = evaluated(rng, network, on, **how)
        if rng.random() < 0.2 and found.roofline == "tiled" and how["on_chip"] != "bands":
            found = evaluated(rng, network, on, on_chip="none", tiling=found)
        results.append(found)
    first, other = results
    changes = LatencyChanges(first, other)
    for metric in ("latency_s", "dram_bits"):
        for i in range(len(network.layers)):
            rows = [each.layer_designs[i] for each in results]
            values = [
                Fraction(row.latency_s or 0) if metric == "latency_s" else row.dram_bits.total
                for row in rows
            ]
            assert sum(changes.parts[metric][i].values()) == values[1] - values[0]
    told = compare(first, other)
    assert Comparison.from_dict(told.to_dict(), "file") == told
    for each in told.differences[0].explained:
        check_sum(each, first.metrics[each.metric], other.metrics[each.metric])
    backwards = LatencyChanges(other, first)
    for change in CHANGES:
        assert backwards.total("latency_s", change) == -changes.total("latency_s", change)


def check_sum(each: Explained, first: float, other: float) -> None:
    room = 1e-12 * max(first, other)
    assert abs(each.difference - (other - first)) <= room
    assert abs(math.fsum(each.parts.values()) - each.difference) <= room
    if each.rows:
        assert abs(math.fsum(row.difference for row in each.rows) - each.difference) <= room


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, 2000, 25), 1))
def test_parts_sum_to_the_whole_difference(first: int) -> None:
    check_all(range(first, first + 25), check_sums)


def test_one_change_explains_all() -> None:
    rng = random.Random(7)
    network = random_network(rng, 3, 2)
    first = evaluated(rng, network, random_accelerator(rng), on_chip="none")
    on = first.accelerator
    assert on.dram_bits_per_s is not None
    bits = {f"weight:{x.name}": x.weight_bits for x in first.layer_designs}
    bits |= {f"tensor:{name}": x for name, x in first.tensor_bits.items()}
    changed = {
        "bandwidth": replace(on, dram_bits_per_s=on.dram_bits_per_s / 100),
        "clock": replace(on, clock_hz=on.clock_hz / 100),
        "array": replace(on, rows=1, cols=1, engine=1),
    }
    for change, accelerator in changed.items():
        other = evaluate(network, accelerator, bits, on_chip="none", tiling=first)
        other = replace(other, given_tiles=()) if change != "array" else other
        (told,) = compare(first, other).differences
        latency = told.of("latency_s")
        assert latency is not None
        assert latency.difference > 0
        if change == "array":  # and that its tiles are given
            assert {*latency.parts} <= {"array", "tiles"}
        else:
            assert latency.parts == {change: latency.difference}


def test_hand_arithmetic_of_two_changes() -> None:
    # One layer, compute 100 cycles, 800 bits of traffic. Clock 1 → 2 Hz, bandwidth 4 → 16 bit/s.
    # Latency max(100, 200) = 200 → max(50, 50) = 50; clock alone 200, bandwidth alone 100. The
    # clock: ((200 − 200) + (50 − 100))/2 = −25; the bandwidth: ((50 − 200) + (100 − 200))/2 = −125.
    from codesign.tasks.latency_changes import shapley

    game = {
        frozenset[str](): Fraction(200),
        frozenset({"clock"}): Fraction(200),
        frozenset({"bandwidth"}): Fraction(100),
        frozenset({"clock", "bandwidth"}): Fraction(50),
    }
    assert shapley(["clock", "bandwidth"], game) == {"clock": -25, "bandwidth": -125}


def test_members_of_a_suite_count_as_often_as_they_run() -> None:
    rng = random.Random(3)
    suite = Suite([random_network(rng, 2), replace(random_network(rng, 2), name="b")], [1, 2.5])
    first = evaluated(rng, suite.network, random_accelerator(rng))
    other = evaluated(rng, suite.network, random_accelerator(rng))
    (told,) = compare(first, other).differences
    for each in told.explained:
        check_sum(each, first.metrics[each.metric], other.metrics[each.metric])


def test_pipelines_are_explained_by_what_paces_them() -> None:
    problem = tiny(("dataflow",), objective="interval")
    slow, fast = made_up(problem, bits=4), made_up(problem, bits=8, rows=4, cols=4)
    quick = replace(problem, clock_hz=2 * problem.clock_hz, dram_bits_per_s=1e9)
    for other in (fast, made_up(quick, bits=8, weights="stream")):
        told = compare(slow, other)
        assert Comparison.from_dict(told.to_dict(), "file") == told
        (difference,) = told.differences
        named = {each.metric for each in difference.explained}
        assert {"interval_s", "latency_s", "area_mm2", "dram_bits", "noise"} <= named
        for each in difference.explained:
            check_sum(each, slow.metrics[each.metric], other.metrics[each.metric])
    arrays = compare(slow, fast).differences[0].of("interval_s")
    assert arrays is not None
    assert set(arrays.parts) == {"arrays", "traffic"}


def test_an_array_beside_a_pipeline() -> None:
    problem = tiny(("array",), budgets={"area_mm2": 0.2})
    design = solve(problem)
    pipeline = made_up(tiny(("dataflow",), objective="interval"))
    told = compare(design, pipeline, pipeline, names=["a", "b", "c"])
    first, again = told.differences
    assert first == again
    assert {*first.unexplained} == {"latency_s", "dram_bits"}
    for each in first.explained:
        check_sum(each, design.metrics[each.metric], pipeline.metrics[each.metric])
    area = first.of("area_mm2")
    assert area is not None
    assert {*area.parts} == {"PEs", "memories"}


def test_other_networks_have_totals_and_hardware_alone() -> None:
    rng = random.Random(11)
    on = replace(random_accelerator(rng), engine=9)
    first = evaluated(rng, random_network(rng, 2), on)
    other = evaluated(rng, random_network(rng, 3), replace(on, rows=on.rows + 1))
    told = compare(first, other)
    assert not told.results[1].layers
    assert told.results[1].metrics == other.metrics
    (difference,) = told.differences
    assert {each.metric for each in difference.explained} == {"area_mm2"}
    assert difference.unexplained["latency_s"] == "the networks, or the images at once, differ"


@pytest.mark.parametrize("count", [0, 1, 27])
def test_two_results_at_least(count: int) -> None:
    result = made_up(dataflow())
    with pytest.raises(SpecError, match="compare takes 2 to 26 results"):
        compare(*[result] * count)
    with pytest.raises(SpecError, match="compare takes designs, pipelines and evaluations, not"):
        compare(result, "a.json")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="names: 1, but there are 2"):
        compare(result, result, names=["a"])


def test_figures_that_do_not_follow_are_refused() -> None:
    rng = random.Random(5)
    first = evaluated(rng, random_network(rng, 2), random_accelerator(rng))
    row = first.layer_designs[0]
    altered = replace(row, latency_s=2 * (row.latency_s or 1))
    other = replace(first, layer_designs=(altered, *first.layer_designs[1:]))
    with pytest.raises(SpecError, match=r"A and B: layer .* codesign check tells all"):
        compare(first, other)
    with pytest.raises(SpecError, match="codesign check tells all"):
        compare(other, first)


def test_traffic_of_layers_on_a_shared_array_is_no_streamed_weights() -> None:
    case = hybrid_case(2)  # whose shared array waits for DRAM
    (one, other) = (
        solve(replace(case.problem, objective=x, budgets={})) for x in ("interval_s", "area_mm2")
    )
    found = compare(one, other)
    assert [x.kind for x in found.results] == ["hybrid", "hybrid"]
    told = found.differences[0].of("dram_bits")
    assert told is not None
    assert isinstance(one, DataflowDesign)
    assert isinstance(other, DataflowDesign)
    moved = [
        [row.dram_bits for i, row in enumerate(x.stages) if i in x.shared_layers]
        for x in (one, other)
    ]
    assert told.parts["shared"] == sum(moved[1]) - sum(moved[0])
    whole = other.metrics["dram_bits"] - one.metrics["dram_bits"]
    assert math.fsum(told.parts.values()) == pytest.approx(whole, rel=1e-9, abs=1e-6)
