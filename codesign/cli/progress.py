"""A line on standard error that tells how far running work is.

Each ``…_line`` writes the state that work was last given to tell (None before) and the seconds
since its start.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Any, TextIO

from codesign.cli.terminal import note
from codesign.units import METRIC_UNITS, gap_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.text import Text

    from codesign.search.progress import FrontProgress, Progress

DELAY_S = 1.0  # work shorter than this shows no live line
PLAIN_S = 30.0  # from one line to the next, where no terminal shows it

Line = Callable[[Any, float], str]
OnProgress = Callable[[Any], None]


def watched(given: Mapping[str, Any], line: Line) -> AbstractContextManager[OnProgress | None]:
    """Tell of the work inside; yields the function it is to be given as ``on_progress``.

    On one line of a terminal; elsewhere, and with --json, on a line now and then; never with
    --quiet.
    """
    if sys.stderr is None or given.get("quiet"):
        return nullcontext()
    if sys.stderr.isatty() and not given.get("json"):
        return live_line(sys.stderr, line)
    return plain_lines(line)


@contextmanager
def live_line(stream: TextIO, line: Line) -> Iterator[OnProgress]:
    """Meanwhile show one line of a terminal, from `DELAY_S` on; it is wiped off at the end."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    started = time.monotonic()
    latest: deque[Any] = deque(maxlen=1)

    def current() -> Text:
        words = line(latest[0] if latest else None, time.monotonic() - started)
        return Text(words, no_wrap=True, overflow="ellipsis")

    live = Live(
        console=Console(file=stream, highlight=False),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        get_renderable=current,
    )
    timer = Timer(DELAY_S, live.start)
    timer.daemon = True
    timer.start()
    try:
        yield latest.append
    finally:
        timer.cancel()
        timer.join()
        live.stop()


@contextmanager
def plain_lines(line: Line) -> Iterator[OnProgress]:
    """Meanwhile print a line on standard error every `PLAIN_S` seconds."""
    started, over = time.monotonic(), Event()
    latest: deque[Any] = deque(maxlen=1)

    def tell() -> None:
        while not over.wait(PLAIN_S):
            words = line(latest[0] if latest else None, time.monotonic() - started)
            try:
                note(words)
            except OSError:  # nobody reads it
                return

    thread = Thread(target=tell, name="progress", daemon=True)
    with suppress(RuntimeError):  # no memory for one more
        thread.start()
    try:
        yield latest.append
    finally:
        over.set()
        if thread.ident is not None:
            thread.join()


def step_line(words: str | None, seconds: float) -> str:
    """``12 s, solving: area_mm2 ≤ 5.7``."""
    return f"{seconds:.0f} s, solving: {words or 'the problem as it is'}"


def words_line(words: str | None, seconds: float) -> str:
    """``12 s, certified: 5120 of 7056 hardware options``."""
    return f"{seconds:.0f} s, {words or 'reading'}"


def design_line(progress: Progress | None, seconds: float) -> str:
    """``12 s, latency: best 0.712 ms, bound 0.65 ms, gap 8.7 %``."""
    return _search_line(progress, seconds, "bounding all hardware options", "no design yet")


def assignment_line(progress: Progress | None, seconds: float) -> str:
    """The same where only widths are assigned."""
    return _search_line(progress, seconds, "bounding all widths", "no assignment yet")


def _search_line(progress: Progress | None, seconds: float, first: str, nothing: str) -> str:
    if progress is None:
        return f"{seconds:.0f} s, {first}"
    shown = METRIC_UNITS[progress.metric]
    text = f"{seconds:.0f} s, {shown.label}{' (breaking ties)' if progress.breaking_ties else ''}: "
    found = progress.best is not None and math.isfinite(progress.best)
    text += f"best {shown.amount(progress.best or 0.0)}" if found else nothing
    if 0 < progress.bound < math.inf:  # 0 says nothing: no metric is negative
        text += f", bound {shown.amount(progress.bound)}"
        text += f", gap {gap_text(max(progress.gap, 0.0))}" if found else ""
    return text


def front_line(progress: FrontProgress | None, seconds: float) -> str:
    """``3 s, 12 of 20 points, unknown: 2.1 % of the hypervolume between the ends``."""
    if progress is None:
        return f"{seconds:.0f} s, looking for the ends of the front"
    wanted = "" if progress.wanted is None else f" of {progress.wanted}"
    unknown = f"{100 * progress.gap:.1f} % of the hypervolume between the ends"
    return f"{seconds:.0f} s, {progress.points}{wanted} points, unknown: {unknown}"
