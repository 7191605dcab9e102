"""Explanations of suites held to enumeration: what is moved, what is forbidden, what is shared."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import oracle
import pytest
from compare_designs import option_built
from compare_whole_explanations import check_file, unfused
from enumerated_residency import Enumeration, Outcome
from enumerated_suites import Place, SuiteCase, all_places, best, own_best

from codesign import Choices, Design, Explanation, Problem, solve
from codesign.results.explanation import RunnerUp, Side
from codesign.results.residency_worth import ResidencyWorth
from codesign.tasks.explain import explain
from codesign.units import kind_of

EXACT = 1e-7
STEP = 0.2


PlacesOf = Callable[[Sequence[Problem]], tuple[Place, ...]]


def compare_suite_explanation(
    case: SuiteCase, places_of: PlacesOf = all_places
) -> Explanation | None:
    """Explain the best design of a suite, if it has one, in steps of 20 %.

    ``places_of`` makes what there is to choose from of what is asked of each member.
    """
    if best(case) is None:
        return None
    explanation = explain(solve(case.problem), step=STEP)
    for each in explanation.sensitivities:
        for side in (each.less, each.more):
            _check_side(
                side, each.value, _moved(case, each.name, side.value, places_of), explanation
            )
    design = explanation.design
    assert isinstance(design, Design)
    places = _others(case, design, places_of)
    changes = [each.change for each in explanation.runner_ups]
    assert {"array", "PE widths", "less SRAM"} <= {*changes} <= {*places}
    for runner_up in explanation.runner_ups:
        _check_runner_up(runner_up, case._replace(places=tuple(places[runner_up.change])), design)
    _check_sharing(explanation, case)
    _check_shares(explanation, design)
    if explanation.residency is not None and case.problem.choices.on_chip == "tensors":
        _check_residency(explanation.residency, case, design)
    check_file(explanation)
    return explanation


def _moved(case: SuiteCase, name: str, value: float, places_of: PlacesOf) -> SuiteCase:
    """The case with one budget or rate changed."""
    if name in case.problem.budgets:
        budgets = {**case.problem.budgets, name: value}
        return case._replace(problem=replace(case.problem, budgets=budgets))
    alone = tuple(replace(problem, **{name: value}) for problem in case.alone)
    return SuiteCase(replace(case.problem, **{name: value}), alone, places_of(alone))


def _check_side(side: Side, given: float, case: SuiteCase, explanation: Explanation) -> None:
    """The objective is the enumerated one, and the rate is that of the two optima."""
    truth, objective = best(case), case.problem.objective
    if truth is None:
        assert side.objective is side.rate is None
        return
    assert side.objective == pytest.approx(truth[objective], rel=EXACT, abs=0)
    optimum = explanation.design.metrics[objective]
    assert side.rate is not None
    change = side.rate * (side.value - given)
    assert change == pytest.approx(truth[objective] - optimum, rel=1e-5, abs=3 * EXACT * optimum)


def _others(case: SuiteCase, design: Design, places_of: PlacesOf) -> dict[str, list[Place]]:
    """Where the designs are that differ from the one explained in one thing."""
    mine, choices = option_built(design.hardware), case.problem.choices
    bits = design.hardware.sram_bits
    most, least = math.floor((1 - STEP) * bits), math.ceil((1 + STEP) * bits)
    more = [x for x in case.places if x.sram_bits >= least]
    if not choices.sram_bits and least <= (choices.max_sram_bits or math.inf):
        more = [_padded(case, place, least) for place in case.places]
    return {
        "array": [x for x in case.places if x.hardware[:2] != mine[:2]],
        "PE widths": [x for x in case.places if x.hardware[2:4] != mine[2:4]],
        "less SRAM": [x for x in case.places if x.sram_bits <= most],
        "more SRAM": more,
        "all in DRAM": _places_with(case, places_of, in_dram=True),
        "nothing fused": _places_with(case, places_of, in_dram=False),
    }


def _padded(case: SuiteCase, place: Place, least: int) -> Place:
    """The same with at least so much SRAM."""
    bits = max(place.sram_bits, least)
    area = oracle.area_mm2(case.problem, place.hardware, bits)
    return place._replace(sram_bits=bits, area_mm2=area)


def _places_with(case: SuiteCase, places_of: PlacesOf, in_dram: bool) -> list[Place]:
    """What there is to choose from with no tensor on chip, or with no layers fused."""
    if case.problem.choices.on_chip == "none":
        return []

    def changed(choices: Choices, tensors: Iterable[str]) -> Choices:
        places = dict.fromkeys(tensors, "dram")
        return replace(choices, places=places) if in_dram else unfused(choices)

    asked = [replace(x, choices=changed(x.choices, x.network.tensors)) for x in case.alone]
    return [*places_of(asked)]


def _check_runner_up(each: RunnerUp, case: SuiteCase, design: Design) -> None:
    """The least objective of these designs, of equal ones that of least area, then least noise."""
    truth, objective = best(case), case.problem.objective
    if truth is None:
        assert each.hardware is each.loss is None
        return
    for metric in (objective, "area_mm2", "noise"):
        assert each.metrics[metric] == pytest.approx(truth[metric], rel=EXACT, abs=0), each.change
    optimum = design.metrics[objective]
    loss = truth[objective] - optimum
    assert each.loss == pytest.approx(loss, rel=1e-5, abs=3 * EXACT * optimum)
    assert each.hardware is not None
    built = option_built(each.hardware), each.hardware.sram_bits
    assert built in [(x.hardware, x.sram_bits) for x in case.places]


def _check_sharing(explanation: Explanation, case: SuiteCase) -> None:
    """Each member's own best is that of its own enumeration."""
    sharing, metrics = explanation.sharing, explanation.design.metrics
    assert sharing is not None
    kind = kind_of(next(iter(case.problem.references), case.problem.objective))
    assert sharing.metric == kind
    for m, (each, alone) in enumerate(zip(sharing.members, case.alone, strict=True)):
        truth = own_best(case, m, kind)
        assert truth is not None
        assert each.own_best is not None
        assert each.layers == len(alone.network.layers)
        for metric, value in truth.items():
            assert each.own_best.metrics[metric] == pytest.approx(value, rel=EXACT, abs=0)
        for metric, value in each.metrics.items():
            assert value == metrics[metric if metric == "area_mm2" else f"{metric}@{each.name}"]
        if truth[kind] > 0:
            assert each.ratio == pytest.approx(each.metrics[kind] / truth[kind], rel=EXACT)
            assert each.ratio > 1 - EXACT
        else:
            assert each.ratio is None


def _check_shares(explanation: Explanation, design: Design) -> None:
    """Of the latency each layer has its share, times the weight of its member."""
    latency_s, share = design.metrics["latency_s"], explanation.latency_share
    start = 0
    for member in design.network.members:
        rows = design.layer_designs[start : start + member.layers]
        mine = member.weight * design.metrics[f"latency_s@{member.name}"] / latency_s
        assert math.fsum(share[row.name] for row in rows) == pytest.approx(mine, rel=1e-9)
        start += member.layers
    bound = [share[row.name] for row in design.layer_designs if row.bound_by == "memory"]
    assert explanation.roof_share["memory"] == pytest.approx(math.fsum(bound), abs=1e-9)


def _check_residency(worth: ResidencyWorth, case: SuiteCase, design: Design) -> None:
    """What a tensor saves, its member saves as often as it is executed."""
    bits, traffic = design.hardware.sram_bits, worth.metric == "dram_bits"
    members, saves = case.problem.network.members, {x.name: x for x in worth.tensors}
    latency_s = dram_bits = 0.0
    for member, alone in zip(members, case.alone, strict=True):
        prefix = f"{member.name}/"
        widths = {
            f"tensor:{name.removeprefix(prefix)}": bits for name, bits in design.tensor_bits.items()
        }
        for row in design.layer_designs:
            widths[f"weight:{row.name.removeprefix(prefix)}"] = row.weight_bits or 0
        every = Enumeration(alone.network, design.accelerator, widths)
        sets = [chosen for chosen in every.sets() if not chosen & {*alone.network.cache}]
        found = {chosen: every.outcome(chosen, bits) for chosen in sets}
        now = _least(found.values(), traffic)
        assert now is not None
        latency_s += member.weight * float(now.latency_s)
        dram_bits += member.weight * now.dram_bits
        for name in (name for name in every.lives if prefix + name in saves):
            each = saves[prefix + name]
            then = _least((x for chosen, x in found.items() if name not in chosen), traffic)
            if then is None:
                assert each.latency_s is each.dram_bits is None
                continue
            wanted = member.weight * float(then.latency_s - now.latency_s)
            assert each.latency_s == pytest.approx(wanted, rel=1e-6, abs=1e-12 * worth.latency_s)
            wanted = member.weight * (then.dram_bits - now.dram_bits)
            assert each.dram_bits == pytest.approx(wanted, rel=1e-9, abs=1e-12 * worth.dram_bits)
    assert worth.latency_s == pytest.approx(latency_s, rel=1e-9)
    assert worth.dram_bits == pytest.approx(dram_bits, rel=1e-9)


def _least(outcomes: Iterable[Outcome | None], traffic: bool) -> Outcome | None:
    known = [x for x in outcomes if x is not None]
    return min(known, key=lambda x: (x.dram_bits, x.latency_s) if traffic else x, default=None)
