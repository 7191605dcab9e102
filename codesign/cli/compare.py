"""The command that puts results side by side: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from codesign.cli import inputs
from codesign.cli.options import FILE, completed, file, flag
from codesign.cli.terminal import PROVEN, hand_over
from codesign.cli.views import view_of
from codesign.errors import SpecError

PAGES = (".html", ".htm")  # endings of pages for a browser


@click.command(
    params=[
        click.Argument(
            ["results"],
            nargs=-1,
            required=True,
            metavar="FILE...",
            type=FILE,
            shell_complete=completed([], [".json"]),
        ),
        file("--out", "Write the comparison (JSON), or a page for a browser (.html)."),
        file("--plot", "Draw it: .png, .pdf or .svg."),
        flag("--json", "Print the comparison (JSON) and nothing else."),
    ]
)
def compare(**given: Any) -> int:
    """Put results side by side, and say exactly what makes them differ.

    FILE, two or more, are of designs, pipelines or evaluations. Each is compared with the first:
    hardware, totals and, of one network, latency and widths of every layer. The difference in
    latency is told by change (PE array, bitwidths, tiles, tensors on chip, DRAM bandwidth, clock),
    in area, energy and noise by component, in parts that add up: codesign help comparisons.
    """
    from codesign.results.load import load_built
    from codesign.tasks.compare import compare as compare_results

    paths: tuple[Path, ...] = given["results"]
    if len(paths) < 2:
        raise SpecError("compare takes two files or more")
    _check_outputs(given, paths)
    results = [*map(load_built, paths)]
    for path in dict.fromkeys(paths):
        inputs.check_holds(path)
    found = compare_results(*results, names=_names(paths))

    def write(path: Path) -> None:
        if path.suffix.lower() in PAGES:
            from codesign.results.html.report import report

            report(found, path)
        else:
            found.save(path)

    hand_over(view_of(found), given, out=write, plot=found.plot)
    return PROVEN


def _check_outputs(given: dict[str, Any], paths: tuple[Path, ...]) -> None:
    """Refuse files to write that are read, or cannot be written."""
    inputs.check_files(given)
    for key in ("out", "plot"):
        path = given[key]
        if path is not None and any(path.resolve() == read.resolve() for read in paths):
            raise SpecError(f"{path}: given twice, for two different files")


def _names(paths: tuple[Path, ...]) -> list[str]:
    """What to call results: their files, without folders where these tell nothing."""
    names = [path.name for path in paths]
    return names if len({*names}) == len(names) else [str(path) for path in paths]
