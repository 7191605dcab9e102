"""Coefficients of programmes of real networks are of moderate size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from published import PUBLISHED, TPU_APPLICATIONS
from pyomo.repn import generate_standard_repn

from codesign import Choices, Problem, load_network
from codesign.problem.goal import Goal
from codesign.search.milp.formulation import build
from codesign.space.candidates import candidates
from codesign.space.hardware import HardwareSpace

SMALLEST, LARGEST = 5e-5, 1e6


TIMED = (("latency_s", ("area_mm2", "noise")), ("area_mm2", ("latency_s",)))
MOVED = (("latency_s", ("dram_bits",)), ("dram_bits", ("latency_s",)))


@pytest.mark.parametrize("name", [*PUBLISHED, *TPU_APPLICATIONS])
def test_coefficients_of_shipped_networks_are_of_moderate_size(name: str) -> None:
    check(name, TIMED)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2"])
def test_coefficients_are_of_moderate_size_where_layers_may_be_fused(name: str) -> None:
    check(name, (*TIMED, *MOVED), on_chip="bands")


def check(name: str, asked: Iterable[tuple[str, tuple[str, ...]]], **more: Any) -> None:
    """Models of a metric within limits on others."""
    widths = {"weight_bits": (2, 8), "activation_bits": (2, 8)}
    choices = Choices(rows=(8, 32), cols=(16,), **widths, **more)
    space = HardwareSpace(Problem(network=load_network(name), choices=choices, quality="uniform:6"))
    limits = {"area_mm2": 10.0, "latency_s": 0.02, "noise": space.problem.budgets["noise"]}
    limits["dram_bits"] = 1e8
    for option in (0, len(space) - 1):  # small and narrow, large and wide
        chosen = np.array([option])
        sram = np.maximum(4e6, space.useful_sram_bits(int(space.shape_of[option]), True) / 8)
        for metric, others in asked:
            offered = candidates(space, chosen, np.full(1, 4e6), np.full(1, sram))
            goal = Goal(metric, {other: limits[other] for other in others})
            sizes = sorted(abs(value) for value in coefficients(build(space, offered, goal)))
            assert sizes[0] >= SMALLEST
            assert sizes[-1] <= LARGEST


def coefficients(model: pyo.ConcreteModel) -> Iterator[float]:
    """All non-zero coefficients and right-hand sides of a model."""
    for row in model.component_data_objects(pyo.Constraint):
        body = generate_standard_repn(row.body)
        yield from (value for value in body.linear_coefs if value)
        side = pyo.value(row.upper) - body.constant
        if side:
            yield side
    yield from generate_standard_repn(model.objective.expr).linear_coefs
