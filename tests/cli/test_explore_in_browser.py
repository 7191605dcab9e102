"""The page of ``codesign explore`` in a real browser: slide, solve, cancel; no complaint."""

from __future__ import annotations

from threading import Thread

import pytest
from browser import Shown, browser
from pictures import NETWORK

import codesign
from codesign.cli.explore.answers import of_front
from codesign.cli.explore.server import Exploration, Server

pytestmark = pytest.mark.slow
ENTER = "\ue007"


def test_a_slider_finds_what_is_known_and_has_the_rest_solved() -> None:
    choices = codesign.Choices(rows=(2, 4), cols=(4,), weight_bits=(4, 8), activation_bits=(8,))
    problem = codesign.Problem(network=NETWORK, choices=choices, quality="uniform:4")
    front = codesign.pareto(problem, ["latency", "area"], 3)
    exploration = Exploration(of_front(front, front.whole_designs), "title")
    known = len(front)
    with browser() as driver, Server(exploration) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            page = Shown(driver, server.address)
            page.wait(lambda: "proven" in page.texts("#answer")[0])
            assert len(page.all("#designs li")) == known
            assert page.texts("#answer")[0].endswith("nothing within these limits is better")
            row = page.driver.find_element("css selector", "[data-metric=noise]")
            typed = row.find_element("css selector", "[type=number]")
            noise = 2 * float(typed.get_attribute("value"))
            page.run("arguments[0].value = arguments[1]", typed, str(noise))
            typed.send_keys("0", ENTER)  # a digit more, and it is asked
            page.wait(lambda: len(page.all("#designs li")) == known + 1)
            page.wait(lambda: "nothing within these limits" in page.texts("#answer")[0])
            assert page.texts("#job") == ["solved"]
            assert not page.all("#cancel")
            link = page.all("#see")[0].get_attribute("href")
            assert page.complaints() == []
            assert [x for x in page.requests() if not x.startswith(server.address)] == []
            shown = Shown(driver, link)
            assert shown.all("[role=tab]")[0].text == "summary"
            assert shown.complaints() == []
        finally:
            server.shutdown()
            thread.join()
