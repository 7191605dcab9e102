"""What is printed of each kind of result, by the command that finds it and by ``show``.

Loaded for each is its own text alone, when it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.cli.terminal import View

if TYPE_CHECKING:
    from rich.console import RenderableType


def view_of(found: Any, quiet: bool = False) -> View:
    """A result for programs and for people, ``quiet``: in one line."""
    return View(found.to_dict, lambda: PARTS[type(found).__name__](found, quiet))


def _design(found: Any, quiet: bool) -> Iterable[RenderableType]:
    from codesign.results.text.design import design_parts, summary_line

    return [summary_line(found)] if quiet else design_parts(found)


def _dataflow(found: Any, quiet: bool) -> Iterable[RenderableType]:
    from codesign.results.text.pipeline import pipeline_parts, pipeline_summary

    return [pipeline_summary(found)] if quiet else pipeline_parts(found)


def _evaluation(found: Any, quiet: bool) -> Iterable[RenderableType]:
    from codesign.results.text.design import evaluation_parts, totals_line

    return [totals_line(found)] if quiet else evaluation_parts(found)


def _assignment(found: Any, quiet: bool) -> Iterable[RenderableType]:
    from codesign.results.text.assignment import assignment_parts, assignment_summary

    return [assignment_summary(found)] if quiet else assignment_parts(found)


def _front(found: Any, quiet: bool) -> Iterable[RenderableType]:
    from codesign.results.text.front import front_parts, front_summary

    return [front_summary(found)] if quiet else front_parts(found)


def _explanation(found: Any, _: bool) -> Iterable[RenderableType]:
    from codesign.results.text.explanation import explanation_parts

    return explanation_parts(found)


def _comparison(found: Any, _: bool) -> Iterable[RenderableType]:
    from codesign.results.text.comparison import comparison_parts

    return comparison_parts(found)


def _area_fit(found: Any, _: bool) -> Iterable[RenderableType]:
    from codesign.results.text.area_fit import fit_parts

    return fit_parts(found)


PARTS: dict[str, Callable[[Any, bool], Iterable[RenderableType]]] = {
    "Design": _design,
    "DataflowDesign": _dataflow,
    "Evaluation": _evaluation,
    "Assignment": _assignment,
    "Front": _front,
    "Explanation": _explanation,
    "Comparison": _comparison,
    "AreaFitResult": _area_fit,
}


def description_view(found: Any) -> View:
    """A network, technology, memory or accelerator."""
    from codesign.results.text import specs

    return View(lambda: specs.spec_record(found), lambda: specs.spec_parts(found))


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
