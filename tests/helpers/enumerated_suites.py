"""Every design of a tiny suite, put together from those of its members, each enumerated alone.

Members share hardware and SRAM and nothing else: on each hardware option, with each capacity that a
tiling of some member needs exactly, each member has what it could have alone in no more SRAM. Of a
member's designs those alone are kept that no other is as good as in all that adds up. Where members
share weights, all that is done once for each choice of the widths that they share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import oracle
import oracle_widths
from enumerated_energy import energy_points

from codesign.problem.problem import Problem
from codesign.specs.network import Member

SUMS = ("latency_s", "dram_bits", "noise", "model_bits", "bops")
TOLERANCE = 1e-9  # relative, on budgets and on ties

Vector = tuple[float, ...]  # of a member, in the order of a case's kinds


class Place(NamedTuple):
    """Hardware with an SRAM, and what each member may have on it.

    And the bits of weights that several members have, as often as they count too many.
    """

    hardware: oracle.HardwareOption
    sram_bits: int
    area_mm2: float
    members: tuple[tuple[Vector, ...], ...]
    counted_again: float = 0.0


class SuiteCase(NamedTuple):
    """The problem of a suite, those of its members, and what there is to choose from."""

    problem: Problem
    alone: tuple[Problem, ...]
    places: tuple[Place, ...]
    kinds: tuple[str, ...] = SUMS  # of what adds up over layers and tensors


def all_places(problems: Sequence[Problem]) -> tuple[Place, ...]:
    """Every hardware option with every capacity."""
    points = [oracle.all_points(problem) for problem in problems]
    found = []
    for hardware in oracle.hardware_options(problems[0]):
        mine = [[point for point in each if point.hardware == hardware] for each in points]
        least = max(min((x.sram_bits for x in each), default=math.inf) for each in mine)
        for sram_bits in sorted({x.sram_bits for each in mine for x in each}):
            if sram_bits < least:
                continue
            within = [[x for x in each if x.sram_bits <= sram_bits] for each in mine]
            kept = (nondominated(tuple(map(x.value, SUMS)) for x in each) for each in within)
            area = oracle.area_mm2(problems[0], hardware, sram_bits)
            found.append(Place(hardware, sram_bits, area, tuple(map(tuple, kept))))
    return tuple(found)


def places_by_energy(problems: Sequence[Problem]) -> tuple[Place, ...]:
    """Every hardware option with every capacity, where energy is the last of what adds up.

    What a member takes without power at all times is enumerated; that is of the whole chip, as long
    as the member runs.
    """
    given = problems[0].technology.energy
    assert given is not None
    dynamic = replace(given, static_w=None, static_w_per_mm2=None)
    technology = replace(problems[0].technology, energy=dynamic)
    points = [[*energy_points(replace(x, technology=technology))] for x in problems]
    found = []
    for hardware in oracle.hardware_options(problems[0]):
        mine = [[point for point in each if point.hardware == hardware] for each in points]
        for sram_bits in sorted({x.sram_bits for each in mine for x in each}):
            area = oracle.area_mm2(problems[0], hardware, sram_bits)
            power_w = (given.static_w or 0.0) + (given.static_w_per_mm2 or 0.0) * area
            within = [[x.metrics for x in each if x.sram_bits <= sram_bits] for each in mine]
            if not all(within):
                continue
            spent = [
                [
                    (*(x[kind] for kind in SUMS), x["energy_j"] + power_w * x["latency_s"])
                    for x in each
                ]
                for each in within
            ]
            kept = tuple(map(tuple, map(nondominated, spent)))
            found.append(Place(hardware, sram_bits, area, kept))
    return tuple(found)


def places_of_shared(
    problems: Sequence[Problem], widths: Mapping[str, Sequence[int]], again: Mapping[str, int]
) -> tuple[Place, ...]:
    """The same where members share widths, each source of one name in all that have it.

    Parameters
    ----------
    widths : mapping of str to ints
        Widths that each shared source may take.
    again : mapping of str to int
        Elements of shared weights, times the members that have them but one.
    """
    found: list[Place] = []
    for chosen in product(*widths.values()):
        pins = dict(zip(widths, chosen, strict=True))
        if not all(_agree(problem, pins) for problem in problems):
            continue
        pinned = []
        for problem in problems:
            own = {x: bits for x, bits in pins.items() if x in problem.noise_sources}
            choices = replace(problem.choices, pinned={**problem.choices.pinned, **own})
            pinned.append(replace(problem, choices=choices))
        bits = float(sum(count * pins[x] for x, count in again.items()))
        found += [place._replace(counted_again=bits) for place in all_places(pinned)]
    return tuple(found)


def _agree(problem: Problem, pins: Mapping[str, int]) -> bool:
    """Whether sources of one width are given one."""
    sets = oracle_widths.alike(problem.network, problem.choices)
    return all(len({pins[x] for x in each if x in pins}) < 2 for each in sets)


def nondominated(vectors: Iterable[Vector]) -> list[Vector]:
    """Those that no other is as good as everywhere."""
    kept: list[Vector] = []
    for vector in sorted({*vectors}):
        if not any(all(a <= b for a, b in zip(x, vector, strict=True)) for x in kept):
            kept.append(vector)
    return kept


def design_of(case: SuiteCase, place: Place, chosen: Sequence[Vector]) -> dict[str, float]:
    """The metrics of what the members have on a place."""
    members = case.problem.network.members
    metrics = {"area_mm2": place.area_mm2}
    for n, kind in enumerate(case.kinds):
        each = zip(members, chosen, strict=True)
        metrics[kind] = sum(_weight(kind, member) * vector[n] for member, vector in each)
    metrics["model_bits"] -= place.counted_again
    for member, vector in zip(members, chosen, strict=True):
        metrics |= {f"{kind}@{member.name}": x for kind, x in zip(case.kinds, vector, strict=True)}
    return metrics


def _weight(kind: str, member: Member) -> float:
    return 1.0 if kind in ("noise", "model_bits") else member.weight


def designs(
    case: SuiteCase, budgets: Mapping[str, float], metric: str = ""
) -> Iterator[dict[str, float]]:
    """The metrics of the whole, and one of a member, of designs within budgets.

    But of those to which another with the same hardware is as good in all of them.
    """
    members, kind = case.problem.network.members, metric.partition("@")[0]
    for place in case.places:
        sums: list[Vector] = [(0.0,) * (len(case.kinds) + 1)]
        for member, vectors in zip(members, place.members, strict=True):
            told = kind if metric == f"{kind}@{member.name}" else ""
            mine = [
                (
                    *(_weight(x, member) * vector[n] for n, x in enumerate(case.kinds)),
                    vector[case.kinds.index(told)] if told else 0.0,
                )
                for vector in vectors
                if all(
                    value <= budgets.get(f"{x}@{member.name}", math.inf) * (1 + TOLERANCE)
                    for x, value in zip(case.kinds, vector, strict=True)
                )
            ]
            added = (
                map(sum, zip(*pair, strict=True)) for pair in product(sums, nondominated(mine))
            )
            sums = nondominated(map(tuple, added))
        for vector in sums:
            named = (*case.kinds, metric if "@" in metric else "")
            metrics = dict(zip(named, vector, strict=True), area_mm2=place.area_mm2)
            metrics["model_bits"] -= place.counted_again
            whole = {name: limit for name, limit in budgets.items() if "@" not in name}
            if all(metrics[name] <= x * (1 + TOLERANCE) for name, x in whole.items()):
                yield metrics


def best(case: SuiteCase) -> dict[str, float] | None:
    """The design of least objective, then area, then noise; None where there is none."""
    objective, budgets = case.problem.objective, dict(case.problem.budgets)
    if objective == "regret":
        regret, references = least_regret(case), case.problem.references
        if regret == math.inf:
            return None
        budgets |= {x: min(regret * y, budgets.get(x, math.inf)) for x, y in references.items()}
    left = [*designs(case, budgets, objective)]
    for metric in (objective, "area_mm2", "noise"):
        if metric != "regret":
            value = min((x[metric] for x in left), default=math.inf)
            left = [x for x in left if x[metric] <= value * (1 + TOLERANCE)]
    return (left[0] | ({"regret": regret} if objective == "regret" else {})) if left else None


def own_best(case: SuiteCase, m: int, kind: str) -> dict[str, float] | None:
    """What one member alone has of least: of a metric, then of area, then of noise."""
    limits = {
        x.partition("@")[0]: limit
        for x, limit in case.problem.budgets.items()
        if x == "area_mm2" or x.endswith(f"@{case.problem.network.members[m].name}")
    }
    points, found = oracle.all_points(case.alone[m]), dict[str, float]()
    for metric in (kind, "area_mm2", "noise"):
        value = oracle.least(points, metric, limits)
        if value is None:
            return None
        limits[metric] = found[metric] = value
    return found


def least_regret(case: SuiteCase) -> float:
    """The least of the largest ratios of members' shares to their references; inf: no design."""
    budgets, members = case.problem.budgets, case.problem.network.members
    if any("@" not in name and name != "area_mm2" for name in budgets):
        raise ValueError("limits on the sum of all are not told apart here")
    references = case.problem.references
    column = SUMS.index(next(iter(references)).partition("@")[0])
    least = math.inf
    for place in case.places:
        if place.area_mm2 > budgets.get("area_mm2", math.inf) * (1 + TOLERANCE):
            continue
        ratios = []
        for member, vectors in zip(members, place.members, strict=True):
            limits = [budgets.get(f"{x}@{member.name}", math.inf) for x in SUMS]
            share = min((v[column] for v in vectors if _within(v, limits)), default=math.inf)
            reference = references[f"{SUMS[column]}@{member.name}"]
            ratios.append(share / reference if reference else 1.0 if share <= 0 else math.inf)
        least = min(least, max(ratios))
    return least


def _within(vector: Vector, limits: Sequence[float]) -> bool:
    return all(x <= limit * (1 + TOLERANCE) for x, limit in zip(vector, limits, strict=True))


def least(case: SuiteCase, metric: str, budgets: Mapping[str, float]) -> float | None:
    """Smallest value of a metric within budgets; None where no design keeps them."""
    return min((x[metric] for x in designs(case, budgets, metric)), default=None)


def front(case: SuiteCase, objectives: Sequence[str]) -> list[Vector]:
    """What designs within budgets have of objectives and no other is as good in; one a member's."""
    shares = [name for name in objectives if "@" in name]
    found = designs(case, case.problem.budgets, *shares)
    return nondominated(tuple(each[name] for name in objectives) for each in found)
