"""The widths that some design within the limit on noise has.

One is left out where a source has it, all others have their least noise, and that is too much: what
arguments are made of then costs more, and its tables are smaller.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.problem import Problem

NOISE = "noise"


def with_possible_widths(problem: Problem, threshold: Threshold) -> Problem:
    """The problem without the widths that its limit on noise forbids, where it has one.

    Unchanged are suites, each member of which has limits of its own, and what no width keeps.
    """
    most = threshold.most(NOISE)
    if most is None or problem.network.members:
        return problem
    noises = {members: _noises(problem, members) for members in problem.classes}
    least = {members: min(each.values()) for members, each in noises.items()}
    room = most - sum(least.values(), Fraction(0))
    if room < 0:
        return problem
    allowed: dict[str, tuple[int, ...]] = {}
    for members, each in noises.items():
        kept = tuple(bits for bits, noise in each.items() if noise - least[members] <= room)
        allowed |= dict.fromkeys(members, kept)
    found = replace(problem)
    vars(found)["_allowed"] = allowed
    return found


def _noises(problem: Problem, members: tuple[str, ...]) -> dict[int, Fraction]:
    """Of sources of one width at each that they may have, ascending."""
    return {
        bits: sum((problem.noise_of(x, bits) for x in members), Fraction(0))
        for bits in problem.allowed(members[0])
    }
