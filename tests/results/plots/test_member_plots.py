"""The bars of a suite's networks: their latencies by roof, their own bests, their limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from pictures import GIVEN, NETWORK, panel

from codesign import Choices, Problem, Suite, evaluate, solve
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation

OTHER = replace(NETWORK, name="other", layers=NETWORK.layers[1:], tensors={
    name: elements for name, elements in NETWORK.tensors.items() if name != "image"
})  # fmt: skip


def bars_ms(axes: Axes) -> list[float]:
    """How far the bars of each row reach."""
    rows = [
        [bar.get_x() + bar.get_width() for bar in row] for row in zip(*axes.containers, strict=True)
    ]
    return [max(row) for row in rows]


def check(result: Design | Evaluation, axes: Axes) -> None:
    """Each bar is a network's latency, whatever its weight, and its figure stands clear of it."""
    names = [member.name for member in result.network.members]
    latency_ms = [1e3 * result.metrics[f"latency_s@{name}"] for name in names]
    assert bars_ms(axes) == pytest.approx(latency_ms)
    assert axes.get_xlabel() == "latency (ms)"
    axes.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    ends = [bar.get_window_extent().x1 for bar in axes.containers[-1]]
    assert all(end < box.x0 < box.x1 < axes.bbox.x1 for end, box in zip(ends, boxes, strict=True))
    assert boxes[0].y0 > boxes[1].y1


def test_an_evaluation_shows_what_binds_each_network() -> None:
    found = evaluate(Suite([NETWORK, OTHER], [3, 1]).network, GIVEN, 8)
    axes = panel(found.plot(), "Networks, each once")
    check(found, axes)
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks == ["3 × tiny", "1 × other"]
    for side, bars in zip(("compute", "memory"), axes.containers, strict=True):
        for prefix, bar in zip(("tiny/", "other/"), bars, strict=True):
            mine = found.layers[found.layers.index.str.startswith(prefix)]
            expected = 1e3 * mine["latency_s"][mine["bound_by"] == side].sum()
            assert bar.get_width() == pytest.approx(expected)


def test_of_many_networks_the_longest_are_shown() -> None:
    found = evaluate(Suite([OTHER, *[NETWORK] * 8]).network, GIVEN, 8)
    axes = panel(found.plot(), "Networks, each once: 8 of 9, the longest")
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks == ["tiny", *(f"tiny.{n}" for n in range(2, 9))]


def test_a_design_shows_own_bests_and_limits() -> None:
    choices = Choices(rows=(2,), cols=(4,), weight_bits=(8,), activation_bits=(8,), on_chip="none")
    problem = Problem(
        network=Suite([NETWORK, OTHER]).network,
        choices=choices,
        objective="regret",
        budgets={"area_mm2": 0.5, "latency_s@other": 1e-3},
    )
    design = solve(problem)
    axes = panel(design.plot(), "Networks, each once")
    check(design, axes)
    best, limit = (marks.get_offsets().tolist() for marks in axes.collections)
    own_ms = [1e3 * x for x in design.problem.references.values()]
    assert [x for x, _ in best] == pytest.approx(own_ms)
    assert limit[1] == pytest.approx([1.0, 1])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[-2:] == ["own best", "limit"]
