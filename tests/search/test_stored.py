"""Where DRAM stores channels in multiples of a number, the optimum is the enumerated one."""

from __future__ import annotations

import pytest
from port_questions import check

from codesign import Choices, SpecError

# Kinds of problems, and some whose designs are enumerated soon.
SEEDS = {
    "none": (3, 5),
    "tensors": (0, 1, 13),
    "mapping": (2,),
    "reconfigurable": (1, 2),
    "widening": (3,),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEEDS)
def test_the_optimum_is_the_enumerated_one(kind: str) -> None:
    for seed in SEEDS[kind]:
        check(seed, kind, stored=True)


@pytest.mark.long
@pytest.mark.parametrize("first", range(100, 400, 20))
@pytest.mark.parametrize("kind", SEEDS)
def test_the_optimum_is_the_enumerated_one_at_length(first: int, kind: str) -> None:
    for seed in range(first, first + 20):
        check(seed, kind, stored=True)


def test_not_where_layers_may_be_fused() -> None:
    with pytest.raises(SpecError, match="stored_channels: not counted where layers may be fused"):
        Choices(stored_channels=8, on_chip="bands")
