"""Labels of pipelines against the exact costs of the choices that they stand for."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from seeds import half_long

from codesign import Choices, Layer, Network, Problem, load_network, solve
from codesign.results.dataflow_design import platform_of
from codesign.search.dataflow import search
from codesign.search.dataflow.bounds import Dual
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.labels import Labels, LabelSetting
from codesign.search.dataflow.pricing import (
    chosen_options,
    lags_of,
    price,
    with_good_starts,
)
from codesign.search.dataflow.starts import good_starts
from codesign.search.dataflow.table import Pricing, Range
from codesign.space.dataflow import PipelineSpace

COSTS = ("area_mm2", "dram_bits", "noise")
SPAN = Range(1e-9, 1e-2)
DRAWN = 30  # choices of a network


def two_paths(rng: random.Random) -> Network:
    """A stem, and from it to a sum two paths of layers, whose lags may be more on either."""
    rows, layers, elements = rng.randint(6, 12), list[Layer](), {}

    def add(fed: str, width: int, *added: str) -> str:
        out, kernel, sides = f"t{len(layers)}", rng.choice((1, 3, 5, 7)), rows * rows
        sizes = dict.fromkeys("PQHW", rows) | dict.fromkeys("RS", kernel)
        sizes |= {"C": elements[fed] // sides, "K": width}
        names = {"name": f"layer{len(layers)}", "input": fed, "output": out}
        layers.append(Layer(**names, **sizes, residuals=added))  # type: ignore[arg-type]
        elements[out] = width * sides
        return out

    elements["image"] = 3 * rows * rows
    path = beside = add("image", rng.choice((1, 4)))
    most, between = rng.choice((1, 4)), rng.choice((1, 4, 32))
    for _ in range(rng.choice((0, 1, 2))):
        path = add(path, between)
    for _ in range(rng.choice((0, 1))):
        beside = add(beside, between)
    add(path, most, add(beside, most))
    return Network(name="paths", layers=tuple(layers), tensors=elements)


def setting_of(network: Network) -> LabelSetting:
    """Of all its pipelines, none ruled out by targets."""
    sides = dict.fromkeys(("rows", "cols"), (1, 2))
    widths = dict.fromkeys(("weight_bits", "activation_bits"), (2, 4, 8))
    choices = Choices(architecture=("dataflow",), **sides, **widths)
    problem = Problem(network=network, choices=choices, objective="area", quality="uniform:4")
    space = PipelineSpace(problem, platform_of(problem))
    pricing = Pricing(space, COSTS, Fifos(space))
    table = pricing.table(SPAN, [np.ones(len(x), dtype=bool) for x in space.bits])
    assert table is not None
    dual = Dual(pricing, pricing.tied(table), SPAN)
    return LabelSetting(dual, [np.full(len(COSTS), 1e-12)], np.inf, lambda: None)


def drawn(rng: random.Random, setting: LabelSetting) -> tuple[Labels, list[Mapping[str, float]]]:
    """Some choice of columns and widths: as a label put together, and what it is exactly.

    That at several starts: what can wait at one place or another does so at each.
    """
    dual, table = setting.dual, setting.dual.table
    widths = np.array([rng.choice(np.flatnonzero(x)) for x in table.allowed])
    columns, label = list[int](), setting._none()
    for c in np.flatnonzero(dual.own):
        label.metrics[0, : len(COSTS)] += dual.class_cost[c][widths[c]]
    for n in range(len(dual.layers)):
        k = int(widths[dual.coupled[n]]) if n in dual.apart else 0
        each = setting._columns(n, k, int(widths[dual.centre[n]]))
        pick = rng.choice(np.flatnonzero(table.weight[each.made] == widths[dual.leaf[n]]))
        columns.append(int(each.made[pick]))
        label.metrics[0] += each.metrics[pick]
    options = chosen_options(dual.layers, np.array(columns), table.option)
    space, fifos = dual.pricing.space, dual.pricing.fifos
    lags, costs = lags_of(space, options), np.ones((len(fifos.elements), len(fifos.elements)))
    np.fill_diagonal(costs, 1e-3)
    starts = [good_starts(fifos, lags, x) for x in costs]
    return label, [price(space, options, widths, x).metrics for x in starts]


@pytest.mark.parametrize("dearer", [False, True])
@pytest.mark.parametrize("seed", half_long(range(12), 4))
def test_what_waits_on_two_paths_is_never_counted_too_much(seed: int, dearer: bool) -> None:
    """On the longer path as on the shorter, in choices at random."""
    rng, corrected = random.Random(f"two paths {seed} {dearer}"), 0
    while True:
        setting = setting_of(two_paths(rng))
        if any(x.dearer > 0 or not dearer for x in setting.two_sided):
            break
    for _ in range(DRAWN):
        label, exact = drawn(rng, setting)
        told = setting._corrected(label).metrics[0, : len(COSTS)]
        corrected += int((told > label.metrics[0, : len(COSTS)]).any())
        for value, name in zip(told + setting.dual.constant, COSTS, strict=True):
            assert value <= min(x[name] for x in exact) * (1 + 1e-12), name
    assert corrected


@pytest.mark.slow
def test_labels_cost_no_more_than_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what waits may do so on either of two paths, as at the ends of ResNet's skips."""
    by_labels, least, found = search.GoalSearch._by_labels, LabelSetting.least, []

    def kept(setting: LabelSetting, *given: Any) -> Any:
        found.append((setting, least(setting, *given)))
        return found[-1][1]

    def priced(self: search.GoalSearch, table: Any, *given: Any) -> Any:
        found.clear()
        told = by_labels(self, table, *given)
        for setting, labels in found:
            rows = [(r, x) for r, x in enumerate(setting.dual.rows) if r in setting.counted]
            for n in range(0, len(labels), max(1, len(labels) // 20)):
                columns, widths = setting.choice(int(labels.made[n]))
                options = chosen_options(setting.dual.layers, columns, table.option)
                exact = with_good_starts(self.space, self.fifos, options, widths).metrics
                for r, name in rows:
                    assert labels.metrics[n, r] <= exact[name] * (1 + 1e-9), name
                both.append(len(setting.two_sided))
        return told

    both: list[int] = []
    monkeypatch.setattr(LabelSetting, "least", kept)
    monkeypatch.setattr(search.GoalSearch, "_by_labels", priced)
    choices = Choices(architecture=("dataflow",))
    asked = {"objective": "interval", "budgets": {"area": 20}, "quality": "uniform:6"}
    solve(Problem(network=load_network("resnet18"), choices=choices, **asked))
    assert max(both, default=0) > 0
