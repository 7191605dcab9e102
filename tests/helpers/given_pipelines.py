"""Random tiny problems of pipelines of which a part is given, with all that is left to choose."""

from __future__ import annotations

import random
from dataclasses import replace

import dataflow_oracle
from random_dataflow import Case, dataflow_case

from codesign.specs.given_stage import FIELDS, GivenStage


def given_case(seed: int, share: float | None = None, kind: str = "") -> Case:
    """Problem number ``seed``, a share of what some pipeline of it is made of given.

    Parameters
    ----------
    share : float or None
        1: everything but widths and starts; None: anything from nothing to all.
    """
    rng = random.Random(f"given {seed}")
    problem, groups = dataflow_case(seed, kind)
    there = [group for group in groups if group.bases]
    if not there:
        return Case(problem, groups)
    base = rng.choice(rng.choice(there).bases)
    part = rng.random() if share is None else share
    stages = {
        layer.name: GivenStage(**{x: getattr(row.stage, x) for x in FIELDS if rng.random() <= part})
        for layer, row in zip(problem.network.layers, base.stages, strict=True)
        if not layer.moves
    }
    asked = replace(problem, choices=replace(problem.choices, stages=stages))
    return Case(asked, dataflow_oracle.all_groups(asked))
