"""What is printed of each kind of result, by the command that finds it and by ``show``.

Loaded for each is its own text alone.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from codesign.cli.terminal import View


class Printed(NamedTuple):
    """Where in ``results`` the functions are that make a kind of result printable.

    ``line`` is what ``--quiet`` prints, where the command has that option; without ``record``,
    programs get what `to_dict` tells.
    """

    parts: str
    line: str = ""
    record: str = ""


PRINTED = {
    "Design": Printed("text.design:design_parts", "text.design:summary_line"),
    "Evaluation": Printed("text.design:evaluation_parts", "text.design:totals_line"),
    "Assignment": Printed(
        "text.assignment:assignment_parts",
        "text.assignment:assignment_summary",
    ),
    "Front": Printed("text.front:front_parts", "text.front:front_summary"),
    "Explanation": Printed("text.explanation:explanation_parts"),
    "AreaFitResult": Printed("text.area_fit:fit_parts"),
    **dict.fromkeys(
        ("Network", "Technology", "Memory", "Accelerator"),
        Printed("text.specs:description", record="text.specs:record"),
    ),
}


def view_of(found: Any, quiet: bool = False) -> View:
    """A result or description for programs and for people, ``quiet``: in one line."""
    printed = PRINTED[type(found).__name__]

    def record() -> Any:
        return _of(printed.record)(found) if printed.record else found.to_dict()

    if quiet:
        return View(record, lambda: [_of(printed.line)(found)])
    return View(record, lambda: _of(printed.parts)(found))


def _of(place: str) -> Callable[[Any], Any]:
    module, _, name = place.partition(":")
    function: Callable[[Any], Any] = getattr(import_module(f"codesign.results.{module}"), name)
    return function


def certificate_view(path: Path) -> View:
    """What a certificate's file holds."""
    from codesign.files import read_json
    from codesign.results.text.check import certificate_lines

    content = read_json(path)
    lines = certificate_lines(content, str(path))
    return View(lambda: content, lambda: [*lines])


def store_view(path: Path, *more: str) -> View:
    """How far the runs on a study's store are; more lines for people."""
    from codesign.study.store import opened
    from codesign.study.text import overview, overview_parts, overview_record

    with opened(path) as file:
        found = overview(file)
    return View(lambda: overview_record(found), lambda: [*overview_parts(found), *more])
