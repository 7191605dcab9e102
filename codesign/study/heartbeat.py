"""Which of the runs that share a store are still alive.

No clock of the wall is read: a run beats a counter in the store, and whoever waits for it watches
the counter by a clock of its own that only goes forward. On the same machine the process itself is
looked for too, so that a killed run is known for dead at once; one that ended without a word while
its process goes on (a notebook's, say, after a full disk) is known by its silence.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

BEAT_S = 2.0
PATIENCE_S = 60.0  # a run that has not beaten for so long is dead


class Process(NamedTuple):
    """A process in a way that is never given to another: machine, number, start.

    ``machine`` is empty where it cannot be told; ``started`` is in ticks since its boot.
    """

    machine: str
    pid: int
    started: str


class Sighting(NamedTuple):
    """A run as the store shows it."""

    run: int
    process: Process
    beats: int


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(_machine(), pid, _started(pid) or "")


def _machine() -> str:
    """Host, boot and process numbering of this process (Linux); empty elsewhere."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process of this machine started; None where there is none, or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # from the third on: state, parent, …
    return None if fields[0] in "ZX" else fields[19]


class Watch:
    """Tells dead runs from living ones.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._here = this_process()
        self._seen: dict[int, tuple[int, float]] = {}  # run: beats, since when

    def dead(self, seen: Sighting) -> bool:
        """Whether a run will never answer what it has claimed."""
        process = seen.process
        here = process.machine and process.machine == self._here.machine
        if here and _started(process.pid) != process.started:
            return True
        now = self._clock()
        beats, since = self._seen.setdefault(seen.run, (seen.beats, now))
        if beats != seen.beats:
            self._seen[seen.run] = (seen.beats, now)
            return False
        return now - since > PATIENCE_S


class Pulse(Thread):
    """Calls ``beat`` every few seconds until stopped, whatever the main thread is busy with."""

    def __init__(self, beat: Callable[[], None]) -> None:
        super().__init__(name="codesign-pulse", daemon=True)
        self._beat = beat
        self._over = Event()

    def run(self) -> None:
        """Beat until stopped."""
        while not self._over.wait(BEAT_S):
            self._beat()

    def stop(self) -> None:
        """Stop, and wait until the last beat is through."""
        self._over.set()
        self.join()
