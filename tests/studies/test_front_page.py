"""The front page tells what its study has measured, and a new measurement gives the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import pandas as pd
import pytest
from seeds import half_long
from sources import ROOT
from study_modules import imported

import codesign

STUDY = ROOT / "studies" / "front_page"
FIGURES = pd.read_csv(STUDY / "expected" / "figures.csv", index_col="figure")["value"].to_dict()
FRONT = STUDY / "expected" / "front.csv"
QUICK = ("channels", "channels, HBM2", "pixels, HBM2", "each layer its own, HBM2")
TOLD = {"points proven", "depthwise share, channels", "depthwise share, pixels"}
TOLD |= {f"latency_s, {machine}" for machine in QUICK[1:]}  # the others stand in the table alone
README = " ".join((ROOT / "README.md").read_text("utf-8").split())


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    with imported(STUDY, ("run",)) as found:
        yield found["run"]


def test_the_front_page_tells_every_figure(study: ModuleType) -> None:
    told = study.phrases(FIGURES)
    assert [phrase for phrase in told if phrase not in README] == []
    for figure, value in FIGURES.items():
        moved = study.phrases(FIGURES | {figure: 0.8 * value})
        assert (moved != told) == (figure in TOLD), figure


def test_no_other_figure_of_a_result_is_on_the_front_page(study: ModuleType) -> None:
    rest = README
    for phrase in study.phrases(FIGURES):
        rest = rest.replace(phrase, "")
    assert re.findall(r"\d[\d.]* (?:%|times|ms|µs|s|CPU s|seconds|minutes|mJ|W)(?!\w)", rest) == []


def test_the_picture_has_the_points_told(study: ModuleType) -> None:
    front = codesign.Front.load(FRONT)
    assert study.proven_points(front.points) == FIGURES["points proven"] == len(front.points)


@pytest.mark.slow
@pytest.mark.parametrize("machine", half_long(QUICK))
def test_a_machine_is_measured_anew(study: ModuleType, machine: str) -> None:
    for figure, value in study.measured_machine(machine).items():
        assert value == pytest.approx(FIGURES[figure], rel=1e-6), figure


@pytest.mark.long
def test_everything_else_is_measured_anew(study: ModuleType) -> None:
    (left,) = {*study.MACHINES} - {*QUICK}
    for figure, value in study.measured_machine(left).items():
        assert value == pytest.approx(FIGURES[figure], rel=1e-6), figure
    metrics = ["latency_s", "area_mm2"]
    new, old = study.measured_front().points[metrics], codesign.Front.load(FRONT).points[metrics]
    pd.testing.assert_frame_equal(new, old, rtol=1e-6)
