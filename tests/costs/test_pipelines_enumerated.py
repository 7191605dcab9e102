"""Every metric of drawn pipelines, of every kind of network, as it is enumerated."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from built_pipelines import drawn
from random_dataflow import KINDS, dataflow_case
from seeds import check_all


def check(kind: str, seed: int) -> None:
    problem, groups = dataflow_case(seed, kind)
    if not any(group.bases for group in groups):
        return
    problem, rng = replace(problem, budgets={}, quality=None), random.Random(seed)
    for _ in range(4):
        design, metrics = drawn(rng, problem, groups)
        assert dict(design.metrics) == pytest.approx(metrics, rel=1e-9, abs=0)


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_drawn_pipelines(kind: str) -> None:
    check_all(range(2), lambda seed: check(kind, seed))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_metrics_of_many_drawn_pipelines(kind: str) -> None:
    check_all(range(2, 100), lambda seed: check(kind, seed))
