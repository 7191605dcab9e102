"""The commands of ``codesign study``, and ``codesign sweep``: a study from options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from codesign.cli.inputs import Given, check_contradictions, check_files, warn_of_table
from codesign.cli.options import (
    FILE,
    RESUME,
    WORKERS,
    Group,
    file,
    flag,
    networks,
    option,
    sectioned,
)
from codesign.cli.progress import plain_lines
from codesign.cli.solve_options import GRID, SWEEP
from codesign.cli.terminal import (
    NO_ANSWER,
    PROVEN,
    UNPROVEN,
    note,
    print_parts,
    print_text,
    print_view,
)
from codesign.cli.views import store_view
from codesign.errors import SpecError
from codesign.problem.posed import by_name
from codesign.stopping import INTERRUPTED

if TYPE_CHECKING:
    from codesign.study import Study, Tally


@click.group(cls=Group)
def study() -> None:
    """Solve a grid of problems, each once, into one file.

    \b
    codesign study run grid.toml --store results.sqlite
    codesign study status results.sqlite
    codesign study export results.sqlite --out results.csv
    """


@study.command(
    params=[
        click.Argument(["file"], type=FILE),
        option(
            "--allow DIR",
            "FILE may name files of DIR, besides those of its own folder.",
            FILE,
            multiple=True,
        ),
        option("--store STORE", "Results (SQLite).", FILE, shown="FILE's name with .sqlite"),
        WORKERS,
        option("--dask ADDRESS", "Solve on a Dask cluster: its scheduler's address or file."),
        RESUME,
        flag("--json", "Print what the store then holds (JSON) and nothing else."),
        flag("--quiet", "No progress; print one line."),
    ],
)
def run(**given: Any) -> int:
    """Solve every cell of the grid in FILE (TOML).

    Each result is in the store as soon as it is there; a run that was stopped, by Ctrl-C, a kill
    or a power cut, goes on with --resume, and several runs may share a store. Nothing finished is
    solved again; cells that lost their worker are, and those that failed under another version of
    codesign. An infeasible cell is an answer, a failing one a row.

    \b
    Exit codes: 0 every cell answered      4 some proofs unfinished
                2 bad input                5 some cells failed, or out of memory
                                         130 interrupted
    """
    from codesign.study import Study
    from codesign.study.executors import dask
    from codesign.study.text import tally_line

    check_contradictions(given, (("workers", "dask"), ("json", "quiet")))
    file, store = given["file"], given["store"]
    grid = Study.load(file, allow=given["allow"])
    for value in grid.axes.get("sensitivity", ()):
        warn_of_table(value.given)
    _note_scaled(grid)
    store = Path(f"{file.stem}.sqlite") if store is None else store
    try:
        with ExitStack() as stack:
            executor = stack.enter_context(dask(given["dask"])) if given["dask"] else None
            tally = grid.run(
                store,
                executor=executor,
                workers=given["workers"],
                resume=given["resume"],
                on_progress=stack.enter_context(_progress(given)),
            )
    except KeyboardInterrupt:
        note(f"interrupted; what is finished is in {store}, --resume continues")
        return INTERRUPTED
    if given["quiet"]:
        click.echo(tally_line(tally))
    else:
        print_view(store_view(store, "", tally_line(tally)), given["json"])
    return _code(tally)


@study.command(
    params=[
        click.Argument(["store"], type=FILE),
        flag("--json", "Print the same as JSON and nothing else."),
    ]
)
def status(store: Path, json: bool) -> None:
    """Tell how far the runs on STORE are: cells by status, rate, seconds, the first errors."""
    print_view(store_view(store), json)


@study.command(
    params=[
        click.Argument(["store"], type=FILE),
        file("--out", "Write .csv or .parquet.", shown="CSV, printed"),
    ]
)
def export(store: Path, out: Path | None) -> None:
    """Write the results in STORE as a table: one row per design."""
    from codesign.study import table as tidy

    if out is not None:
        tidy.check_suffix(out)
        if out.resolve() == store.resolve():
            raise SpecError(f"{out}: is the store itself")
    frame = tidy.read_results(store)
    if out is None:
        print_text(frame.to_csv(index=False))
    else:
        tidy.export(frame, out)


@sectioned(SWEEP, networks())
def sweep(**given: Any) -> int:
    """Solve a grid of problems that is given by options: every one may take several values.

    \b
    codesign sweep resnet18 --clock-mhz 400,600,800 --max-area-mm2 2,4,6 --plot sweep.png

    Commas separate values, and so does giving an option again; one that takes a list (--bits,
    --rows, …) varies only by being given again. All of --pin are one value, and so of --group,
    --dim and --input. Several networks are an axis, or with --weights one suite (see: codesign help
    suites), whose limits may be told apart: --max-latency-ms resnet18=2,vgg16=8. For more, for
    fronts and for clusters: codesign study.

    \b
    Exit codes: 0 every cell answered      4 some proofs unfinished
                2 bad input                5 some cells failed, or out of memory
                                         130 interrupted
    """
    from codesign.specs.decoder import Decoder
    from codesign.study import Study

    if given["resume"] and given["store"] is None:
        raise SpecError("--resume continues a store; give --store.")
    check_contradictions(given, (("json", "quiet"),))
    check_files({**given, **dict.fromkeys(("network", "technology", "memory", "sensitivity"))})
    whole = {str(x.name) for part in GRID.values() for x in part if x.multiple}
    words = {str(x.name): given[str(x.name)] for part in GRID.values() for x in part}
    axes: dict[str, Any] = {word: [x] if word in whole else x for word, x in words.items() if x}
    networks: list[Any] = [*given["networks"]]
    if given["weights"] is not None:
        networks = [{"networks": networks, "weights": given["weights"]}]
    for word in ("dim", "input"):
        if given[word]:
            axes[word] = by_name(given[word], f"--{word} {{}}: given as {{}} and as {{}}")
    grid = Study.grid(name="sweep", networks=networks, **axes)
    for table, each in product(grid.axes.get("sensitivity", ()), grid.axes["network"]):
        warn_of_table(table.given, None if isinstance(each.given, Decoder) else each.given)
    _note_scaled(grid)
    if given["plot"] is not None and len(grid) == 1:
        raise SpecError("--plot: nothing varies; give an option several values.")
    with TemporaryDirectory() as folder:
        return _swept(grid, given["store"] or Path(folder) / "sweep.sqlite", given)


def _swept(grid: Study, store: Path, given: Given) -> int:
    """Solve a grid, and hand over all that is finished, also after an interrupt."""
    from codesign.study import Serial
    from codesign.study import table as frame
    from codesign.study.text import results_parts

    alone = given["workers"] == 1 or len(grid) == 1
    try:
        with _progress(given) as on_progress:
            tally = grid.run(
                store,
                executor=Serial() if alone else None,
                workers=None if alone else given["workers"],
                resume=given["resume"],
                on_progress=on_progress,
            )
        code = _code(tally)
    except KeyboardInterrupt:
        kept = "; --resume continues" if given["store"] else ""
        note(f"interrupted; what follows is finished{kept}")
        tally, code = None, INTERRUPTED
    found = grid.results(store)
    try:
        if given["csv"] is not None:
            frame.export(found, given["csv"])
        if given["plot"] is not None and tally is not None:
            grid.plot(store, given["plot"])
    finally:  # a full disk does not cost the result
        if given["json"]:
            print_text(found.to_json(orient="records", indent=1) + "\n")
        else:
            print_parts(results_parts(found, tally, given["quiet"]))
    return code


def _note_scaled(grid: Study) -> None:
    """Say which technologies of a grid are scaled."""
    for value in grid.axes.get("technology", ()):
        for text in getattr(value.given, "scaling_note", ()):  # none of a shipped one by its name
            note(f"note: {text}")


def _code(tally: Tally) -> int:
    return NO_ANSWER if tally.failed else UNPROVEN if tally.unproven else PROVEN


def _progress(given: Given) -> AbstractContextManager[Callable[[Any], None] | None]:
    if given["quiet"] or sys.stderr is None:
        return nullcontext()
    from codesign.study.text import progress_bar, progress_line

    if sys.stderr.isatty() and not given["json"]:
        return progress_bar(sys.stderr)
    return plain_lines(progress_line)
