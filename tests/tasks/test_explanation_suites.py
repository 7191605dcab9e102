"""Explanations of suites: every figure is that of enumerated members put together."""

from __future__ import annotations

import pytest
from compare_suite_explanations import compare_suite_explanation
from random_suites import places_of_model, regret_case, sharing_case, suite_case
from seeds import check_all

from codesign import Explanation, SpecError
from codesign.results.text.explanation import explanation_parts
from codesign.results.text.layout import to_text
from codesign.units import METRIC_UNITS

BLOCK = 20


def compare(seed: int) -> Explanation | None:
    return compare_suite_explanation(suite_case(seed))


def compare_sharing(seed: int) -> Explanation | None:
    return compare_suite_explanation(sharing_case(seed), places_of_model)


def compare_regret(seed: int) -> Explanation | None:
    case = regret_case(seed)
    return None if case is None else compare_suite_explanation(case)


@pytest.mark.parametrize("seed", [3, 10, 14])
def test_every_figure_is_the_enumerated_one(seed: int) -> None:
    assert compare(seed) is not None


@pytest.mark.parametrize("seed", [10, 25])
def test_so_are_those_of_networks_of_one_model(seed: int) -> None:
    assert compare_sharing(seed) is not None


@pytest.mark.parametrize("seed", [145])
def test_so_are_those_of_regret(seed: int) -> None:
    """What networks have alone stays as it is while budgets and rates move."""
    found = compare_regret(seed)
    assert found is not None
    assert found.sharing is not None
    ratios = [each.ratio or 0.0 for each in found.sharing.members]
    assert max(ratios) == pytest.approx(found.design.metrics["regret"], rel=1e-7)
    shown = to_text(explanation_parts(found), terminal=False)
    assert "largest ratio of a network's latency to its own best" in shown
    assert "what sharing costs: each network's latency" in shown
    _check_picture(found)


def _check_picture(found: Explanation) -> None:
    """Beside each network's own best stands what it has shared; figures are apart and inside."""
    picture = found.plot()
    picture.draw_without_rendering()
    axes, sharing = picture.axes[1], found.sharing
    assert sharing is not None
    unit = METRIC_UNITS[sharing.metric]
    own = [each.own_best.metrics[sharing.metric] for each in sharing.members if each.own_best]
    shared = [each.metrics[sharing.metric] for each in sharing.members]
    for bars, values in zip(axes.containers, (own, shared), strict=True):
        widths = [bar.get_width() * unit.scale for bar in bars]
        assert widths == pytest.approx(values)
    boxes = [text.get_window_extent() for text in axes.texts]
    drawn = [bar.get_window_extent() for bars in axes.containers for bar in bars]
    for n, box in enumerate(boxes):
        assert box.x1 <= axes.get_window_extent().x1
        assert not any(box.overlaps(other) for other in (*boxes[n + 1 :], *drawn))


def test_what_members_have_of_the_layers_is_held_to_the_file() -> None:
    found = compare(10)
    assert found is not None
    content = found.to_dict()
    content["sharing"]["members"][0]["layers"] += 1
    with pytest.raises(SpecError, match="its members have other layers than the file"):
        Explanation.from_dict(content, "file")


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 100, BLOCK))
def test_every_figure_of_many(first: int) -> None:
    check_all(range(first, first + BLOCK), compare)
    check_all(range(first, first + BLOCK), compare_sharing)
    check_all(range(first, first + BLOCK), compare_regret)
