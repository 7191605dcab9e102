"""The problems of this study, each solved once in a run."""

from __future__ import annotations

import itertools
import time
from functools import cache
from typing import Literal, NamedTuple

import codesign

NETWORKS = ("resnet18", "mobilenetv2", "resnet50")
TECHNOLOGIES = ("tsmc28", "tsmc28-nvdla")  # SRAM of 2.94 and 0.388 µm² per bit
GBIT_PER_S = (153.6, 25.6)  # of DDR4-2400 on 64 bit, and a sixth of it
AREAS_MM2 = (2.0, 4.0, 8.0, 16.0)
UNIFORM_BITS = 6
BITS_PER_GBIT = 1e9
LIMIT_S = 300.0

OnChip = Literal["none", "tensors"]


class Case(NamedTuple):
    """One question, with tensors on chip or without."""

    network: str
    technology: str
    gbit_per_s: float
    area_mm2: float


def cases() -> list[Case]:
    """All of them."""
    return [Case(*x) for x in itertools.product(NETWORKS, TECHNOLOGIES, GBIT_PER_S, AREAS_MM2)]


def problem(case: Case, on_chip: OnChip) -> codesign.Problem:
    """A case as a problem: least latency over the default choices."""
    return codesign.Problem(
        network=codesign.load_network(case.network),
        technology=codesign.load_technology(case.technology),
        dram_bits_per_s=case.gbit_per_s * BITS_PER_GBIT,
        choices=codesign.Choices(on_chip=on_chip),
        quality=f"uniform:{UNIFORM_BITS}",
        budgets={"area_mm2": case.area_mm2},
    )


def solved(case: Case, on_chip: OnChip) -> codesign.Design:
    """Its optimum, proven unless the time for it is up."""
    return _solved(case, on_chip)[0]


def cpu_s(case: Case, on_chip: OnChip) -> float:
    """Processor time that solving it takes."""
    return _solved(case, on_chip)[1]


@cache
def _solved(case: Case, on_chip: OnChip) -> tuple[codesign.Design, float]:
    asked = problem(case, on_chip)
    start_s = time.process_time()
    design = codesign.solve(asked, time_limit_s=LIMIT_S)
    return design, time.process_time() - start_s
