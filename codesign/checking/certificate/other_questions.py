"""The problems beside a design's own that its claim rests on: members alone, other batches.

A least regret is measured against what each member of a suite could have alone, under its own
limits. A batch that was chosen is the best of several: the same network at other numbers of images,
within the budgets that the design's file states for them. Both are made anew from the design's
problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any, TypeVar

from codesign.checking.batches import GROWING
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, Member, Network
from codesign.checking.problem import ADDITIVE, Choices, Problem
from codesign.checking.technology import ENERGY, metrics_on
from codesign.checking.width_problem import read_budgets

Value = TypeVar("Value")


def problem_alone(problem: Problem, member: Member) -> Problem:
    """The least of the metric that references are of, for one member, within its own limits.

    All names are those that its layers and tensors have without the suite.
    """
    prefix = f"{member.name}/"
    kind = next(iter(problem.references)).partition("@")[0]
    first = _first_users(problem.network, member)
    network = _alone(problem.network, member, first)
    own = {*network.sources, *(f"place:{name}" for name in network.tensors)}

    def mine(table: Mapping[str, Value], kind_first: str = "") -> dict[str, Value]:
        found = {}
        for source, value in table.items():
            what, _, name = f"{kind_first}{source}".partition(":")
            name = first.get(name, "") if what == "weight" else name
            if name.startswith(prefix) and f"{what}:{name.removeprefix(prefix)}" in own:
                found[f"{what}:{name.removeprefix(prefix)}".removeprefix(kind_first)] = value
        return found

    groups = (tuple(mine(dict.fromkeys(group))) for group in problem.choices.shared)
    choices = replace(
        problem.choices,
        pinned=mine(problem.choices.pinned),
        places=mine(problem.choices.places, "place:"),
        shared=tuple(group for group in groups if group),
    )
    hardware = {*metrics_on(problem.technology)} - {*ADDITIVE}
    budgets = {name: limit for name, limit in problem.budgets.items() if name in hardware}
    for name, limit in problem.budgets.items():
        what, _, whose = name.partition("@")
        if whose == member.name:
            budgets[what] = limit
    sensitivity = None if problem.sensitivity is None else mine(problem.sensitivity)
    return replace(
        problem,
        network=network,
        choices=choices,
        sensitivity=sensitivity,
        objective=kind,
        budgets=budgets,
        references={},
    )


def _first_users(network: Network, member: Member) -> dict[str, str]:
    """By the owner of weights: the first layer of a member that uses them."""
    found: dict[str, str] = {}
    for n in member.layers:
        layer = network.layers[n]
        if layer.uses_weights:
            found.setdefault(layer.weights_of or layer.name, layer.name)
    return found


def _alone(network: Network, member: Member, first: Mapping[str, str]) -> Network:
    prefix = f"{member.name}/"
    mine = network.only(member)

    def without(name: str) -> str:
        return name.removeprefix(prefix)

    def named(layer: Layer) -> Layer:
        operand, owner = layer.weight_tensor, layer.weights_of
        owner = None if owner is None else first[owner]
        return replace(
            layer,
            name=without(layer.name),
            input=without(layer.input),
            output=without(layer.output),
            residuals=tuple(map(without, layer.residuals)),
            parts=tuple((without(x), elements) for x, elements in layer.parts),
            weight_tensor=None if operand is None else without(operand),
            weights_of=None if owner in (None, layer.name) else without(owner),
        )

    return replace(
        mine,
        layers=tuple(map(named, mine.layers)),
        tensors={without(name): elements for name, elements in mine.tensors.items()},
        cache=tuple(without(x) for x in network.cache if x in mine.tensors),
    )


def differences(one: Problem, other: Problem) -> list[str]:
    """Where two problems differ in what they ask: names of fields; of a network, of its parts."""
    found = [
        name
        for name in ("technology", "clock_hz", "dram_bits_per_s", "area_overhead", "objective")
        if getattr(one, name) != getattr(other, name)
    ]
    found += [x for x in ("budgets", "references") if getattr(one, x) != getattr(other, x)]
    for name in ("energy", "dram_energy"):
        if getattr(one, name).value != getattr(other, name).value:
            found.append(name)
    if _asked(one.choices) != _asked(other.choices):
        found.append("choices")
    if _measured(one) != _measured(other):
        found.append("sensitivity")
    mine, theirs = one.network, other.network
    if mine.layers != theirs.layers or mine.tensors != theirs.tensors or mine.members:
        found.append("network")
    if {*mine.cache} != {*theirs.cache}:
        found.append("network.cache")
    return found


def _asked(choices: Choices) -> dict[str, Any]:
    """Choices by field; of groups that share a width, which they are."""
    each = {field.name: getattr(choices, field.name) for field in fields(choices)}
    return {**each, "shared": {frozenset(group) for group in choices.shared}}


def _measured(problem: Problem) -> list[dict[int, Fraction] | None]:
    """Noises of every source, where a table has any."""
    return [(problem.sensitivity or {}).get(source) for source in sorted(problem.network.sources)]


def problem_of_batch(problem: Problem, row: Entry) -> Problem:
    """The same network on as many images as a row of a design file says, within its budgets."""
    images = row["images"].whole()
    ratio = Fraction(images, problem.network.images)

    def grown(size: int) -> int:
        found = size * ratio
        if found.denominator > 1:
            row["images"].fault("images that divide those of every layer and tensor")
        return found.numerator

    def layer_of(layer: Layer) -> Layer:
        product = layer.weight_tensor is not None
        return replace(
            layer,
            N=layer.N if product else grown(layer.N),
            G=grown(layer.G) if product else layer.G,
            appended=grown(layer.appended),
            parts=tuple((name, grown(elements)) for name, elements in layer.parts),
        )

    network = problem.network
    batched = replace(
        network,
        layers=tuple(map(layer_of, network.layers)),
        tensors={name: grown(elements) for name, elements in network.tensors.items()},
    )
    budgets = problem.budgets
    if row.get("budgets", None).value is not None:
        known = (*metrics_on(problem.technology), ENERGY)
        shares = (f"{x}@{member.name}" for x in (*ADDITIVE, ENERGY) for member in network.members)
        budgets = read_budgets(row["budgets"], (*known, *shares))
    return replace(problem, network=batched, budgets=budgets)


def bound_of_batch(problem: Problem, bound: Fraction, images: int) -> Fraction:
    """What a bound on the design's objective says of that of another batch."""
    if problem.objective not in GROWING:
        return bound
    return bound * Fraction(images, problem.network.images)
