"""How far a study is: as text, and as a progress bar. Nothing here prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from codesign.results.text.layout import counted, literal, percent, table
from codesign.study.heartbeat import LivenessMonitor
from codesign.study.records import FAILED, OUTCOMES, WAITING
from codesign.study.scheduler import Tally
from codesign.study.store import Store
from codesign.study.table import MAPPING, USUAL, parameters_of
from codesign.units import ABSENT, METRIC_UNITS, four_digits

if TYPE_CHECKING:
    import pandas as pd

MOST_ERRORS = 5
UNDER_WAY = "under way"
STATUSES = {**OUTCOMES, UNDER_WAY: "being solved", WAITING: "to come"}


@dataclass
class Overview:
    """What a store holds.

    Attributes
    ----------
    cells, designs, seconds : Counter
        By status; a question that several cells ask counts once in seconds and designs.
    errors : Counter
        Of cells that failed.
    runs : tuple of (int, float)
        Questions answered and seconds taken.
    """

    cells: Counter[str] = field(default_factory=Counter)
    designs: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    runs: tuple[tuple[int, float], ...] = ()


def overview(store: Store) -> Overview:
    """Count what a store holds."""
    found = Overview(runs=tuple(store.runs()))
    cells, questions, designs = set(), set(), set()
    nobody = {None, *store.dead_runs(LivenessMonitor())}
    for row in store.cells():
        claimed = row["status"] == WAITING and row["run"] not in nobody
        status = UNDER_WAY if claimed else row["status"]
        cell = row["study"], row["parameters"]
        if cell not in cells:
            cells.add(cell)
            found.cells[status] += 1
            if status in FAILED:
                found.errors[row["error"] or ""] += 1
        if row["question"] not in questions:
            questions.add(row["question"])
            found.seconds[status] = found.seconds.get(status, 0.0) + (row["seconds"] or 0.0)
        design = row["question"], row["design"]
        if row["design"] is not None and design not in designs:
            designs.add(design)
            found.designs[status] += 1
    return found


def overview_parts(found: Overview) -> list[RenderableType]:
    """A row per status, what the runs took, and the first errors."""
    made = table("<status", "<", "cells", "share", "designs", "seconds")
    total = found.cells.total()
    for status, words in STATUSES.items():
        if count := found.cells[status]:
            rest = f"{found.designs[status]:,}", f"{found.seconds.get(status, 0.0):,.1f}"
            made.add_row(status, words, f"{count:,}", percent(count / total), *rest)
    rest = f"{found.designs.total():,}", f"{sum(found.seconds.values()):,.1f}"
    made.add_row("total", "", f"{total:,}", "", *rest)
    parts: list[RenderableType] = [made]
    if found.runs and found.runs[-1][0]:
        answered, took = found.runs[-1]
        parts += ["", f"latest run: {answered:,} solved in {_time(took)}, {_rate(answered, took)}"]
    if found.errors:
        parts.append("")
    for error, count in found.errors.most_common(MOST_ERRORS):
        parts.append(
            Text.assemble(("failed: ", "red"), f"{counted(count, 'cell')}: ", literal(error))
        )
    if len(found.errors) > MOST_ERRORS:
        parts.append(f"… and {counted(len(found.errors) - MOST_ERRORS, 'other error')}")
    return parts


def overview_record(found: Overview) -> dict[str, Any]:
    """What ``--json`` prints: by status, and of each run the questions answered and its time."""
    runs = [{"answered": answered, "seconds": took} for answered, took in found.runs]
    errors = [{"error": error, "cells": n} for error, n in found.errors.most_common()]
    return {
        "cells": dict(found.cells),
        "designs": dict(found.designs),
        "seconds": found.seconds,
        "runs": runs,
        "errors": errors,
    }


def results_parts(
    found: pd.DataFrame, tally: Tally | None, quiet: bool = False
) -> list[RenderableType]:
    """A row per cell: what varies, status, metrics, hardware; then the counts."""
    counts = [] if tally is None else [tally_line(tally)]
    if quiet:
        return [*counts]
    varying = [x for x in parameters_of(found) if found[x].nunique(dropna=False) > 1]
    metrics = [name for name in METRIC_UNITS if name in found and found[name].notna().any()]
    headings = [f"{METRIC_UNITS[x].label}\n{METRIC_UNITS[x].unit}" for x in metrics]
    made = table(*(f"~{x}" for x in varying), "<status", *headings, "<hardware")
    for row in found.astype(object).where(found.notna(), None).to_dict("records"):
        cells = [_worded(row[x]) for x in varying]
        known = [(METRIC_UNITS[x].scale, row[x]) for x in metrics]
        cells += [str(row["status"])]
        cells += [ABSENT if value is None else four_digits(value / scale) for scale, value in known]
        made.add_row(*map(literal, cells), _hardware(row))
    return [made, *([""] if counts else []), *counts]


def _worded(value: Any) -> str:
    if value is None:
        return ABSENT
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _hardware(row: Mapping[Any, Any]) -> str:
    """``16 × 32 PEs of 6 × 6 bit, im2col, SRAM 4.2 Mbit``, or nothing."""
    if row.get("stages") is not None:
        memories = METRIC_UNITS["dram_bits"].amount(row["memory_bits"])
        return f"{row['pes']:,} PEs in {row['stages']} stages, memories {memories}"
    if row["rows"] is None:
        return ABSENT
    pe = f"{row['rows']} × {row['cols']} PEs of {row['pe_weight_bits']} × "
    sram = METRIC_UNITS["dram_bits"].amount(row["sram_bits"])
    mapping = "" if row.get(MAPPING, USUAL) == USUAL else f", {row[MAPPING]}"
    return f"{pe}{row['pe_activation_bits']} bit{mapping}, SRAM {sram}"


def tally_line(tally: Tally) -> str:
    """``12 cells: 10 optimal, 2 infeasible; 12 in this run, 4 s``."""
    counts = [f"{tally.counts[x]:,} {x}" for x in (*OUTCOMES, WAITING) if tally.counts.get(x)]
    here = f"{tally.here:,} in this run, {_time(tally.seconds)}"
    return f"{counted(tally.cells, 'cell')}: {', '.join(counts)}; {here}"


@contextmanager
def progress_bar(stream: TextIO) -> Iterator[Callable[[Tally], None]]:
    """Show cells done, failed, rate and time left on one line of a terminal.

    Yields the function to hand to a study's run as ``on_progress``.
    """
    shown = Progress(
        TextColumn("{task.fields[count]}"),
        BarColumn(None),
        TextColumn("{task.fields[told]}"),
        console=Console(file=stream, highlight=False),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        expand=True,
    )
    with shown:
        task = shown.add_task("", total=None, count="", told="reading the grid")

        def show(tally: Tally) -> None:
            count, told = _done(tally), progress_text(tally)
            shown.update(task, completed=tally.done, total=tally.cells, count=count, told=told)

        yield show


def progress_line(tally: Tally | None, seconds: float) -> str:
    """``120 of 600 cells, 3 failed, 2.4/s, 5 min left``."""
    if tally is None:
        return f"reading the grid, {_time(seconds)}"
    return f"{_done(tally)}, {progress_text(tally)}"


def _done(tally: Tally) -> str:
    return f"{tally.done:,} of {counted(tally.cells, 'cell')}"


def progress_text(tally: Tally) -> str:
    """``3 failed, 2.4/s, 5 min left``."""
    parts = [f"{tally.failed:,} failed"] if tally.failed else []
    if tally.here:
        left = (tally.cells - tally.done) * tally.seconds / tally.here
        parts += [_rate(tally.here, tally.seconds), f"{_time(left)} left"]
    else:
        parts.append(_time(tally.seconds))
    return ", ".join(parts)


def _rate(count: int, seconds: float) -> str:
    rate = count / max(seconds, 1e-9)
    return f"{rate:.2g}/s" if rate >= 0.1 else f"{60 * rate:.2g}/min"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"
