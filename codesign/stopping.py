"""When a search has to end before it is through: at a deadline, or when Ctrl-C asks for it."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Literal

from codesign.errors import SpecError


class Stopped(Exception):
    """Raised inside a search that has to end."""


class StopCondition:
    """A deadline, and whether an interrupt came first.

    Attributes
    ----------
    limit_s : float or None
        Seconds allowed from the start on.
    deadline : float
        Of `time.monotonic`.
    interrupted : bool
    """

    def __init__(self, limit_s: float | None = None) -> None:
        self.limit_s, self.interrupted = limit_s, False
        self.deadline = math.inf if limit_s is None else time.monotonic() + limit_s

    @staticmethod
    def within(time_limit_s: float | None) -> StopCondition:
        """So many seconds from now; None: no deadline.

        Raises
        ------
        SpecError
            A limit that is not positive.
        """
        if time_limit_s is not None and not time_limit_s > 0:
            raise SpecError(f"time_limit_s must be positive, got {time_limit_s}")
        return StopCondition(time_limit_s)

    def left_s(self) -> float | None:
        """Seconds left, at least 0; None without a deadline."""
        if math.isinf(self.deadline):
            return None
        return max(self.deadline - time.monotonic(), 0.0)

    @contextmanager
    def sooner(self, limit_s: float) -> Iterator[None]:
        """Meanwhile the deadline is at most so many seconds from now."""
        usual = self.deadline
        self.deadline = min(usual, time.monotonic() + limit_s)
        try:
            yield
        finally:
            self.deadline = usual

    def reached(self) -> bool:
        """Whether it is time to end."""
        if self.interrupted:
            return True
        return not math.isinf(self.deadline) and time.monotonic() > self.deadline

    def reason(self) -> Literal["time", "interrupt"] | None:
        """Why a search that has ended early did: an interrupt, else the deadline if there is one.

        None: neither. Something else, a solver perhaps, gave up.
        """
        if self.interrupted:
            return "interrupt"
        return None if math.isinf(self.deadline) else "time"

    def check(self) -> None:
        """Raise `Stopped` when it is time to end."""
        if self.reached():
            raise Stopped

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

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Meanwhile Ctrl-C calls `interrupt`.

        Only in the main thread, the only one that hears it, and only where Python's own handler
        would, or the command line's: one that somebody else has set stays.
        """
        usual = signal.getsignal(signal.SIGINT)
        known = usual in (signal.default_int_handler, hear)
        if current_thread() is not main_thread() or not known:
            yield
            return
        signal.signal(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile Ctrl-C raises KeyboardInterrupt as usual, for what does not look at a halt."""
        if not self._hears():
            yield
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, self.interrupt)

    @contextmanager
    def breaking(self) -> Iterator[None]:
        """Meanwhile Ctrl-C, where heard, raises `Stopped`, for long work that seldom looks."""
        mine = self._hears()
        try:
            with self.paused():
                self.check()
                yield
        except KeyboardInterrupt:
            if not mine:
                raise
            self.interrupted = True
            raise Stopped from None

    def _hears(self) -> bool:
        if current_thread() is not main_thread():
            return False
        return signal.getsignal(signal.SIGINT) == self.interrupt


INTERRUPTED = 130  # exit code, as of a process ended by SIGINT
IMPORTING = "<frozen importlib._bootstrap>"


def listen() -> None:
    """From now on Ctrl-C calls `hear`, where it would call Python's own handler."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, hear)


def ignore() -> None:
    """From now on Ctrl-C does nothing: the work is done, and its exit code stands."""
    if signal.getsignal(signal.SIGINT) is hear:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def hear(_number: int, frame: FrameType | None) -> None:
    """End the process if it is importing, when there is nothing to lose, else raise.

    An import may keep the exception to itself, or make an ImportError of it.

    Raises
    ------
    KeyboardInterrupt
        Anywhere but in an import.
    """
    while frame is not None:
        if frame.f_code.co_filename == IMPORTING:
            os._exit(told())
        frame = frame.f_back
    raise KeyboardInterrupt


def told() -> int:
    """Say on standard error, past all buffers, that it was interrupted; the exit code."""
    with suppress(OSError):  # nobody reads it
        os.write(2, b"codesign: interrupted\n")
    return INTERRUPTED
