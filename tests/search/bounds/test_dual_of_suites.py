"""The dual of a suite whose members have a limit each is that of every member by itself."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
from enumerated_assignments import (
    EXACT,
    NETWORKS,
    OPTIONS,
    all_assignments,
    metrics_of,
    network,
    point,
    random_batch,
    random_sensitivity,
)
from seeds import mostly_long

from codesign import Choices, Problem, Suite
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import ceiling
from codesign.search.bounds import relaxation as bounds
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual, DualBound
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace

FAR = "far branch"  # its last layer reads what its first does, and nothing else of a width
SMALL = ("chain", "one layer", "residual", "branches", "movement", "groups", FAR)
MADE = NETWORKS | {
    FAR: network(
        point("a", "x", "y", 2, 2), point("b", "y", "z", 2, 2), point("c", "x", "end", 2, 2)
    )
}
NEAR = 1e-6  # of duals that are maximised by themselves and together
LATENCY, NOISE = (ADDITIVE_METRICS.index(name) for name in ("latency_s", "noise"))


@dataclass(frozen=True)
class Member:
    """One by itself: with the suite's tables, what it counts for, and a limit on its noise."""

    name: str
    space: HardwareSpace
    batch: Batch
    weight: float
    limit: float

    @property
    def dual(self) -> Dual:
        """Of its own latency."""
        return Dual(Relaxation(self.space), "latency_s", {"noise": self.limit})


@dataclass(frozen=True)
class Drawn:
    """A suite with random tables, and its members in the order of their limits, not their own."""

    space: HardwareSpace
    batch: Batch
    members: tuple[Member, ...]

    @property
    def dual(self) -> Dual:
        """Of the weighted sum."""
        limits = {f"noise@{x.name}": x.limit for x in self.members}
        return Dual(Relaxation(self.space), "latency_s", limits)


def drawn(seed: int) -> Drawn:
    """Two members, their limits in reverse order, or three, in turn."""
    rng = random.Random(f"dual of a suite {seed}")
    names = rng.sample(SMALL, rng.choice((2, 3)))
    if seed % 3 == 0 and FAR not in names:
        names[0] = FAR
    networks = [replace(MADE[name], name=name.replace(" ", "-")) for name in names]
    weights = [rng.uniform(0.2, 5) for _ in networks]
    suite = Suite(networks, weights)
    choices = Choices(
        weight_bits=tuple(rng.sample((1, 2, 4, 5), 2)),
        activation_bits=tuple(rng.sample((2, 4, 6, 8), 2)),
        rows=(1,),
        cols=(1,),
        output_bits=rng.choice((4, 8)),
        on_chip="none",
    )
    problem = Problem(network=suite.network, choices=choices, dram_bits_per_s=100.0)
    problem = replace(problem, sensitivity=random_sensitivity(problem, rng))
    space = HardwareSpace(problem)
    batch, members, first = random_batch(space, rng), [], 0
    for each, name, weight in zip(networks, suite.names, weights, strict=True):
        noises = {
            source: problem.sensitivity[source.replace(":", f":{name}/")]  # type: ignore[index]
            for source in each.noise_sources
        }
        alone = HardwareSpace(replace(problem, network=each, sensitivity=noises))
        theirs = np.zeros(len(alone.geometries), dtype=np.int64)
        theirs[alone.geometry_of] = space.geometry_of[first : first + len(each.layers)]
        mine = Batch(batch.compute_s[:, theirs], batch.traffic[:, theirs])
        pool = [x.metrics[NOISE] for x in all_assignments(alone, mine, 0)]
        limit = rng.choice(pool) * rng.choice((1.0, 1.1))
        members.append(Member(name, alone, mine, weight, max(limit, 1e-6)))
        first += len(each.layers)
    return Drawn(space, batch, (*members[1:], members[0]))


def in_own_order(given: Drawn) -> list[tuple[int, Member]]:
    """The number of each one's limit, by the order of members."""
    names = [x.name for x in given.space.problem.network.members]
    return sorted(enumerate(given.members), key=lambda pair: names.index(pair[1].name))


def check_incumbent(given: Drawn, found: DualBound, b: int) -> None:
    """What is kept is an assignment of all that costs so much, each member within its limit."""
    total = 0.0
    chosen = zip(given.space.variables, found.variable_width[b].tolist(), strict=True)
    width_of = {source: n for sources, n in chosen for source in sources}
    layers = given.space.problem.network.layers
    weights = dict(zip((x.name for x in layers), found.weight[b].tolist(), strict=True))
    for member in given.members:
        at = {
            name: width_of[f"tensor:{member.name}/{name}"]
            for source in member.space.problem.noise_sources
            for kind, name in [source.split(":")]
            if kind == "tensor"
        }
        own = member.space.problem.network.layers
        weight = tuple(weights[f"{member.name}/{x.name}"] for x in own)
        metrics = metrics_of(member.space, member.batch, b, at, weight)
        assert metrics is not None
        assert metrics[NOISE] <= ceiling(member.limit) * (1 + EXACT)
        total += member.weight * metrics[LATENCY]
    assert found.incumbent[b] == pytest.approx(total, rel=EXACT)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("seed", mostly_long(range(60), 6))
def test_at_any_multipliers_the_bound_of_each_is_its_own(
    seed: int, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cut:  # as many couplings as can be: the last layer of a far branch has none left
        for name in ("MAX_TABLE", "MAX_ENTRIES", "MAX_BATCH"):
            monkeypatch.setattr(bounds, name, 1)
    given, numbers = drawn(seed), np.random.default_rng(seed)
    start = numbers.uniform(0, 3, (OPTIONS, len(given.members)))
    found = given.dual.bound(given.batch, start=start, rounds=1)
    total = np.zeros(OPTIONS)
    for m, (n, member) in enumerate(in_own_order(given)):
        own = start[:, [n]] / member.weight
        alone = member.dual.bound(member.batch, start=own, rounds=1)
        assert found.of_members[:, m].tolist() == pytest.approx(alone.value.tolist(), rel=EXACT)
        total += member.weight * alone.value
    assert found.value.tolist() == pytest.approx(total.tolist(), rel=EXACT)


@pytest.mark.parametrize("seed", mostly_long(range(100, 160), 8))
def test_the_best_of_all_is_the_best_of_each(seed: int) -> None:
    given = drawn(seed)
    found = given.dual.bound(given.batch)
    alone = [(member, member.dual.bound(member.batch)) for _, member in in_own_order(given)]
    for b in range(OPTIONS):
        each = [(member.weight, own.value[b]) for member, own in alone]
        if any(math.isinf(value) for _, value in each):
            assert math.isinf(found.incumbent[b])
            continue
        assert found.of_members[b].tolist() == pytest.approx([x for _, x in each], rel=NEAR)
        assert found.value[b] == pytest.approx(sum(w * x for w, x in each), rel=NEAR)
        if math.isfinite(found.incumbent[b]):
            check_incumbent(given, found, b)
    assert np.isfinite(found.incumbent).any()
