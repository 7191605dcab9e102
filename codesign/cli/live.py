"""One line of a terminal that shows running work."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from codesign.results.text.layout import percent
from codesign.units import METRIC_UNITS, gap_text

if TYPE_CHECKING:
    from codesign.search.progress import FrontProgress, Progress

DELAY_S = 1.0  # a solve shorter than this shows no live line


@contextmanager
def live_line(
    stream: TextIO, line: Callable[[Any, float], Text]
) -> Iterator[Callable[[Any], None]]:
    """Show running work on one line of a terminal, from the first second until it ends.

    Yields the function to hand over as ``on_progress``; ``line`` writes what that was last given
    (None before) and the seconds since the start.
    """
    from rich.live import Live

    started = time.monotonic()
    latest: deque[Any] = deque(maxlen=1)

    def current() -> Text:
        return line(latest[0] if latest else None, time.monotonic() - started)

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


def step_line(words: str | None, seconds: float) -> Text:
    """``12 s, solving: area_mm2 ≤ 5.7``."""
    return Text(f"{seconds:.0f} s, solving: {words or 'the problem as it is'}")


def words_line(words: str | None, seconds: float) -> Text:
    """``12 s, certified: 5120 of 7056 hardware options``."""
    return Text(f"{seconds:.0f} s, {words or 'reading'}")


def progress_line(progress: Progress | None, seconds: float) -> Text:
    """``12 s, latency: best 0.712 ms, bound 0.65 ms, gap 8.7 %``."""
    return _progress_line(progress, seconds, "bounding all hardware options", "no design yet")


def assignment_line(progress: Progress | None, seconds: float) -> Text:
    """The same where only widths are assigned."""
    return _progress_line(progress, seconds, "bounding all widths", "no assignment yet")


def _progress_line(progress: Progress | None, seconds: float, first: str, nothing: str) -> Text:
    text = f"{seconds:.0f} s, "
    if progress is None:
        text += first
    else:
        shown = METRIC_UNITS[progress.metric]
        text += shown.label + (" (breaking ties): " if progress.breaking_ties else ": ")
        found = progress.best is not None and math.isfinite(progress.best)
        text += f"best {shown.amount(progress.best or 0.0)}" if found else nothing
        if 0 < progress.bound < math.inf:  # 0 says nothing: no metric is negative
            text += f", bound {shown.amount(progress.bound)}"
            text += f", gap {gap_text(max(progress.gap, 0.0))}" if found else ""
    return Text(text, no_wrap=True, overflow="ellipsis")


def front_line(progress: FrontProgress | None, seconds: float) -> Text:
    """``3 s, 12 of 20 points, unknown: 2.1 % of the hypervolume``."""
    text = f"{seconds:.0f} s, "
    if progress is None:
        text += "looking for the ends of the front"
    else:
        wanted = "" if progress.wanted is None else f" of {progress.wanted}"
        text += f"{progress.points}{wanted} points, unknown: {percent(progress.gap)} of "
        text += "the hypervolume between the ends"
    return Text(text, no_wrap=True, overflow="ellipsis")
