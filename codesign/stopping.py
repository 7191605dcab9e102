"""When a search has to end before it is through: at its time limit, or when Ctrl-C asks for it.

How Ctrl-C (SIGINT) works:

- The command line, from its first line to its last (`handle_interrupts`, `ignore_interrupts`): it
  raises KeyboardInterrupt, which becomes one line and exit code 130. In the middle of an import,
  which may swallow an exception, it ends the process at once.
- A search, in the command line and in the library alike (`StopCondition.catching_interrupts`): it
  sets a flag, at which the search looks between its steps as it looks at the deadline, and ends
  with the best it has found. A second Ctrl-C raises KeyboardInterrupt. That holds in the main
  thread, the only one that Python tells of signals, and only in place of Python's own handler or
  the command line's: one that the calling program has set stays.
- HiGHS runs in a thread of its own beside the main thread, and is told of the flag when it calls
  back; see `codesign.search.milp.highs`.
- What cannot look at the flag, other solvers and the making of a large model, is broken off by an
  exception (`StopCondition.raising_interrupts`, `StopCondition.stopping_at_interrupts`).
- Workers of a study ignore it: the process that handed out the work takes it, and keeps no answer
  of a search that was interrupted.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Literal, TypeVar

from codesign.errors import SpecError

INTERRUPTED = 130  # exit code, as of a process ended by SIGINT
IMPORTING = "<frozen importlib._bootstrap>"

Progress = TypeVar("Progress")


class Stopped(Exception):
    """Raised inside a search that has to end."""


class StopCondition:
    """A time limit, and whether an interrupt came first.

    Parameters
    ----------
    limit_s : float or None
        Seconds allowed from now on; None: any.

    Attributes
    ----------
    limit_s : float or None
    deadline_s : float
        By the clock of `time.monotonic`; inf without a limit.
    interrupted : bool

    Raises
    ------
    SpecError
        A limit that is not positive.
    """

    def __init__(self, limit_s: float | None = None) -> None:
        if limit_s is not None and not limit_s > 0:
            raise SpecError(f"time_limit_s must be positive, got {limit_s}")
        self.limit_s, self.interrupted = limit_s, False
        self.deadline_s = math.inf if limit_s is None else time.monotonic() + limit_s

    def left_s(self) -> float | None:
        """Seconds left, at least 0; None without a limit."""
        if math.isinf(self.deadline_s):
            return None
        return max(self.deadline_s - time.monotonic(), 0.0)

    @contextmanager
    def within(self, limit_s: float) -> Iterator[None]:
        """Meanwhile the deadline is at most so many seconds from now."""
        usual_s = self.deadline_s
        self.deadline_s = min(usual_s, time.monotonic() + limit_s)
        try:
            yield
        finally:
            self.deadline_s = usual_s

    def reached(self) -> bool:
        """Whether it is time to end."""
        if self.interrupted:
            return True
        return not math.isinf(self.deadline_s) and time.monotonic() > self.deadline_s

    def check(self) -> None:
        """Raise `Stopped` when it is time to end."""
        if self.reached():
            raise Stopped

    def reason(self) -> Literal["time", "interrupt"] | None:
        """Why a search that has ended early did; None: for neither, as when a solver gives up."""
        if self.interrupted:
            return "interrupt"
        return None if self.limit_s is None else "time"

    # Ctrl-C -------------------------------------------------------------------------------------

    def interrupt(self, *_signal: object) -> None:
        """Have the search end with what it has found; the second time, raise.

        Raises
        ------
        KeyboardInterrupt
            It was asked to end before.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def report(self, on_progress: Callable[[Progress], None], progress: Progress) -> None:
        """Call back with progress; a KeyboardInterrupt raised there interrupts the search."""
        try:
            on_progress(progress)
        except KeyboardInterrupt:
            self.interrupt()

    @contextmanager
    def catching_interrupts(self) -> Iterator[None]:
        """Meanwhile Ctrl-C calls `interrupt`, unless the calling program has a handler of its own.

        In other threads than the main one nothing changes.
        """
        usual = signal.getsignal(signal.SIGINT)
        ours = usual in (signal.default_int_handler, raise_or_exit)
        if current_thread() is not main_thread() or not ours:
            yield
            return
        signal.signal(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    @contextmanager
    def raising_interrupts(self) -> Iterator[None]:
        """Meanwhile Ctrl-C, where it calls `interrupt`, raises KeyboardInterrupt instead."""
        if not self._catches_interrupts():
            yield
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self.interrupt)

    @contextmanager
    def stopping_at_interrupts(self) -> Iterator[None]:
        """Meanwhile Ctrl-C, where it calls `interrupt`, raises `Stopped` instead."""
        catches = self._catches_interrupts()
        try:
            with self.raising_interrupts():
                self.check()
                yield
        except KeyboardInterrupt:
            if not catches:
                raise
            self.interrupted = True
            raise Stopped from None

    def _catches_interrupts(self) -> bool:
        if current_thread() is not main_thread():
            return False
        return signal.getsignal(signal.SIGINT) == self.interrupt


# The command line ---------------------------------------------------------------------------------


def handle_interrupts() -> None:
    """From now on Ctrl-C calls `raise_or_exit` in place of Python's own handler."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, raise_or_exit)


def ignore_interrupts() -> None:
    """From now on Ctrl-C does nothing: the work is done, and its exit code stands."""
    if signal.getsignal(signal.SIGINT) is raise_or_exit:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def raise_or_exit(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; in the middle of an import, end the process.

    An import may swallow the exception, or make an ImportError of it. Nothing is lost by then.
    """
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            os._exit(tell_interrupted())
        frame = frame.f_back
    raise KeyboardInterrupt


def tell_interrupted() -> int:
    """Say on standard error, past all buffers, that it was interrupted; returns the exit code."""
    with suppress(OSError):  # nobody reads it
        os.write(2, b"codesign: interrupted\n")
    return INTERRUPTED
