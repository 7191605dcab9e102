"""Ctrl-C of the command line, while libraries are still being loaded and afterwards."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

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
