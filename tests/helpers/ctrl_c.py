"""Ctrl-C pressed at one moment of a search."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def press(*_: object) -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def pressing(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same with Ctrl-C pressed at each call."""

    def pressed(*given: Any) -> Any:
        press()
        return method(*given)

    return pressed


def pressed_after(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same with Ctrl-C pressed once a design is known, the first time."""
    left = iter((True,))

    def pressed(self: Any, *given: Any) -> Any:
        found = method(self, *given)
        if self.incumbent is not None and next(left, False):
            press()
        return found

    return pressed
