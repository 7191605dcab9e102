"""Pages of results in a real browser: every tab, hostile names, print; no request, no complaint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import Shown, browser
from pictures import CONV1, FC, TENSORS

import codesign

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def front() -> codesign.Front:
    """Of a network whose names are hostile."""
    layers = replace(CONV1, name=HOSTILE, input=HOSTILE), replace(FC, C=64, input="a")
    tensors = {HOSTILE: TENSORS["image"], "a": 64, "scores": 10}
    network = codesign.Network(name=HOSTILE, layers=layers, tensors=tensors)
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=network, choices=choices, quality="uniform:4")
    return codesign.pareto(problem, ["latency", "area"], 3)


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as made:
        yield made


@pytest.fixture
def shown(driver: Any, front: codesign.Front, tmp_path: Path) -> Iterator[Shown]:
    front.report(tmp_path / "front.html")
    page = Shown(driver, tmp_path / "front.html")
    yield page
    assert page.complaints() == []
    assert page.requests() == []
    assert page.run("return document.images.length") == 0


def test_every_tab_opens_with_its_charts(shown: Shown) -> None:
    names = shown.open_every_tab()
    assert names[:2] == ["front", "designs"]
    assert {"layers", "roofline", "SRAM", "energy", "proof", "problem", "reproduce"} < {*names}
    seen = "return [...document.querySelectorAll('[data-chosen] .chart')].map(x => x.dataset.drawn)"
    drawn = shown.run(seen)
    assert len(drawn) == 5
    assert {*drawn} == {"1"}


def test_hovering_a_layer_on_the_roofline_names_it(shown: Shown) -> None:
    shown.all("[role=tab]")[1].click()
    next(x for x in shown.all("[role=tab]") if x.text == "roofline").click()
    points = shown.all(".chart .point")
    actions = pytest.importorskip("selenium.webdriver").ActionChains(shown.driver)
    actions.move_to_element(points[0]).perform()
    shown.wait(lambda: shown.texts(".hovertext"))
    assert HOSTILE in shown.texts(".hovertext")[0]
    assert "operations per DRAM bit" in shown.texts(".hovertext")[0]


def test_a_chosen_point_shows_its_design(shown: Shown, front: codesign.Front) -> None:
    points = shown.all(".chart .point")
    pytest.importorskip("selenium.webdriver").ActionChains(shown.driver).click(points[0]).perform()
    shown.wait(lambda: shown.all("select"))
    number = int(shown.all("select")[0].get_attribute("value"))
    area = front.designs[number].metrics["area_mm2"]
    cells = shown.texts(".option[data-chosen] td")
    assert f"{area:.4g}" in cells


def test_all_tabs_are_printed_with_all_charts(shown: Shown) -> None:
    shown.run("window.dispatchEvent(new Event('beforeprint'))")
    open_panels = "[role=tabpanel]:not(.option:not([data-chosen]) *)"
    hidden = f"return [...document.querySelectorAll('{open_panels}')].filter(x => !x.offsetHeight)"
    assert shown.run(f"{hidden}.length") == 0
    charts = ".chart:not(.option:not([data-chosen]) *)"
    empty = f"return [...document.querySelectorAll('{charts}')].filter(x => !x.dataset.drawn)"
    assert shown.run(f"{empty}.length") == 0
    shown.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(shown.all("[role=tabpanel]")) == 1


def test_charts_keep_their_height_and_fit_when_the_window_changes(shown: Shown) -> None:
    sizes = (
        "return [...document.querySelectorAll('.chart')].filter(x => x.clientWidth).map(x =>"
        " [x.clientHeight, x.clientWidth - x.querySelector('svg').clientWidth])"
    )
    before = shown.run(sizes)
    assert before
    try:
        for width in (1200, 1100, 1000, 800):  # as a window is drawn smaller
            shown.driver.set_window_size(width, 900)
        shown.wait(lambda: shown.run(sizes) == [[height, 0] for height, _ in before])
        shown.all("[role=tab]")[1].click()
        shown.driver.set_window_size(1280, 900)
        shown.all("[role=tab]")[0].click()  # whose charts nobody saw meanwhile
        shown.wait(lambda: shown.run(sizes) == before)
    finally:
        shown.driver.set_window_size(1280, 900)
