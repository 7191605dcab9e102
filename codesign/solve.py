"""From a problem to the proven best design."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import numpy as np

from codesign.bounds import Relaxation
from codesign.point import Point
from codesign.problem import BUDGET_TOLERANCE, Goal, Problem
from codesign.search import Effort, Proof, limits_after, search_for
from codesign.space import Space


def run(problem, time_limit_s=None, rel_gap=1e-6, on_progress=None):
    start=time.monotonic()
    space=Space(problem); relaxation=Relaxation(space)
    goal=Goal(metric=problem.objective, limits=dict(problem.budgets))
    effort=Effort()
    lower=np.full(len(space),-np.inf)
    best=None
    for metric in dict.fromkeys((problem.objective,"area_mm2","noise")):
        goal=Goal(metric=metric, limits=goal.limits)
        s=search_for(goal)(space,relaxation,goal,lower=lower,best=best,effort=effort,rel_gap=1e-9,deadline=np.inf,on_progress=on_progress)
        proof=s.prove()
        best=proof.best
        print(metric, proof.bound, best and best.metrics, "option", best and (space.shapes[space.shape_of[best.option]], space.pe_weight_bits[best.option], space.pe_activation_bits[best.option], best.sram_bits), len(effort.solved), effort.programmes, round(time.monotonic()-start,3))
        if best is None: return
        z=best.metrics[metric]
        lower=np.where(proof.lower>z*(1+2*BUDGET_TOLERANCE), np.inf,-np.inf)
        print("alive", np.isfinite(1/ (lower==-np.inf)*1.0).sum() if 0 else (lower==-np.inf).sum())
        goal=Goal(metric=metric, limits=limits_after(goal,best))
    return best
