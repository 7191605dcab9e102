"""A small model that takes long."""

from __future__ import annotations

import random

import pyomo.environ as pyo


def market_split(rows: int, items: int, seed: int) -> pyo.ConcreteModel:
    """Equalities over binaries with slacks to minimise: small, and beyond a second's work."""
    rng = random.Random(seed)
    model = pyo.ConcreteModel()
    model.ROWS, model.ITEMS = pyo.RangeSet(rows), pyo.RangeSet(items)
    model.take = pyo.Var(model.ITEMS, domain=pyo.Binary)
    model.over = pyo.Var(model.ROWS, domain=pyo.NonNegativeReals)
    model.under = pyo.Var(model.ROWS, domain=pyo.NonNegativeReals)
    sizes = {row: {i: rng.randrange(100) for i in model.ITEMS} for row in model.ROWS}

    @model.Constraint(model.ROWS)
    def split(model, row):
        half = sum(sizes[row].values()) // 2
        total = sum(size * model.take[i] for i, size in sizes[row].items())
        return total + model.over[row] - model.under[row] == half

    model.objective = pyo.Objective(expr=sum(model.over.values()) + sum(model.under.values()))
    return model
