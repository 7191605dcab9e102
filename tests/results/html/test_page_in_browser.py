"""Pages in a real browser: keyboard, sorting, choices, charts, themes, no request, no complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Shown, browser

from codesign.results.html.page import Choices, Tab, write_page
from codesign.results.html.parts import Chart, chart_text
from codesign.results.text.layout import columns_table, literal

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = '</script><script>alert(2)</script><a href="javascript:alert(3)">%{x}</a>'
RIGHT, LEFT, HOME, END, ENTER = "\ue014", "\ue012", "\ue011", "\ue010", "\ue007"


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser() as made:
        yield made


def chart(name: str, opens: str | None = None) -> Chart:
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [1, 2],
        "y": [3, 4],
        "customdata": [0, 1],
        "hovertext": [chart_text(SCRIPT)] * 2,
        "hoverinfo": "text",
        "name": chart_text(name),
        "marker": {"size": 30, "color": "theme:a"},
        "showlegend": True,
    }
    return Chart(name, name, [trace], opens=opens)


@pytest.fixture
def shown(driver: Any, tmp_path: Path) -> Iterator[Shown]:
    """A page of hostile names; whatever was done to it, it complained of nothing."""
    table = columns_table(
        [
            ("~layer", [literal(HOSTILE), literal("conv10"), literal("conv9")]),
            ("cycles", ["9", "1,000", "–"]),
        ]
    )
    options = [(x, [Tab(x, [x]), Tab("chart", [chart(x)])]) for x in (SCRIPT, "b")]
    tabs = [
        Tab("table", [HOSTILE, table]),
        Tab(HOSTILE, [chart(HOSTILE, opens="points")]),
        Tab("points", [Choices("points", "point", options)]),
    ]
    write_page(tmp_path / "page.html", HOSTILE, tabs)
    page = Shown(driver, tmp_path / "page.html")
    yield page
    assert page.complaints() == []
    assert page.requests() == []
    assert page.run("return document.querySelectorAll('img, a[href*=script]').length") == 0


def test_every_tab_opens_and_names_are_shown_as_they_are(shown: Shown) -> None:
    assert shown.driver.title == HOSTILE
    names = shown.open_every_tab()
    assert names == ["table", HOSTILE, "points", SCRIPT, "chart"]
    assert shown.run("return document.querySelectorAll('.chart[data-drawn]').length") == 2
    assert shown.run("return document.querySelector('.legendtext').textContent") == HOSTILE


def test_tabs_by_keyboard(shown: Shown) -> None:
    first, second, third = shown.all("[role=tab]")
    assert [x.get_attribute("tabindex") for x in (first, second, third)] == ["0", "-1", "-1"]
    first.click()
    for keys, chosen in {RIGHT: second, END: third, HOME: first, LEFT: third}.items():
        shown.press(keys)
        assert shown.driver.switch_to.active_element == chosen
        assert chosen.get_attribute("aria-selected") == "true"
        assert chosen.get_attribute("tabindex") == "0"
        assert len(shown.all(f"#{chosen.get_attribute('aria-controls')}")) == 1
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert shown.run(outline) == "solid"


def test_headings_sort_up_down_and_as_before(shown: Shown) -> None:
    layer, cycles = shown.all(".sort")
    cycles.send_keys(ENTER)
    assert shown.texts("tbody td") == ["9", "1,000", "–"]
    assert cycles.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    cycles.click()
    assert shown.texts("tbody td") == ["1,000", "9", "–"]
    layer.click()
    assert shown.texts("tbody th") == [HOSTILE, "conv9", "conv10"]
    assert cycles.find_element("xpath", "..").get_attribute("aria-sort") is None
    layer.click()
    layer.click()
    assert shown.texts("tbody th") == [HOSTILE, "conv10", "conv9"]


def test_a_point_opens_what_it_stands_for(shown: Shown) -> None:
    shown.all("[role=tab]")[1].click()
    points = shown.driver.find_elements("css selector", ".chart .point")
    actions = pytest.importorskip("selenium.webdriver").ActionChains(shown.driver)
    actions.move_to_element(points[1]).pause(0.3).perform()
    shown.wait(lambda: shown.texts(".hovertext"))
    assert shown.texts(".hovertext")[0].startswith("</script>")
    actions.click().perform()
    assert shown.all("select")[0].get_attribute("value") == "1"
    assert shown.texts(".option p") == ["b"]
    shown.all(".step")[0].click()
    assert shown.texts(".option p") == [SCRIPT]


def test_charts_follow_the_theme(shown: Shown) -> None:
    shown.all("[role=tab]")[1].click()
    colour = "return getComputedStyle(document.querySelector('.chart .point')).fill"
    light = shown.run(colour)
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    shown.wait(lambda: shown.run(colour) != light)
    back = "return getComputedStyle(document.documentElement).backgroundColor"
    assert shown.run(back) == "rgb(22, 24, 28)"
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    shown.wait(lambda: shown.run(colour) == light)


def test_nothing_is_wider_than_a_phone(shown: Shown) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    shown.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for tab in shown.all("[role=tab]"):
            tab.click()
            assert shown.run("return document.documentElement.scrollWidth") <= 390
    finally:
        shown.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
