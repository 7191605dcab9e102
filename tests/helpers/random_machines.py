"""Random machines: mappings, PEs that split, what fills and loads an array, factors on cycles."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from codesign.problem.choices import Choices
from codesign.specs.accelerator import Accelerator
from codesign.specs.machine import MAPPINGS, Mapping

KINDS = ("mapping", "several", "widening", "terms", "reconfigurable")
PE_BITS = (1, 2, 4, 8, 16, 32)
KERNELS = ("1x1", "3x3", "3x3s1", "5x5", "2x2", "1x3s1")
FACTORS = ("4/9", "0.5", "0.444444444", "2", "1.37", "1/3")
MOST_SIDES = 3  # rows, and columns, where every array has several mappings


def with_machine(rng: random.Random, choices: Choices, kind: str) -> Choices:
    """The same choices on machines of a kind.

    ``mapping``: one that is not window; ``several``: two or three on offer; ``widening``: PEs that
    split, in one or two mappings; ``terms``: cycles to fill or load, factors; ``reconfigurable``:
    layers take their own mappings, of machines that at times have the other features too.
    """
    changed: dict[str, Any] = {"mapping": _mappings(rng, kind)}
    several = len(changed["mapping"]) > 1
    if several:
        changed |= _fewer_sides(choices)
    changed["reconfigurable"] = kind == "reconfigurable"
    if kind == "terms" or rng.random() < 0.25:
        changed |= _terms(rng)
    if kind == "widening" or (kind == "reconfigurable" and rng.random() < 0.25):
        changed["precision"] = "widening"
        changed |= {
            name: _split_widths(rng, getattr(choices, name))
            for name in ("pe_weight_bits", "pe_activation_bits")
        }
    return replace(choices, **changed)


def accelerator_like(rng: random.Random, on: Accelerator, kind: str) -> Accelerator:
    """An accelerator made a machine of a kind; where several mappings are offered, it has one.

    With PEs that split, they are of 8 or 16 bit.
    """
    changed: dict[str, Any] = {"mapping": _mappings(rng, kind)}
    changed["reconfigurable"] = kind == "reconfigurable"
    if kind != "reconfigurable":
        changed["mapping"] = changed["mapping"][:1]
    if kind == "terms" or rng.random() < 0.25:
        changed |= _terms(rng)
    if kind == "widening" or rng.random() < 0.2:
        changed["precision"] = "widening"
        changed |= {
            "pe_weight_bits": rng.choice((8, 16)),
            "pe_activation_bits": rng.choice((8, 16)),
        }
    return replace(on, **changed)


def _mappings(rng: random.Random, kind: str) -> tuple[Mapping, ...]:
    if kind == "mapping":
        return (rng.choice(("im2col", "output")),)
    if kind in ("several", "reconfigurable"):
        return tuple(rng.sample(MAPPINGS, rng.choice((2, 2, 3))))
    return tuple(rng.sample(MAPPINGS, rng.choice((1, 1, 1, 2))))


def _fewer_sides(choices: Choices) -> dict[str, tuple[int, ...]]:
    """Some of the sides, so that as many hardware options are left."""
    if choices.square:
        both = [side for side in choices.rows if side in choices.cols][:MOST_SIDES]
        return {"rows": tuple(both), "cols": tuple(both)}
    return {"rows": choices.rows[:MOST_SIDES], "cols": choices.cols[:MOST_SIDES]}


def _terms(rng: random.Random) -> dict[str, Any]:
    """What is counted beside multiplications, or instead of some."""
    fill, load = rng.choice(((True, False), (False, True), (True, True), (False, False)))
    factors = {
        kernel: rng.choice(FACTORS) for kernel in KERNELS if rng.random() < (0.4 if fill else 0.6)
    }
    return {"fill_cycles": fill, "weight_load": load, "cycle_factors": factors}


def _split_widths(rng: random.Random, widths: Sequence[int]) -> tuple[int, ...]:
    """Powers of two, mostly as wide as the PEs were; now and then any, up to 32 bit."""
    wide = [min(bits for bits in PE_BITS if bits >= width) for width in widths]
    if rng.random() < 0.3:
        wide.append(rng.choice(PE_BITS))
    return tuple(wide)
