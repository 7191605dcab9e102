"""A page in a headless Chromium: what it shows, what it complains of, what it asks for.

Without Debian's packages chromium and chromium-driver, or selenium (extra ``browser``), what needs
it is skipped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LOCAL = ("file:", "data:", "blob:", "chrome:", "chrome-untrusted:")  # no request to anywhere


@contextmanager
def browser() -> Iterator[Any]:
    """Selenium's driver of a new Chromium with a profile of its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = which("chromium"), which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Debian's packages chromium and chromium-driver are not installed")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield made
        finally:
            made.quit()


class Shown:
    """A page that is open in a browser."""

    def __init__(self, driver: Any, address: Path | str) -> None:
        self.driver = driver
        driver.get_log("browser"), driver.get_log("performance")  # what was before
        self.address = address.as_uri() if isinstance(address, Path) else address
        driver.get(self.address)

    def all(self, selector: str) -> list[Any]:
        """Elements that are seen, all found in one step, for a page may redraw itself."""
        seen = "return [...document.querySelectorAll(arguments[0])]"
        return [*self.run(f"{seen}.filter(x => x.checkVisibility())", selector)]

    def texts(self, selector: str) -> list[str]:
        """The texts of elements that are seen."""
        seen = "return [...document.querySelectorAll(arguments[0])]"
        seen += ".filter(x => x.checkVisibility()).map(x => x.innerText ?? x.textContent)"
        return [*self.run(seen, selector)]

    def run(self, script: str, *given: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *given)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, where the focus is."""
        actions = pytest.importorskip("selenium.webdriver").ActionChains(self.driver)
        for key in keys:
            actions = actions.send_keys(key)
        actions.perform()

    def wait(self, until: Callable[[], object]) -> None:
        """Wait for what a page does after a while; at most a minute."""
        end = time.monotonic() + 60
        while not until():
            assert time.monotonic() < end
            time.sleep(0.05)

    def open_every_tab(self) -> list[str]:
        """Click on each tab, those within others too; return their names."""
        names = []
        for tab in self.all("[role=tab]"):
            tab.click()
            names.append(tab.text)
            panel = self.driver.find_element("id", tab.get_attribute("aria-controls"))
            assert panel.is_displayed()
            inner = panel.find_elements("css selector", ".option[data-chosen] [role=tab]")
            for each in inner:
                each.click()
                names.append(each.text)
        return names

    def complaints(self) -> list[str]:
        """What the browser's console holds."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for that are neither the page itself nor in it."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
            assert message["method"] != "Page.javascriptDialogOpening", "a name was run as code"
        return [x for x in found if not x.startswith(LOCAL)]
