"""The one way from an early room to a later one: methods that later rooms carry out.

A design is data and knows nothing of pictures, tables, files or solving, yet ``design.plot()`` is
where people look for its picture. Such a method has a signature and a docstring here, and its body
in the room whose business it is, which is imported when the method is called::

    @done_by("results.plots.design:plot_design")
    def plot(self, path: str | Path | None = None) -> Figure:
        \"\"\"Draw roofline, latency per layer, widths per layer and area.\"\"\"

Nothing else imports against the order of the rooms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def done_by(
    place: str,
) -> Callable[[Callable[Parameters, Returned]], Callable[Parameters, Returned]]:
    """Have a function of a later room do what a method or function is declared to do.

    Parameters
    ----------
    place : str
        ``"module:function"``, the module inside this package.
    """
    module, _, name = place.partition(":")

    def declared(
        signature: Callable[Parameters, Returned],
    ) -> Callable[Parameters, Returned]:
        @wraps(signature)
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(f"codesign.{module}"), name)(*args, **kwargs)

        call.done_by = place  # type: ignore[attr-defined]
        return call

    return declared
