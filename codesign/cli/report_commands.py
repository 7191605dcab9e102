"""Commands that make pages for a browser: report and explore."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codesign.cli import inputs
from codesign.cli.options import FILE, completed, flag, option
from codesign.cli.progress import step_line, watched
from codesign.cli.terminal import note
from codesign.cli.view_commands import load_result_of, refusal
from codesign.errors import SpecError
from codesign.problem.readers import WholeNumber

if TYPE_CHECKING:
    from codesign.cli.explore.answers import Explored
    from codesign.cli.explore.server import Keep
    from codesign.results.dataflow_design import DataflowDesign
    from codesign.results.design import Design

REPORTED = (
    *("design", "dataflow", "evaluation", "assignment", "explanation", "comparison"),
    *("front", "store"),
)
CHECKED = ("design", "dataflow", "evaluation", "assignment")  # as codesign check does
BESIDE = ("explanation", "certificate")  # may stand beside a design's file


@click.command(
    params=[
        click.Argument(
            ["files"],
            metavar="FILE...",
            nargs=-1,
            required=True,
            type=FILE,
            shell_complete=completed([], (".json", ".csv", ".sqlite")),
        ),
        option("--out PAGE", "Write .html.", FILE, shown="FILE's name with .html"),
        option("--designs DIR", "Of a front: what pareto --designs has written.", FILE),
        flag("--explain", "Of a design: explain it too, which solves its problem again."),
    ]
)
def report(**given: Any) -> None:
    """Make a page for a browser of FILE, and print its name.

    FILE is of a design, evaluation, assignment, explanation or comparison (.json), a front (.csv)
    or a study's store (.sqlite). Beside a design's file may stand that of its explanation and its
    certificate, which is verified. The page is one file, needs no network and asks nobody for
    anything. One that is there is replaced. See: codesign help reports.
    """
    from codesign.files import check_writable
    from codesign.results.html.page import check_page

    found = _sorted_out(given["files"])
    kind, path = found["result"]
    out: Path = given["out"] or Path(f"{path.stem}.html")
    check_page(out)
    check_writable(out)
    inputs.check_files({"out": out, "design": path})
    if given["designs"] is not None and kind != "front":
        raise SpecError("--designs is for a front.")
    if given["explain"] and (kind not in ("design", "dataflow") or "explanation" in found):
        raise SpecError("--explain is for a design without an explanation beside it.")
    if kind == "store":
        from codesign.study.report import report_study

        report_study(path, out)
    else:
        _report_result(found, out, given)
    click.echo(out)


def _sorted_out(files: tuple[Path, ...]) -> dict[str, tuple[str, Path]]:
    """The kind and the path of the result, and of what stands beside it."""
    from codesign.files import kind_of

    kinds = [(kind_of(path), path) for path in files]
    results = [each for each in kinds if each[0] not in BESIDE]
    if not results:  # an explanation by itself
        results = [each for each in kinds if each[0] == "explanation"][:1]
    for kind, path in [*results, *kinds]:
        if kind not in (*REPORTED, *(BESIDE if len(files) > 1 else ())):
            raise refusal(path, kind, REPORTED)
    if not results:
        raise SpecError(f"{files[0]}: a certificate stands beside its design; give both")
    if len(results) > 1:
        raise SpecError(f"{results[1][1]}: a page is of one result; {results[0][1]} is one too")
    ((kind, path),) = results
    assert kind is not None
    found = {"result": (kind, path)}
    for each, other in kinds:
        if other is path:
            continue
        if each in found:
            raise SpecError(f"{other}: there is {found[each][1]} already; give one of them")
        assert each is not None
        found[each] = each, other
    return found


def _report_result(found: dict[str, tuple[str, Path]], out: Path, given: inputs.Given) -> None:
    """Read a result and what belongs to it, and write its page."""
    from codesign.results.html.report import report as write_report

    kind, path = found["result"]
    beside = {name: each for name, (_, each) in found.items() if name in BESIDE}
    if beside and kind not in ("design", "dataflow"):
        raise SpecError(f"{next(iter(beside.values()))}: stands beside a design; {path} is none")
    result = load_result_of(kind, path)
    if kind in CHECKED:
        inputs.check_holds(path)
    explanation = designs = None
    if "explanation" in beside:
        explanation = load_result_of("explanation", beside["explanation"])
    elif given["explain"]:
        with watched({"json": False, "quiet": False}, step_line) as on_step:
            explanation = result.explain(on_step=on_step)
    if given["designs"] is not None:
        designs = _designs_in(given["designs"])
    write_report(
        result,
        out,
        explanation=explanation,
        certificate=beside.get("certificate"),
        designs=designs,
    )


def _designs_in(folder: Path) -> list[Design | DataflowDesign]:
    """The designs that ``pareto --designs`` has written, in the points' order, each checked."""
    from codesign.results.load import load_design

    paths = sorted(folder.glob("point_*.json"))
    if not paths:
        raise SpecError(f"{folder}: no point_*.json in it; pareto --designs DIR writes them")
    found = [load_design(path) for path in paths]
    for path in paths:
        inputs.check_holds(path)
    return found


@click.command(
    params=[
        click.Argument(["file"], type=FILE, shell_complete=completed([], (".csv", ".sqlite"))),
        option("--designs DIR", "Of a front: what pareto --designs has written.", FILE),
        option("--port N", "Port to listen on.", WholeNumber(1, 65535), shown="any that is free"),
    ]
)
def explore(**given: Any) -> None:
    """Explore FILE in a browser: sliders for budgets over what is proven, a solve for what is not.

    FILE is of a front (.csv), best with the folder of its designs, each of which is solved again
    else when it is to be seen; or a study's store (.sqlite), which keeps what is found. Printed is
    the address of a page on this machine, for whoever knows it; nothing else is written. Ctrl-C
    ends it, with what runs. See: codesign help reports.
    """
    from codesign.cli.explore.server import Exploration, Server, title_of
    from codesign.results.html.page import plotly_program

    plotly_program()  # refused now, not when a page is asked for
    explored = _explored(given["file"], given["designs"])
    exploration = Exploration(explored, title_of(explored), _keeping(given["file"]))
    with Server(exploration, given["port"] or 0) as server:
        click.echo(server.address)
        if sys.stdout is not None:
            sys.stdout.flush()
        server.serve_forever()


def _keeping(path: Path) -> Keep | None:
    """How what is found is kept: in a store; of a front not at all."""
    from codesign.files import kind_of

    if kind_of(path) != "store":
        return None
    from codesign.study.explored import keep

    return partial(keep, path)


def _explored(path: Path, folder: Path | None) -> Explored:
    """The designs of a front or of a store."""
    from codesign.cli.explore.answers import Explored, of_front
    from codesign.files import kind_of

    kind = kind_of(path)
    if kind not in ("front", "store"):
        raise refusal(path, kind, ("front", "store"))
    if kind == "store":
        from codesign.study.report import designs_of

        if folder is not None:
            raise SpecError("--designs is for a front.")
        from codesign.results.text.layout import counted

        designs, unchecked = designs_of(path)
        if unchecked:
            note(f"{counted(unchecked, 'design')} of {path} are checked when they are opened")
        return Explored(designs)
    front = load_result_of("front", path)
    try:
        return of_front(front, None if folder is None else _designs_in(folder))
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
